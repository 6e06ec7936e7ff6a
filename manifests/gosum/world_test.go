package gosum_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/gosum"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

const proxyURL = "https://proxy.example.org/go"

var (
	linux   = manifests.Platform{OS: "linux", Arch: "amd64"}
	now     = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	stables = []string{"1.9.7", "1.10", "1.20", "1.24.4", "1.25.9", "1.25.14", "1.27.3"}
)

// A world is a set of module proxies for one checksum database, in memory.
type world struct {
	db      *verifytest.ChecksumDB
	list    string
	zips    map[string][]byte // by module version
	answers map[string]func(w http.ResponseWriter, r *http.Request)

	mu    sync.Mutex
	asked []string
}

func moduleVersion(version, platform string) string { return "v0.0.1-go" + version + "." + platform }

// toolchainZip returns a minimal toolchain.
func toolchainZip(tb testing.TB, version string) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, content := range map[string]string{
		"VERSION": "go" + version + "\ntime 2026-01-01T00:00:00Z\n", "bin/go": "\x7fELF go " + version, "bin/gofmt": "\x7fELF gofmt",
		"pkg/tool/linux_amd64/compile": "\x7fELF compile", "src/_go.mod": "module std\n", "lib/wasm/go_js_wasm_exec": "#!/bin/sh\n",
	} {
		body, err := w.Create("golang.org/toolchain@" + moduleVersion(version, "linux-amd64") + "/" + name)
		if err == nil {
			_, err = io.WriteString(body, content)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func hash(tb testing.TB, data []byte) string {
	tb.Helper()
	h1, err := verify.HashZip("zip", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		tb.Fatal(err)
	}
	return h1
}

// newWorld returns a world with every stable version and a release candidate, for one
// platform.
func newWorld(tb testing.TB) *world {
	w := &world{db: verifytest.NewChecksumDB(tb, "sum.example.org"), zips: map[string][]byte{}}
	w.db.Fill(tb, 40)
	for _, version := range append(slices.Clone(stables), "1.28rc1") {
		w.publish(tb, version)
	}
	w.db.Fill(tb, 40)
	w.list += "v0.0.1-go1.27.4.darwin-arm64\nv0.0.1-go1.2.2.windows-amd64\nv0.0.1-go1.9rc2.linux-amd64\n"
	return w
}

func (w *world) publish(tb testing.TB, version string) {
	module := moduleVersion(version, "linux-amd64")
	w.zips[module] = toolchainZip(tb, version)
	w.db.Add(tb, gosum.Module, module, hash(tb, w.zips[module]))
	w.list += module + "\n"
}

// ServeHTTP serves every proxy: the path selects one.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/go")
	if answer := w.answers[path]; answer != nil {
		answer(rw, r)
		return
	}
	module, isZip := strings.CutPrefix(path, "/golang.org/toolchain/@v/")
	switch sum, isSum := strings.CutPrefix(path, "/sumdb/sum.example.org"); {
	case path == "/sumdb/sum.example.org/supported":
	case isSum:
		inner := r.Clone(r.Context())
		inner.URL.Path = sum
		w.db.ServeHTTP(rw, inner)
	case module == "list":
		io.WriteString(rw, w.list)
	case isZip && w.zips[strings.TrimSuffix(module, ".zip")] != nil:
		rw.Write(w.zips[strings.TrimSuffix(module, ".zip")])
	default:
		http.NotFound(rw, r)
	}
}

// Open implements manifests.Transport.
func (w *world) Open(ctx context.Context, ref string, _ int64) (io.ReadCloser, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	w.mu.Lock()
	w.asked = append(w.asked, ref)
	w.mu.Unlock()
	shown := manifests.Redact(ref)
	if strings.Contains(ref, "//down.") {
		return nil, 0, fmt.Errorf("%s: no route to host: %w", shown, manifests.ErrUnreachable)
	}
	answer := httptest.NewRecorder()
	if strings.Contains(ref, "//empty.") {
		http.NotFound(answer, nil)
	} else {
		w.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, ref, nil))
	}
	switch answer.Code {
	case http.StatusOK:
		return io.NopCloser(answer.Body), int64(answer.Body.Len()), nil
	case http.StatusNotFound, http.StatusGone:
		return nil, 0, fmt.Errorf("%s: %w", shown, manifests.ErrNotFound)
	}
	return nil, 0, fmt.Errorf("%s: status %d: %w", shown, answer.Code, manifests.ErrUnreachable)
}

// answer makes every proxy give this answer at path from now on.
func (w *world) answer(path string, status int, body []byte) {
	if w.answers == nil {
		w.answers = map[string]func(http.ResponseWriter, *http.Request){}
	}
	w.answers[path] = func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(status)
		rw.Write(body)
	}
}

func (w *world) source(tb testing.TB, goproxy string) gosum.Source {
	tb.Helper()
	db, err := verify.NewChecksumDB(w.db.Key)
	if err != nil {
		tb.Fatal(err)
	}
	proxies, err := gosum.ParseProxies(goproxy)
	if err != nil {
		tb.Fatal(err)
	}
	return gosum.Source{Channel: "go", Tool: "go", DB: db, Proxies: proxies}
}

func ask(version string) manifests.Query {
	return manifests.Query{Request: manifests.Request{Tool: "go", Version: version, Platform: linux}, Now: now}
}

// fetch does what an install does up to the download.
func (w *world) fetch(tb testing.TB, goproxy string, q manifests.Query) (manifests.Release, error) {
	tb.Helper()
	catalog, err := w.source(tb, goproxy).Fetch(tb.Context(), w, q)
	if err != nil {
		return manifests.Release{}, err
	}
	release, err := catalog.Resolve(q.Request)
	if err != nil {
		return manifests.Release{}, err
	}
	return release, release.Validate()
}
