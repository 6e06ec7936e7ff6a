package trust_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// resolving is a State that proves catalogs and keeps no marks.
type resolving struct {
	settings
	cache *os.Root
}

func (s resolving) Cache(bool) (*os.Root, error) { return s.cache, nil }

func (s resolving) CacheForDocuments() (*os.Root, error) { return s.cache, nil }

func (s resolving) Catalog(ctx context.Context, t manifests.Transport, ch manifests.Channel, q manifests.Request) (manifests.Catalog, error) {
	return ch.Source.Fetch(ctx, t, manifests.Query{Request: q, Now: now})
}

func (s resolving) Release(cat manifests.Catalog, _ manifests.Channel, q manifests.Request) (manifests.Release, error) {
	return cat.Resolve(q)
}

// counted counts the requests of each ref.
type counted struct {
	manifests.Transport
	mu    sync.Mutex
	asked map[string]int
}

func (c *counted) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	c.mu.Lock()
	c.asked[ref]++
	c.mu.Unlock()
	return c.Transport.Open(ctx, ref, offset)
}

// newFleet returns a desk with the channel fleet, which offers tool0 to tool9.
func newFleet(t *testing.T) (*trust.Desk, *manifesttest.Upstream, *counted) {
	t.Helper()
	d := newDesk(t, "")
	cache, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cache.Close() })
	if err := cache.Mkdir(manifests.DocumentsDir, 0o700); err != nil {
		t.Fatal(err)
	}
	d.State = resolving{d.State.(settings), cache}
	key := verifytest.NewKey(t, "fleet", now.AddDate(-1, 0, 0))
	c := channels.Channel{Name: "fleet", URL: "https://fleet.example/channel.toml", Format: "native", Threshold: 1, Added: now, Pins: []verify.Pin{key.Pin()}}
	root, _ := d.State.Config(false)
	if err := (channels.Store{Root: root}).Put(c, verifytest.Keyring(t, key)); err != nil {
		t.Fatal(err)
	}
	m := &native.Manifest{Channel: "fleet", Serial: 1, Issued: now.AddDate(0, 0, -1), Expires: now.AddDate(0, 0, 30)}
	for n := range 10 {
		m.Releases = append(m.Releases, native.Release{Tool: fmt.Sprintf("tool%d", n), Version: "1.0", Commands: []string{"bin/tool"}, Artifacts: []native.Artifact{{
			Component: fmt.Sprintf("tool%d", n), Path: "blobs/x", Size: 1, SHA256: verify.DigestOf([]byte("x")), Format: "file"}}})
	}
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	u := &manifesttest.Upstream{Files: map[string][]byte{c.URL: data, c.URL + ".asc": verifytest.Cosign(t, data, now, key)}}
	from := &counted{Transport: u, asked: map[string]int{}}
	d.Transport = from
	return d, u, from
}

// All tools of one command come from one catalog, also of callers at the same time.
func TestChannelIsAskedOnce(t *testing.T) {
	d, _, from := newFleet(t)
	b, err := d.Named(t.Context(), "fleet")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	for n := range 30 {
		work.Go(func() {
			tool := fmt.Sprintf("tool%d", n%10)
			q := d.Request(trust.Ref{Name: tool})
			r, err := d.Resolve(t.Context(), b, q)
			if err != nil || r.Tool != tool {
				t.Errorf("%s: %s, %v", tool, r.Tool, err)
			}
			if cat, err := d.Cached(t.Context(), b, q); err != nil || len(cat.Versions(tool)) != 1 {
				t.Errorf("%s: %v", tool, err)
			}
		})
	}
	work.Wait()
	if _, err := d.Resolve(t.Context(), b, d.Request(trust.Ref{Name: "other"})); !as[*manifests.UnknownToolError](err) {
		t.Errorf("other: %v", err)
	}
	for _, name := range []string{"keys.toml", "channel.toml", "channel.toml.asc"} {
		if n := from.asked["https://fleet.example/"+name]; n != 1 {
			t.Errorf("%s was asked for %d times", name, n)
		}
	}
}

// A bundle may say that it is for thousands of releases of one channel: its manifest, which
// may be large, is proved once. Without Frozen, Transport sees what each request reads.
func TestFrozenManifestIsProvedOnce(t *testing.T) {
	for _, test := range []struct {
		frozen bool
		asked  int
	}{{true, 1}, {false, 10}} {
		d, _, from := newFleet(t)
		d.Uncached, d.Frozen = true, test.frozen
		b, err := d.Named(t.Context(), "fleet")
		if err != nil {
			t.Fatal(err)
		}
		for n := range 10 {
			tool := fmt.Sprintf("tool%d", n)
			if r, err := d.Resolve(t.Context(), b, d.Request(trust.Ref{Name: tool})); err != nil || r.Tool != tool {
				t.Errorf("%s: %s, %v", tool, r.Tool, err)
			}
		}
		if n := from.asked["https://fleet.example/channel.toml"]; n != test.asked {
			t.Errorf("frozen %v: the manifest was asked for %d times", test.frozen, n)
		}
		// Nor is one that is refused, and what was remembered online proves no copy.
		d, u, from := newFleet(t)
		if b, err = d.Named(t.Context(), "fleet"); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Fetch(t.Context(), b, d.Request(trust.Ref{})); err != nil {
			t.Fatal(err)
		}
		u.Files["https://fleet.example/channel.toml"] = []byte("changed")
		d.Uncached, d.Frozen = true, test.frozen
		clear(from.asked)
		for range 10 {
			if _, err := d.Resolve(t.Context(), b, d.Request(trust.Ref{Name: "tool1"})); !errors.Is(err, verify.ErrUntrusted) {
				t.Errorf("a changed manifest: %v", err)
			}
		}
		if n := from.asked["https://fleet.example/channel.toml"]; test.frozen == (n >= 10) {
			t.Errorf("frozen %v: the refused manifest was asked for %d times", test.frozen, n)
		}
	}
}

// A channel that failed is not asked again in the same command. What is cached still
// serves what needs no network, and another command asks again.
func TestFailedChannelIsAskedOnce(t *testing.T) {
	d, u, from := newFleet(t)
	b, err := d.Named(t.Context(), "fleet")
	if err != nil {
		t.Fatal(err)
	}
	q := d.Request(trust.Ref{Name: "tool1"})
	if _, err := d.Cached(t.Context(), b, q); !errors.Is(err, manifests.ErrOffline) {
		t.Errorf("nothing is cached: %v", err)
	}
	if _, err := d.Fetch(t.Context(), b, q); err != nil {
		t.Fatal(err)
	}
	next := func() *trust.Desk {
		return &trust.Desk{State: d.State, Transport: from, Now: now, Platform: d.Platform, Distro: d.Distro, Glibc: d.Glibc, MachineRules: d.MachineRules, Warn: d.Warn}
	}
	u.Tell("https://fleet.example/channel.toml", manifesttest.NotFound)
	second := next()
	clear(from.asked)
	for range 3 {
		if _, err := second.Resolve(t.Context(), b, q); !errors.Is(err, manifests.ErrNotFound) {
			t.Errorf("a missing manifest: %v", err)
		}
	}
	if n := from.asked["https://fleet.example/channel.toml"]; n != 1 {
		t.Errorf("the manifest was asked for %d times", n)
	}
	if _, err := second.Cached(t.Context(), b, q); err != nil {
		t.Errorf("the cached catalog: %v", err)
	}
	u.Tell("https://fleet.example/channel.toml", nil)
	if _, err := next().Resolve(t.Context(), b, q); err != nil {
		t.Errorf("the next command: %v", err)
	}
}
