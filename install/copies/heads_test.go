package copies

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/gosum"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// goProxy is a module proxy with one toolchain after another.
type goProxy struct {
	db   *verifytest.ChecksumDB
	list string
}

const goModule = "golang.org/toolchain"

func (p *goProxy) release(t *testing.T, version string) {
	p.db.Fill(t, 300) // so that tiles fill up between two releases
	module := "v0.0.1-go" + version + ".linux-amd64"
	p.db.Add(t, goModule, module, "h1:"+strings.Repeat("A", 43)+"=")
	p.list += module + "\n"
}

func (p *goProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/sumdb/sum.example.org/supported":
	case strings.HasPrefix(path, "/sumdb/sum.example.org/"):
		http.StripPrefix("/sumdb/sum.example.org", p.db).ServeHTTP(w, r)
	case path == "/"+goModule+"/@v/list":
		io.WriteString(w, p.list)
	case strings.HasSuffix(path, ".zip"):
		io.WriteString(w, "a zip of which only the existence matters here")
	default:
		http.NotFound(w, r)
	}
}

// copied serves the documents of a collector, as the mirror would.
type copied struct{ c *collector }

func (t copied) Open(_ context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	name, err := Name(ref)
	if err != nil {
		return nil, 0, err
	}
	e, ok := t.c.docs[name]
	if !ok && !strings.HasSuffix(ref, ".zip") {
		return nil, 0, manifests.ErrNotFound
	}
	if !ok {
		return io.NopCloser(strings.NewReader("")), 0, nil
	}
	data, err := rootfs.ReadFile(t.c.store.Documents, download.BlobFile(e.Digest), e.Size)
	return io.NopCloser(strings.NewReader(string(data[offset:]))), e.Size, err
}

// TestOldTreeHeadsAreProved checks that a client that knows any tree head which the
// mirror has served can use the newest one: each run copies the proofs for all of them.
func TestOldTreeHeadsAreProved(t *testing.T) {
	proxy := &goProxy{db: verifytest.NewChecksumDB(t, "sum.example.org")}
	server := httptest.NewServer(proxy)
	defer server.Close()
	db, err := verify.NewChecksumDB(proxy.db.Key)
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := rootfs.MkdirAll(root, "blobs/sha256", 0o755); err != nil {
		t.Fatal(err)
	}
	linux := manifests.Platform{OS: "linux", Arch: "amd64"}
	ctx, now := context.Background(), time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	source := gosum.Source{Channel: "go", Tool: "go", DB: db, Proxies: []gosum.Proxy{{URL: server.URL}}}
	binding := trust.Binding{Channel: manifests.Channel{Name: "go", Source: source}}
	fetch := func(t manifests.Transport, last verify.Mark) (manifests.Catalog, error) {
		return source.Fetch(ctx, t, manifests.Query{Request: manifests.Request{Tool: "go", Platform: linux}, Now: now, Last: last})
	}
	var old []verify.Mark
	var marks []verify.Mark
	for run, version := range []string{"1.25.1", "1.25.2", "1.25.3", "1.25.4"} {
		proxy.release(t, version)
		last := verify.Mark{}
		if run > 0 {
			last = marks[run-1]
		}
		m := &Copier{Desk: &trust.Desk{}, Transport: transport.New(transport.Config{Version: "test"}), Now: now}
		c := m.newCollector(Store{Documents: root, Artifacts: root}, Have{Heads: old})
		var catalog manifests.Catalog
		if err := c.ask(func() error { catalog, err = fetch(c.tap, last); return err }); err != nil {
			t.Fatal(err)
		}
		mark := catalog.Mark()
		mark.Channel = "go"
		marks = append(marks, mark)
		release, err := catalog.Resolve(manifests.Request{Tool: "go", Platform: linux})
		if err != nil || release.Version != version {
			t.Fatal(release.Version, err)
		}
		if run == 3 { // without the proofs for earlier heads, only the clients of the last run go on
			if _, err := fetch(copied{c}, marks[0]); !errors.Is(err, manifests.ErrUnreachable) {
				t.Fatalf("a client of the first run: %v", err)
			}
		}
		c.logged = []loggedRelease{{binding, manifests.Request{Tool: "go", Version: "=" + version, Platform: linux}}}
		if run > 0 { // an answer that comes with an older head
			c.logged = append(c.logged, loggedRelease{binding, manifests.Request{Tool: "go", Version: "=1.25.1", Platform: linux}})
		}
		if err := c.keepHeads(ctx); err != nil {
			t.Fatal(err)
		}
		for n, known := range append([]verify.Mark{{}}, marks...) {
			if _, err := fetch(copied{c}, known); err != nil {
				t.Fatalf("run %d: a client that knows head %d: %v", run, n, err)
			}
		}
		old = c.heads
	}
	if len(old) != len(marks) {
		t.Errorf("%d heads are recorded, want %d", len(old), len(marks))
	}

	// A log that shows another history is refused, and nothing of it is copied.
	forked := &goProxy{db: proxy.db.Fork()}
	for _, version := range []string{"1.25.1", "1.25.2", "1.25.3", "1.25.4", "1.25.5"} {
		forked.db.Fill(t, 10)
		forked.release(t, version)
	}
	other := httptest.NewServer(forked)
	defer other.Close()
	m := &Copier{Desk: &trust.Desk{}, Transport: transport.New(transport.Config{Version: "test"}), Now: now}
	c := m.newCollector(Store{Documents: root, Artifacts: root}, Have{Heads: old})
	source.Proxies = []gosum.Proxy{{URL: other.URL}}
	err = c.ask(func() error { _, err := fetch(c.tap, marks[3]); return err })
	if !errors.Is(err, verify.ErrStale) && !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a forked log: %v", err)
	}
	if len(c.docs) > 0 {
		t.Errorf("%d documents of a forked log were kept", len(c.docs))
	}
}
