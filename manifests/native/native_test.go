package native_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

const location = "https://tools.acme.example/kist/channel.toml"

func linux() manifests.Platform {
	return manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}
}

func serve(tb testing.TB, w manifesttest.World) map[string][]byte {
	tb.Helper()
	m := &native.Manifest{Channel: w.Name, Serial: w.Serial, Issued: w.Issued, Expires: w.Expires,
		Releases: []native.Release{{Tool: "zig", Version: w.Version, Labels: []string{"stable"}, Commands: []string{"zig"},
			Artifacts: []native.Artifact{{Platform: manifests.Platform{OS: "linux", Arch: "amd64"}, Component: "zig",
				Path: "blobs/zig-" + w.Version + ".tar.zst", Size: 11, SHA256: verify.DigestOf([]byte(w.Version)), Format: "tar.zst"}}}}}
	data, err := m.Encode()
	if err != nil {
		tb.Fatal(err)
	}
	files := map[string][]byte{location: data}
	if len(w.Signers) > 0 {
		files[location+".asc"] = verifytest.Cosign(tb, data, w.Signed, w.Signers...)
	}
	return files
}

func source(policy verify.Policy) native.Source {
	return native.Source{Channel: "acme", URL: location, Policy: policy, Granted: func(string) bool { return true }}
}

func TestEveryLie(t *testing.T) {
	manifesttest.Run(t, manifesttest.Fixture{
		Name: "acme", Freshness: manifesttest.Numbered, Serve: serve,
		Source: func(tb testing.TB, policy verify.Policy) manifests.Source { return source(policy) },
		Request: func(version string) manifests.Request {
			return manifests.Request{Tool: "zig", Version: version, Platform: linux()}
		},
	})
}

// world returns a valid upstream and its publisher's key.
func world(t *testing.T) (now time.Time, key *verifytest.Key, w manifesttest.World) {
	now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	key = verifytest.NewKey(t, "publisher", now.AddDate(-1, 0, 0))
	return now, key, manifesttest.World{Name: "acme", Version: "1.2.0", Serial: 7, Issued: now.Add(-time.Hour),
		Expires: now.Add(time.Hour), Signers: []*verifytest.Key{key}, Signed: now.Add(-time.Hour)}
}

func TestEvidenceNamesSignersAndMark(t *testing.T) {
	now, key, w := world(t)
	u := &manifesttest.Upstream{Files: serve(t, w)}
	policy := verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1}
	catalog, err := source(policy).Fetch(context.Background(), u, manifests.Query{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	r, err := catalog.Resolve(manifests.Request{Tool: "zig", Platform: linux()})
	if err != nil {
		t.Fatal(err)
	}
	e := r.Evidence
	if e.Kind != verify.ByDetached || e.Name != location || len(e.Signers) != 1 || e.Signers[0].Primary != key.Primary() {
		t.Errorf("evidence %+v", e)
	}
	want := verify.Mark{Channel: "acme", Serial: 7, Issued: w.Issued, Expires: w.Expires, Digest: verify.DigestOf(u.Files[location])}
	if e.Mark == nil || e.Mark.Serial != want.Serial || e.Mark.Digest != want.Digest || e.Digest != want.Digest ||
		!e.Mark.Issued.Equal(want.Issued) || !e.Mark.Expires.Equal(want.Expires) || e.Mark.Channel != want.Channel {
		t.Errorf("mark %+v, want %+v", e.Mark, want)
	}
	if refs := r.Artifacts[0].Refs; !slices.Equal(refs, []string{"https://tools.acme.example/kist/blobs/zig-1.2.0.tar.zst"}) {
		t.Errorf("refs %q", refs)
	}
}

// A racingUpstream serves the old manifest some times before the new one, as a host
// may while the publisher replaces the two files.
type racingUpstream struct {
	*manifesttest.Upstream
	old    []byte
	served int
	times  int
}

func (r *racingUpstream) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	if ref == location && r.served < r.times {
		r.served++
		return io.NopCloser(bytes.NewReader(r.old)), int64(len(r.old)), nil
	}
	return r.Upstream.Open(ctx, ref, offset)
}

