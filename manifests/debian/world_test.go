package debian

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/therootcompany/xz"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

const (
	root     = "https://mirror.example.org/debian/"
	security = "https://mirror.example.org/debian-security/"
)

var (
	now   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	linux = manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}
)

// A world is a mirror of an archive with its own key.
type world struct {
	*manifesttest.Upstream
	key *verifytest.Key
}

func newWorld(tb testing.TB) world {
	return world{&manifesttest.Upstream{Files: map[string][]byte{}}, verifytest.NewKey(tb, "archive", now.AddDate(-1, 0, 0))}
}

// publish puts a suite on the mirror, signed by the archive's key.
func (w world) publish(tb testing.TB, at string, s manifesttest.Suite) {
	if s.Issued.IsZero() {
		s.Issued = now.Add(-48 * time.Hour)
	}
	if s.Signers == nil {
		s.Signers = []*verifytest.Key{w.key}
	}
	for path, data := range s.Publish(tb) {
		w.Files[at+path] = data
	}
}

// bookworm is the main suite of an archive: a linker, a compiler, ninja.
func bookworm() manifesttest.Suite {
	return manifesttest.Suite{Name: "bookworm", Suite: "oldstable", ByHash: true, Packages: []manifesttest.Deb{
		{Package: "ninja-build", Version: "1.11.1-2~deb12u1", Fields: map[string]string{"Depends": "libc6 (>= 2.34)"}},
		{Package: "libc6", Version: "2.36-9+deb12u14", Fields: map[string]string{"Depends": "libgcc-s1"}},
		{Package: "libgcc-s1", Version: "12.2.0-14+deb12u1", Fields: map[string]string{"Depends": "gcc-12-base (= 12.2.0-14+deb12u1), libc6 (>= 2.35)"}},
		{Package: "gcc-12-base", Version: "12.2.0-14+deb12u1"},
	}}
}

func securitySuite(version string) manifesttest.Suite {
	return manifesttest.Suite{Name: "bookworm-security", Suite: "oldstable-security", ByHash: true, Issued: now.Add(-time.Hour), Until: now.Add(6 * 24 * time.Hour),
		Packages: []manifesttest.Deb{{Package: "ninja-build", Version: version, Fields: map[string]string{"Depends": "libc6"}}}}
}

func updatesSuite() manifesttest.Suite {
	return manifesttest.Suite{Name: "bookworm-updates", Suite: "oldstable-updates", ByHash: true, Packages: nil}
}

// whole returns a mirror that has all three suites.
func whole(tb testing.TB) world {
	w := newWorld(tb)
	w.publish(tb, root, bookworm())
	w.publish(tb, root, updatesSuite())
	w.publish(tb, security, securitySuite("1.11.1-2~deb12u2"))
	return w
}

func (w world) source(tb testing.TB) Source {
	return Source{Channel: "debian-bookworm", Codename: "bookworm", Origin: "Debian", Suites: suitesOf(root, "bookworm"),
		Policy: verify.Policy{Keys: verifytest.Keyring(tb, w.key), Threshold: 1}}
}

func ask(tool string) manifests.Request { return manifests.Request{Tool: tool, Platform: linux} }

func (w world) fetch(tb testing.TB, s Source, r manifests.Request) (*catalog, error) {
	tb.Helper()
	c, err := s.Fetch(tb.Context(), w, manifests.Query{Request: r, Now: now})
	if err != nil {
		return nil, err
	}
	return c.(*catalog), nil
}

// resolve does what an install does up to the download.
func (w world) resolve(tb testing.TB, s Source, r manifests.Request, last verify.Mark) (manifests.Release, error) {
	tb.Helper()
	c, err := w.fetch(tb, s, r)
	if err == nil {
		err = c.Mark().Supersedes(last, now)
	}
	if err != nil {
		return manifests.Release{}, err
	}
	release, err := c.Resolve(r)
	if err != nil {
		return manifests.Release{}, err
	}
	return release, release.Validate()
}

// memory is a Cache in memory.
type memory map[verify.Digest][]byte

func (m memory) Load(d verify.Digest, limit int64) []byte {
	if int64(len(m[d])) > limit {
		return nil
	}
	return bytes.Clone(m[d])
}

func (m memory) Has(d verify.Digest, size int64) bool { return int64(len(m[d])) == size }

func (m memory) Store(d verify.Digest, data []byte) { m[d] = bytes.Clone(data) }

// sample reads a file of testdata.
func sample(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	if strings.HasSuffix(name, ".xz") {
		z, err := xz.NewReader(bytes.NewReader(data), 0)
		if err == nil {
			data, err = io.ReadAll(z)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	return data
}

// components lists the components of a release, with duplicates.
func components(r manifests.Release) string {
	var names []string
	for _, a := range r.Artifacts {
		names = append(names, a.Component)
	}
	return strings.Join(names, " ")
}

// packages makes an archive of stanzas, for tests of the closure alone.
func packages(tb testing.TB, arch string, stanzas ...string) *archive {
	tb.Helper()
	a := newArchive(arch)
	if err := a.add(&index{name: "Packages", root: root, suite: "bookworm"}, proved(tb, []byte(strings.Join(stanzas, "\n")))); err != nil {
		tb.Fatal(err)
	}
	return a
}

// proved makes a document of data, stated by a signed document.
func proved(tb testing.TB, data []byte) verify.Document {
	tb.Helper()
	d, err := signed(tb).ChildNoCopy("document", data, verify.DigestOf(data))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

var once sync.Once
var parent verify.Document

// signed returns a proved document, the same each time.
func signed(tb testing.TB) verify.Document {
	once.Do(func() {
		key := verifytest.NewKey(tb, "archive", now.AddDate(-1, 0, 0))
		policy := verify.Policy{Keys: verifytest.Keyring(tb, key), Threshold: 1, Now: now}
		parent, _ = policy.Clearsigned("InRelease", verifytest.Clearsign(tb, []byte("digests\n"), now, key))
	})
	return parent
}

// newStanza returns the text of a stanza: "name version", then fields.
func newStanza(what string, fields ...string) string {
	name, version, _ := strings.Cut(what, " ")
	text := "Package: " + name + "\nVersion: " + version + "\nArchitecture: amd64\n"
	for _, f := range fields {
		text += f + "\n"
	}
	return text + "Filename: pool/" + name + ".deb\nSize: 1\nSHA256: " + strings.Repeat("0", 64) + "\n"
}

func names(m map[string]details) map[string]bool {
	all := map[string]bool{}
	for name := range maps.Keys(m) {
		all[name] = true
	}
	return all
}

func isUntrusted(err error) bool { return errors.Is(err, verify.ErrUntrusted) }

// raw returns a file of testdata unchanged.
func raw(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}
