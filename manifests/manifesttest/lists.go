package manifesttest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/verify/verifytest"
)

// Lists returns the files, by path below its base, of an imitation of an upstream with
// signed checksum lists: the index, newest version first, and for each World its list,
// signatures and archives, in the upstream's own layout. The programs in the archives
// are scripts that print the version. World.Name is the LTS code name of Node.js.
func Lists(tb testing.TB, tool string, worlds ...World) map[string][]byte {
	tb.Helper()
	files := map[string][]byte{}
	switch tool {
	case "node":
		files["index.json"] = nodeIndex(worlds)
	case "bun":
		files["releases.atom"] = feed("oven-sh/bun", "bun-v", worlds)
	case "cmake":
		files["releases.atom"] = feed("Kitware/CMake", "v", worlds)
	default:
		files[tool+"/index.json"] = productIndex(tool, worlds)
	}
	for _, w := range worlds {
		d := &dist{tb: tb, files: files, world: w}
		switch tool {
		case "node":
			d.node()
		case "bun":
			d.bun()
		case "cmake":
			d.cmake()
		default:
			d.hashicorp(tool)
		}
	}
	return files
}

// A dist collects the files of one version of an upstream.
type dist struct {
	tb    testing.TB
	files map[string][]byte
	world World
	dir   string
	list  string
}

// add publishes a file and adds it to the list.
func (d *dist) add(name string, data []byte) {
	sum := sha256.Sum256(data)
	d.files[d.dir+name] = data
	d.list += hex.EncodeToString(sum[:]) + "  " + name + "\n"
}

// detached publishes the list with detached signatures.
func (d *dist) detached(name string, sign func(testing.TB, []byte, time.Time, ...*verifytest.Key) []byte, suffixes ...string) {
	d.files[d.dir+name] = []byte(d.list)
	for _, suffix := range suffixes {
		if len(d.world.Signers) > 0 {
			d.files[d.dir+name+suffix] = sign(d.tb, []byte(d.list), d.world.Signed, d.world.Signers...)
		}
	}
}

// clearsigned publishes the list clear-signed.
func (d *dist) clearsigned(name string) {
	d.files[d.dir+name] = []byte(d.list)
	if len(d.world.Signers) > 0 {
		d.files[d.dir+name] = verifytest.Clearsign(d.tb, []byte(d.list), d.world.Signed, d.world.Signers...)
	}
}

func (d *dist) node() {
	v := d.world.Version
	d.dir = "v" + v + "/"
	for _, platform := range []string{"darwin-arm64", "linux-arm64", "linux-x64"} {
		top := "node-v" + v + "-" + platform
		d.add(top+".tar.gz", tarball(d.tb,
			member{top + "/LICENSE", "MIT\n", 0o644},
			member{top + "/bin/node", printScript("v" + v), 0o755},
			member{top + "/bin/npm", "../lib/node_modules/npm/bin/npm-cli.js", fs.ModeSymlink},
			member{top + "/bin/npx", "../lib/node_modules/npm/bin/npm-cli.js", fs.ModeSymlink},
			member{top + "/lib/node_modules/npm/bin/npm-cli.js",
				"#!/bin/sh\ncat \"$(dirname \"$(readlink -f \"$0\")\")/../npmrc\"\n", 0o755}))
		d.add(top+".tar.xz", []byte(strings.Repeat("another compression of "+top+"\n", 150))) // larger, so it is never chosen
	}
	top := "node-v" + v + "-win-x64"
	d.add(top+".zip", zipped(d.tb, member{top + "/node.exe", printScript("v" + v), 0o755}))
	d.add("win-x64/node.exe", []byte("the program of "+top))
	d.detached("SHASUMS256.txt", verifytest.SignBinary, ".sig")
	d.clearsigned("SHASUMS256.txt.asc")
}

func nodeIndex(worlds []World) []byte {
	var lines []string
	for _, w := range worlds {
		lts := "false"
		if w.Name != "" {
			lts = fmt.Sprintf("%q", w.Name)
		}
		lines = append(lines, fmt.Sprintf(`{"version":"v%s","date":"%s","files":["headers","linux-arm64","linux-x64","osx-arm64-tar","src","win-x64-msi","win-x64-zip"],"npm":"10.9.0","lts":%s,"security":false}`,
			w.Version, w.Issued.Format(time.DateOnly), lts))
	}
	return []byte("[\n" + strings.Join(lines, ",\n") + "\n]\n")
}

// bun's files have the same names in every version.
func (d *dist) bun() {
	d.dir = "releases/download/bun-v" + d.world.Version + "/"
	for _, platform := range []string{"darwin-aarch64", "linux-aarch64", "linux-x64", "linux-x64-baseline", "linux-x64-musl"} {
		program := printScript(d.world.Version) + "Bun v" + d.world.Version + " (6ad208bc) " + platform + "\x00\n"
		d.add("bun-"+platform+".zip", zipped(d.tb, member{"bun-" + platform + "/", "", fs.ModeDir | 0o755},
			member{"bun-" + platform + "/bun", program, 0o755}))
	}
	d.detached("SHASUMS256.txt", nil)
	d.clearsigned("SHASUMS256.txt.asc")
}

