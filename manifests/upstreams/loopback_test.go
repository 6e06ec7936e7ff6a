package upstreams_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// An origin on the loopback interface answers as the upstreams do: GitHub serves a
// release's files from another host, after a redirect with a signed query; a missing
// file is a page; a client that asks too often is told to wait.
type loopback struct {
	files     map[string][]byte // by path below the base
	elsewhere string            // host of the files below releases/download/

	mu    sync.Mutex
	busy  map[string]bool // answered 429, by path
	gzip  map[string]bool // sent compressed without being asked
	asked []string
}

func (l *loopback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	l.mu.Lock()
	busy, packed := l.busy[name], l.gzip[name]
	l.asked = append(l.asked, r.Method+" "+name)
	l.mu.Unlock()
	data, ok := l.files[name]
	switch {
	case busy:
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, "<!DOCTYPE html><title>Too many requests</title>")
	case !ok:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "<!DOCTYPE html><title>Not found</title>")
	case l.elsewhere != "" && strings.HasPrefix(name, "releases/download/"):
		http.Redirect(w, r, l.elsewhere+"/"+name+"?X-Amz-Signature=0123&response-content-disposition=attachment", http.StatusFound)
	case packed:
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		z.Write(data)
		z.Close()
	default:
		http.ServeContent(w, r, path.Base(name), time.Time{}, bytes.NewReader(data))
	}
}

// serve starts the origin of a tool with published worlds.
func serveLoopback(t *testing.T, tool string, worlds ...manifesttest.World) (*loopback, string) {
	files := manifesttest.Publish(t, tool, worlds...)
	blobs := httptest.NewServer(&loopback{files: files})
	t.Cleanup(blobs.Close)
	l := &loopback{files: files, elsewhere: blobs.URL, busy: map[string]bool{}, gzip: map[string]bool{}}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	return l, server.URL + "/"
}

func TestUpstreamsOverTheLoopbackInterface(t *testing.T) {
	key := verifytest.NewKey(t, "release", now.AddDate(-1, 0, 0))
	keys := verifytest.Keyring(t, key)
	web := transport.New(transport.Config{Version: "test", Wait: func(context.Context, time.Duration) error { return nil }})
	for _, tool := range upstreams.MirrorTools("checksums") {
		t.Run(tool, func(t *testing.T) {
			l, url := serveLoopback(t, tool, world(key, "1.2.0"), world(key, "1.1.0"))
			source := mirrorSource(t, tool, url, verify.Policy{Keys: keys, Threshold: 1})
			ask := func(version string) (manifests.Release, error) {
				q := manifests.Query{Request: manifests.Request{Tool: tool, Version: version, Platform: linux}, Now: now}
				catalog, err := source.Fetch(t.Context(), web, q)
				if err != nil {
					return manifests.Release{}, err
				}
				return catalog.Resolve(q.Request)
			}
			r, err := ask("")
			if err == nil {
				err = prove(t, r, web)
			}
			if err != nil || r.Version != "1.2.0" {
				t.Fatalf("%+v, %v", r, err)
			}
			var index, list string
			for _, line := range l.asked {
				switch _, name, _ := strings.Cut(line, " "); {
				case strings.HasSuffix(name, "index.json"), strings.HasSuffix(name, ".atom"):
					index = name
				case strings.Contains(strings.ToUpper(name), "SUMS") || strings.Contains(name, "SHA-256"):
					list = name
				}
			}
			if _, err := ask("1.3.0"); !manifests.IsUnknown(err) {
				t.Errorf("a version that is not there: %v", err)
			}
			delete(l.files, strings.TrimPrefix(r.Artifacts[0].Refs[0], url))
			if err := prove(t, r, web); !errors.Is(err, manifests.ErrNotFound) {
				t.Errorf("a file that is not there: %v", err)
			}
			l.busy[index] = true
			if _, err := ask(""); !errors.Is(err, manifests.ErrUnreachable) {
				t.Errorf("an index that is refused: %v", err)
			}
			if r, err := ask("1.1.0"); err != nil || prove(t, r, web) != nil || slices.Contains(r.Evidence.Notes, manifests.Unsigned) {
				t.Errorf("an exact version needs no index: %v", err)
			}
			l.busy[index], l.gzip[index] = false, true
			if _, err := ask(""); err == nil {
				t.Error("an index was decompressed in transit")
			}
			l.gzip[index] = false
			l.busy[list] = true
			if _, err := ask(""); !errors.Is(err, manifests.ErrUnreachable) || errors.Is(err, verify.ErrUntrusted) {
				t.Errorf("%s is refused: %v", list, err)
			}
			for _, line := range l.asked {
				if !strings.HasPrefix(line, "GET ") {
					t.Errorf("asked %s", line)
				}
			}
		})
	}
}

// TestAMirrorInADirectory uses a mirror on disk, without a server.
func TestAMirrorInADirectory(t *testing.T) {
	dir := t.TempDir()
	key := verifytest.NewKey(t, "release", now.AddDate(-1, 0, 0))
	writeTree(t, dir, manifesttest.Publish(t, "vault", world(key, "1.2.0")))
	source := mirrorSource(t, "vault", "file://"+dir+"/", verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1})
	q := manifests.Query{Request: manifests.Request{Tool: "vault", Platform: linux}, Now: now}
	catalog, err := source.Fetch(t.Context(), transport.New(transport.Config{}), q)
	if err != nil {
		t.Fatal(err)
	}
	r, err := catalog.Resolve(q.Request)
	if err != nil || prove(t, r, transport.New(transport.Config{})) != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

func writeTree(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, data := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
