package manifesttest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/verify/verifytest"
)

// A Deb is a Debian package: its index entry and its content.
type Deb struct {
	Package, Version string
	Arch             string            // amd64, arm64 or all; empty: that of the index
	Fields           map[string]string // further fields: Depends, Provides
	Files            map[string]string // of data.tar, by path; files below bin and loaders are executable, "-> target" is a link
}

// A Suite is a suite of an archive like Debian's, published under dists/<Name>.
type Suite struct {
	Name     string // of its directory
	Suite    string // the Suite field; empty: Name
	Codename string // empty: Name
	Origin   string // empty: Debian
	Issued   time.Time
	Until    time.Time // Valid-Until; zero: none
	ByHash   bool
	Packages []Deb
	Signers  []*verifytest.Key // empty: not clear-signed
	Signed   time.Time         // zero: Issued
	// Change rewrites the index of amd64 and arm64 before its digests are taken. May be nil.
	Change func(index string) string
	// Sums rewrites InRelease before it is signed. May be nil.
	Sums func(release string) string
}

// Publish returns the files of s, by path below the archive's root: InRelease, for amd64
// and arm64 an index and its compressed form, and the packages in the pool.
func (s Suite) Publish(tb testing.TB) map[string][]byte {
	tb.Helper()
	files := map[string][]byte{}
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	date := func(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC") }
	release := fmt.Sprintf("Origin: %s\nLabel: Debian\nSuite: %s\nVersion: 12.15\nCodename: %s\nDate: %s\n",
		or(s.Origin, "Debian"), or(s.Suite, s.Name), or(s.Codename, s.Name), date(s.Issued))
	if !s.Until.IsZero() {
		release += "Valid-Until: " + date(s.Until) + "\n"
	}
	if s.ByHash {
		release += "Acquire-By-Hash: yes\n"
	}
	release += "No-Support-for-Architecture-all: Packages\nArchitectures: all amd64 arm64\nComponents: main contrib\nDescription: test\n" +
		"MD5Sum:\n d41d8cd98f00b204e9800998ecf8427e        0 contrib/Contents-all\nSHA256:\n"
	dir := "dists/" + s.Name + "/"
	for _, arch := range []string{"amd64", "arm64"} {
		var index strings.Builder
		for _, d := range s.Packages {
			if text, name, data := d.pack(tb, arch); text != "" {
				index.WriteString(text + "\n")
				files[name] = data
			}
		}
		text := index.String()
		if s.Change != nil {
			text = s.Change(text)
		}
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, err := z.Write([]byte(text))
		check(tb, err)
		check(tb, z.Close())
		for _, suffix := range []string{"", ".gz"} {
			data := []byte(text)
			if suffix != "" {
				data = packed.Bytes()
			}
			path := "main/binary-" + arch + "/Packages" + suffix
			sum := sha256.Sum256(data)
			hex := hex.EncodeToString(sum[:])
			release += fmt.Sprintf(" %s %8d %s\n", hex, len(data), path)
			if suffix != "" {
				files[dir+path] = data
				if s.ByHash {
					files[dir+"main/binary-"+arch+"/by-hash/SHA256/"+hex] = data
				}
			}
		}
	}
	if s.Sums != nil {
		release = s.Sums(release)
	}
	files[dir+"InRelease"] = []byte(release)
	if len(s.Signers) > 0 {
		signed := s.Signed
		if signed.IsZero() {
			signed = s.Issued
		}
		files[dir+"InRelease"] = verifytest.Clearsign(tb, []byte(release), signed, s.Signers...)
	}
	return files
}

// pack returns d's stanza in the index of arch, its path below the root, and the package
// file. The stanza is empty if d is for another architecture.
func (d Deb) pack(tb testing.TB, arch string) (stanza, name string, data []byte) {
	if d.Arch == "" {
		d.Arch = arch
	}
	if d.Arch != arch && d.Arch != "all" {
		return "", "", nil
	}
	var tree []member
	for _, path := range slices.Sorted(maps.Keys(d.Files)) {
		m := member{"./" + path, d.Files[path], 0o644}
		if target, link := strings.CutPrefix(m.text, "-> "); link {
			m.text, m.mode = target, fs.ModeSymlink
		} else if strings.Contains(path, "bin/") || strings.Contains(path, "/ld-linux-") {
			m.mode = 0o755
		}
		tree = append(tree, m)
	}
	_, unepoched, ok := strings.Cut(d.Version, ":")
	if !ok {
		unepoched = d.Version
	}
	name = fmt.Sprintf("pool/main/%s/%s/%s_%s_%s.deb", d.Package[:1], d.Package, d.Package, unepoched, d.Arch)
	data = ar(tb, d.Package, tarball(tb, tree...))
	sum := sha256.Sum256(data)
	stanza = fmt.Sprintf("Package: %s\nVersion: %s\nInstalled-Size: 10\nArchitecture: %s\n", d.Package, d.Version, d.Arch)
	for _, field := range slices.Sorted(maps.Keys(d.Fields)) {
		stanza += field + ": " + d.Fields[field] + "\n"
	}
	stanza += fmt.Sprintf("Description: a test\n of %s\nFilename: %s\nSize: %d\nSHA256: %x\n", d.Package, name, len(data), sum)
	return stanza, name, data
}

// ar returns a package with the given data.tar.gz. Its control.tar has a script that must
// never be run.
func ar(tb testing.TB, pkg string, data []byte) []byte {
	var out bytes.Buffer
	out.WriteString("!<arch>\n")
	control := tarball(tb, member{"./control", "Package: " + pkg + "\n", 0o644}, member{"./postinst", "#!/bin/sh\nexit 1\n", 0o755})
	for _, m := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", control}, {"data.tar.gz", data}} {
		fmt.Fprintf(&out, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.name, 0, 0, 0, "100644", len(m.data))
		out.Write(m.data)
		if len(m.data)%2 == 1 {
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}