func (d *dist) cmake() {
	v := d.world.Version
	d.dir = "releases/download/v" + v + "/"
	for _, platform := range []string{"linux-aarch64", "linux-x86_64"} {
		top := "cmake-" + v + "-" + platform
		d.add(top+".tar.gz", tarball(d.tb, member{top + "/bin/cmake", printScript("cmake version " + v), 0o755},
			member{top + "/bin/ctest", printScript("ctest version " + v), 0o755}, member{top + "/share/cmake/README", "\n", 0o644}))
	}
	top := "cmake-" + v + "-macos-universal"
	d.add(top+".tar.gz", tarball(d.tb, member{top + "/CMake.app/Contents/bin/cmake", printScript("cmake version " + v), 0o755}))
	d.detached("cmake-"+v+"-SHA-256.txt", verifytest.Cosign, ".asc")
}

func (d *dist) hashicorp(tool string) {
	v := d.world.Version
	d.dir = tool + "/" + v + "/"
	for _, platform := range []string{"darwin_arm64", "linux_amd64", "linux_arm64"} {
		d.add(tool+"_"+v+"_"+platform+".zip", zipped(d.tb, member{"LICENSE.txt", "BUSL\n", 0o644}, member{tool, printScript(tool + " v" + v), 0o755}))
	}
	d.detached(tool+"_"+v+"_SHA256SUMS", verifytest.SignBinary, ".sig", ".72D7468F.sig")
}

func productIndex(tool string, worlds []World) []byte {
	var lines []string
	for _, w := range worlds {
		var builds []string
		for _, platform := range []string{"darwin arm64", "linux amd64", "linux arm64"} {
			os, arch, _ := strings.Cut(platform, " ")
			file := fmt.Sprintf("%s_%s_%s_%s.zip", tool, w.Version, os, arch)
			builds = append(builds, fmt.Sprintf(`{"name":%q,"version":%q,"os":%q,"arch":%q,"filename":%q,"url":"https://releases.hashicorp.com/%[1]s/%[2]s/%[5]s"}`,
				tool, w.Version, os, arch, file))
		}
		lines = append(lines, fmt.Sprintf(`%[2]q:{"name":%[1]q,"version":%[2]q,"shasums":"%[1]s_%[2]s_SHA256SUMS","shasums_signature":"%[1]s_%[2]s_SHA256SUMS.sig","builds":[%[3]s]}`,
			tool, w.Version, strings.Join(builds, ",")))
	}
	return []byte(fmt.Sprintf(`{"name":%q,"versions":{%s}}`, tool, strings.Join(lines, ",")))
}

// feed returns a releases.atom as GitHub serves it.
func feed(repository, tag string, worlds []World) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/" xml:lang="en-US">
  <id>tag:github.com,2008:https://github.com/%[1]s/releases</id>
  <link type="text/html" rel="alternate" href="https://github.com/%[1]s/releases"/>
  <title>Release notes from %[1]s</title>
`, repository)
	for i, w := range worlds {
		fmt.Fprintf(&b, `  <entry>
    <id>tag:github.com,2008:Repository/%[1]d/%[2]s%[3]s</id>
    <updated>%[4]s</updated>
    <link rel="alternate" type="text/html" href="https://github.com/%[5]s/releases/tag/%[2]s%[3]s"/>
    <title>v%[3]s</title>
    <content type="html">&lt;p&gt;Changes&lt;/p&gt;</content>
  </entry>
`, 357728969+i, tag, w.Version, w.Issued.Format(time.RFC3339), repository)
	}
	b.WriteString("</feed>\n")
	return []byte(b.String())
}

// A member is one entry of an archive: a file, a directory, or a link with its target as
// text.
type member struct {
	name, text string
	mode       fs.FileMode
}

// printScript returns a program that prints a line.
func printScript(line string) string { return "#!/bin/sh\necho " + line + "\nexit\n" }

func tarball(tb testing.TB, members ...member) []byte {
	tb.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(tree(tb, members...))
	check(tb, err)
	check(tb, z.Close())
	return out.Bytes()
}

// tree returns a tar of members.
func tree(tb testing.TB, members ...member) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	var dirs []string
	for _, m := range members {
		top, _, _ := strings.Cut(m.name, "/")
		if !slices.Contains(dirs, top) {
			dirs = append(dirs, top)
			check(tb, w.WriteHeader(&tar.Header{Name: top + "/", Typeflag: tar.TypeDir, Mode: 0o755}))
		}
		h := &tar.Header{Name: m.name, Typeflag: tar.TypeReg, Mode: int64(m.mode.Perm()), Size: int64(len(m.text))}
		if m.mode.Type() == fs.ModeSymlink {
			h.Typeflag, h.Mode, h.Size, h.Linkname = tar.TypeSymlink, 0o777, 0, m.text
		}
		check(tb, w.WriteHeader(h))
		if h.Typeflag == tar.TypeReg {
			_, err := w.Write([]byte(m.text))
			check(tb, err)
		}
	}
	check(tb, w.Close())
	return out.Bytes()
}

func zipped(tb testing.TB, members ...member) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		if m.mode.IsDir() {
			h.Method = zip.Store
		}
		h.SetMode(m.mode)
		f, err := w.CreateHeader(h)
		check(tb, err)
		_, err = f.Write([]byte(m.text))
		check(tb, err)
	}
	check(tb, w.Close())
	return out.Bytes()
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
