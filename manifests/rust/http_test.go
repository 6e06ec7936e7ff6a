package rust

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// A loopback answers like upstream's host, an object store behind a cache: a missing
// file is an XML page, and archives may be on another host.
type loopback struct {
	files map[string][]byte // by path

	mu        sync.Mutex
	elsewhere string          // where archives are redirected to
	busy      bool            // every request is told to wait
	packed    bool            // manifests are sent compressed without being asked
	page      string          // replaces every file, if not empty
	asked     map[string]bool // methods and paths
}

func (l *loopback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked[r.Method+" "+r.URL.Path] = true
	data, ok := l.files[r.URL.Path]
	switch {
	case l.busy:
		w.Header().Set("Retry-After", "60")
		http.Error(w, "slow down", http.StatusTooManyRequests)
	case l.page != "":
		fmt.Fprint(w, l.page)
	case !ok:
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Key>%s</Key></Error>", r.URL.Path)
	case l.elsewhere != "" && strings.Contains(r.URL.Path, ".tar."):
		http.Redirect(w, r, l.elsewhere+r.URL.Path, http.StatusFound)
	case l.packed && strings.HasSuffix(r.URL.Path, ".toml"):
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		z.Write(data)
		z.Close()
	default:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	}
}

func TestOverTheLoopbackInterface(t *testing.T) {
	key := verifytest.NewKey(t, "rust", now.AddDate(-3, 0, 0))
	files := map[string][]byte{}
	for name, text := range everything() {
		files["/dist/"+name], files["/dist/"+name+".asc"] = []byte(text), key.Sign(t, []byte(text), now.AddDate(0, -1, 0))
	}
	archive := "/dist/2026-04-16/cargo-1.95.0-" + host + ".tar.zst"
	files[archive] = []byte("cargo-1.95.0-" + host + ".tar.zst") // matches the manifest's digest
	blobs := httptest.NewServer(&loopback{files: files, asked: map[string]bool{}})
	defer blobs.Close()
	l := &loopback{files: files, elsewhere: blobs.URL, asked: map[string]bool{}}
	server := httptest.NewServer(l)
	defer server.Close()
	web := transport.New(transport.Config{Version: "test", Wait: func(context.Context, time.Duration) error { return nil }})
	s := Source{Channel: "mirror", URL: server.URL + "/dist/" + ManifestName, Policy: verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1}}
	fetch := func(version string) (manifests.Release, error) {
		catalog, err := s.Fetch(t.Context(), web, manifests.Query{Request: ask(version), Now: now})
		if err != nil {
			return manifests.Release{}, err
		}
		return catalog.Resolve(ask(version))
	}

	for _, version := range append(s.Names(), "", "1.95", "nightly-2026-11-01") {
		if r, err := fetch(version); err != nil || r.Validate() != nil {
			t.Errorf("%q: %v", version, err)
		}
	}
	r, err := fetch("stable")
	if err != nil {
		t.Fatal(err)
	}
	cargo := r.Artifacts[0]
	data, err := manifests.ReadAll(t.Context(), web, cargo.Refs[0], 1<<20)
	if err != nil || verify.DigestOf(data) != cargo.Integrity.Digest || !strings.HasPrefix(cargo.Refs[0], server.URL) {
		t.Errorf("%s, redirected: %q, %v", cargo.Refs[0], data, err)
	}
	var unknown *manifests.UnknownVersionError
	if _, err := fetch("1.94.0"); !errors.As(err, &unknown) || errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a page in XML: want no such version, got %v", err)
	}
	for _, want := range []string{"GET /dist/channel-rust-stable.toml", "GET /dist/channel-rust-stable.toml.asc", "GET /dist/2026-11-01/channel-rust-nightly.toml"} {
		if !l.asked[want] {
			t.Errorf("nobody asked %s", want)
		}
	}
	for _, lie := range []struct {
		name string
		tell func(on bool)
		want error
	}{
		{"too many requests", func(on bool) { l.busy = on }, manifests.ErrUnreachable},
		{"a page for everything", func(on bool) { l.page = map[bool]string{true: "<!DOCTYPE html><title>Sign in</title>"}[on] }, manifests.ErrUnreachable},
		{"no signature", func(on bool) {
			if delete(files, "/dist/channel-rust-stable.toml.asc"); !on {
				files["/dist/channel-rust-stable.toml.asc"] = key.Sign(t, files["/dist/channel-rust-stable.toml"], now.AddDate(0, -1, 0))
			}
		}, verify.ErrUntrusted},
	} {
		lie.tell(true)
		if _, err := fetch("stable"); !errors.Is(err, lie.want) {
			t.Errorf("%s: %v", lie.name, err)
		}
		lie.tell(false)
		if _, err := fetch("stable"); err != nil {
			t.Errorf("honest twin of %s: %v", lie.name, err)
		}
	}
	l.packed = true // the bytes sent are not the signed ones
	if _, err := fetch("stable"); err == nil {
		t.Error("a manifest was decompressed in transit")
	}
}

// TestAMirrorInADirectory uses a mirror on disk, without a server.
func TestAMirrorInADirectory(t *testing.T) {
	dir := t.TempDir()
	key := verifytest.NewKey(t, "rust", now.AddDate(-3, 0, 0))
	text := []byte(manifest("1.95.0", "2026-04-16"))
	writeFile(t, dir+"/"+ManifestName, text)
	writeFile(t, dir+"/"+ManifestName+".asc", key.Sign(t, text, now.AddDate(0, -1, 0)))
	s := Source{Channel: "mirror", URL: "file://" + dir + "/" + ManifestName, Policy: verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1}}
	catalog, err := s.Fetch(t.Context(), transport.New(transport.Config{}), manifests.Query{Request: ask(""), Now: now})
	if err != nil {
		t.Fatal(err)
	}
	r, err := catalog.Resolve(ask(""))
	if err != nil || r.Artifacts[0].Refs[0] != "file://"+dir+"/2026-04-16/cargo-1.95.0-"+host+".tar.zst" {
		t.Errorf("%+v, %v", r, err)
	}
}