func TestFetchSurvivesOneRaceOnly(t *testing.T) {
	now, key, w := world(t)
	older := w
	older.Serial, older.Version = 6, "1.1.0"
	policy := verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1}
	for times, want := range map[int]error{1: nil, 2: verify.ErrUntrusted} {
		u := &racingUpstream{Upstream: &manifesttest.Upstream{Files: serve(t, w)}, old: serve(t, older)[location], times: times}
		catalog, err := source(policy).Fetch(context.Background(), u, manifests.Query{Now: now})
		if !errors.Is(err, want) {
			t.Errorf("old manifest served %d times: %v, want %v", times, err, want)
		}
		if err == nil && catalog.Mark().Serial != 7 {
			t.Errorf("mark %+v", catalog.Mark())
		}
	}
}

func TestThresholdCountsPublishers(t *testing.T) {
	now, key, w := world(t)
	second := verifytest.NewKey(t, "second", now.AddDate(-1, 0, 0))
	policy := verify.Policy{Keys: verifytest.Keyring(t, key, second), Threshold: 2}
	for name, test := range map[string]struct {
		signers []*verifytest.Key
		want    error
	}{
		"both":      {[]*verifytest.Key{key, second}, nil},
		"one":       {[]*verifytest.Key{key}, verify.ErrUntrusted},
		"one twice": {[]*verifytest.Key{key, key}, verify.ErrUntrusted},
	} {
		w.Signers = test.signers
		u := &manifesttest.Upstream{Files: serve(t, w)}
		if _, err := source(policy).Fetch(context.Background(), u, manifests.Query{Now: now}); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func TestPasswordStaysOutOfErrorsAndEvidence(t *testing.T) {
	now, key, w := world(t)
	const private = "https://joe:hunter2@tools.acme.example/kist/channel.toml"
	files := map[string][]byte{}
	for ref, data := range serve(t, w) {
		files[strings.Replace(ref, location, private, 1)] = data
	}
	s := source(verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1})
	s.URL = private
	u := &manifesttest.Upstream{Files: files}
	catalog, err := s.Fetch(context.Background(), u, manifests.Query{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	r, err := catalog.Resolve(manifests.Request{Tool: "zig", Platform: linux()})
	if err != nil {
		t.Fatal(err)
	}
	if said := fmt.Sprintf("%+v", r.Evidence); strings.Contains(said, "hunter2") || strings.Contains(said, "joe") {
		t.Errorf("evidence %s", said)
	}
	if want := "https://joe:hunter2@tools.acme.example/kist/blobs/zig-1.2.0.tar.zst"; r.Artifacts[0].Refs[0] != want {
		t.Errorf("blob at %s, want %s", r.Artifacts[0].Refs[0], want)
	}
	for name, lie := range map[string]manifesttest.Lie{"cut": manifesttest.Cut, "oversized": manifesttest.Oversized} {
		u.Tell(private, lie)
		if _, err := s.Fetch(context.Background(), u, manifests.Query{Now: now}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.URL = private + "?x"
	if _, err := s.Fetch(context.Background(), u, manifests.Query{Now: now}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("location with a query: %v", err)
	}
}

func TestFetchRefusesForeignScheme(t *testing.T) {
	now, key, w := world(t)
	policy := verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1}
	m, err := native.ParseDraft(serve(t, w)[location])
	if err != nil {
		t.Fatal(err)
	}
	a := &m.Releases[0].Artifacts[0]
	a.Path = ""
	for u, want := range map[string]error{
		"https://files.acme.example/zig": nil, "http://files.acme.example/zig": verify.ErrUntrusted,
	} {
		a.URLs = []string{u}
		data, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		up := &manifesttest.Upstream{Files: map[string][]byte{location: data, location + ".asc": key.Sign(t, data, now)}}
		if _, err := source(policy).Fetch(context.Background(), up, manifests.Query{Now: now}); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", u, err, want)
		}
	}
}
