package download

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// encode compresses data with the content encoding of that name.
func encode(t *testing.T, encoding string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch encoding {
	case "gzip", "x-gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "raw deflate":
		w, _ = flate.NewWriter(&b, flate.BestSpeed)
	default:
		t.Fatalf("no encoding %s", encoding)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// An artifact is accepted as it was sent, whatever content encoding the server claims.
// If its digest is wrong, it is decoded once, and then refused. Each case is tried on an
// artifact with chunks and on one without.
func TestEncodedArtifacts(t *testing.T) {
	data, chunked := twoChunks()
	other := spoiled(data, 1)
	type row struct {
		encoding string
		body     []byte
		ok       bool
	}
	for name, c := range short.Rows(t, map[string]row{
		"not encoded":                         {"", data, true},
		"as it is, called gzip":               {"gzip", data, true},
		"as it is, called x-gzip":             {"x-gzip", data, true},
		"as it is, called br":                 {"br", data, true},
		"as it is, called aws-chunked":        {"aws-chunked", data, true},
		"gzip":                                {"gzip", encode(t, "gzip", data), true},
		"x-gzip":                              {"x-gzip", encode(t, "gzip", data), true},
		"deflate":                             {"deflate", encode(t, "deflate", data), true},
		"deflate without a frame":             {"deflate", encode(t, "raw deflate", data), true},
		"gzip, and another":                   {"gzip", encode(t, "gzip", other), false},
		"another, called gzip":                {"gzip", other, false},
		"gzip of more data":                   {"gzip", encode(t, "gzip", append(bytes.Clone(data), 0)), false},
		"gzip without end":                    {"gzip", encode(t, "gzip", make([]byte, 64<<20)), false},
		"gzip, and trailing data":             {"gzip", append(encode(t, "gzip", data), "garbage"...), false},
		"gzip that is cut":                    {"gzip", encode(t, "gzip", data)[:20000], false},
		"larger than anything could be":       {"gzip", make([]byte, 2*len(data)), false},
		"br":                                  {"br", data[:1000], false},
		"gzip twice":                          {"gzip, gzip", encode(t, "gzip", encode(t, "gzip", data)), false},
		"gzip, though the server says not so": {"", encode(t, "gzip", data), false},
	}, 3) {
		for _, chunks := range []bool{true, false} {
			a := chunked
			if !chunks {
				a.Chunks = verify.Chunks{}
			} else if name == "gzip, and trailing data" || name == "gzip of more data" {
				continue // nothing is read after the last chunk
			}
			for _, unsized := range []bool{false, true} {
				if unsized && chunks && c.encoding == "" && !c.ok {
					continue // a short body of unknown size counts as broken
				}
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if c.encoding != "" {
						w.Header().Set("Content-Encoding", c.encoding)
					}
					if unsized {
						w.(http.Flusher).Flush()
						w.Write(c.body)
						return
					}
					http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(c.body))
				}))
				a.Refs = []string{server.URL + "/a"}
				cache, _ := setup(t, nil)
				cache.Transport = transport.New(transport.Config{})
				blob, err := cache.Fetch(t.Context(), a)
				server.Close()
				if c.ok && err != nil || !c.ok && !errors.Is(err, verify.ErrUntrusted) {
					t.Errorf("%s, chunks %v, unsized %v: %v", name, chunks, unsized, err)
				}
				if !c.ok && c.encoding != "" && !strings.Contains(err.Error(), "Content-Encoding") && !strings.Contains(err.Error(), "bytes") {
					t.Errorf("%s, chunks %v: %v does not name the encoding", name, chunks, err)
				}
				if err == nil {
					if got, err := io.ReadAll(blob.File); err != nil || !bytes.Equal(got, data) {
						t.Errorf("%s, chunks %v: another content, %v", name, chunks, err)
					}
					blob.Close()
					again, err := cache.Fetch(t.Context(), a) // without the server
					if err != nil {
						t.Errorf("%s, chunks %v: not in the cache: %v", name, chunks, err)
					}
					again.Close()
				} else if left := files(t, cache); left != "" && !chunks {
					t.Errorf("%s: leaves %q", name, left)
				}
			}
		}
	}
}

// A partial encoded answer is never continued with a part of another answer.
func TestEncodedAnswersAreNotResumed(t *testing.T) {
	data, a := twoChunks()
	a.Chunks = verify.Chunks{}
	encoded := encode(t, "gzip", data)
	for name, bodies := range map[string][][]byte{
		"then encoded again":     {encoded[:len(encoded)/2], encoded},
		"then as it is":          {encoded[:len(encoded)/2], nil},
		"as it is, then encoded": {nil, encoded},
	} {
		requests := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests++
			body := bodies[min(requests, len(bodies))-1]
			if r.Header.Get("Range") != "" && body != nil {
				w.Header().Set("Content-Encoding", "gzip")
				http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
				return
			}
			if body == nil && requests == 1 { // the body broke
				w.Header().Set("Content-Length", strconv.Itoa(len(data)))
				w.Write(data[:1<<20])
				return
			}
			if body == nil {
				if r.Header.Get("Range") != "" {
					t.Errorf("%s: asked for a part", name)
				}
				w.Write(data)
				return
			}
			w.Header().Set("Content-Encoding", "gzip")
			if requests == 1 {
				w.Header().Set("Content-Length", "4000000")
			}
			w.Write(body)
		}))
		a.Refs = []string{server.URL + "/a"}
		a.Size = int64(len(data))
		cache, _ := setup(t, nil)
		cache.Transport = transport.New(transport.Config{})
		fetch(t, cache, a, data)
		server.Close()
	}
}

// A web page in place of an artifact is not blamed on the artifact, costs at most three
// requests, and makes kist try the next mirror. An artifact that is a page is accepted.
func TestPagesInPlaceOfArtifacts(t *testing.T) {
	data, chunked := twoChunks()
	page := []byte("<!doctype html><title>Sign in</title>" + strings.Repeat("<p>", 1000))
	html := chunked
	html.Size, html.Integrity, html.Chunks = int64(len(page)), bySHA256(page), verify.Chunks{}
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/unsized" {
			w.(http.Flusher).Flush()
		}
		if r.URL.Path == "/good" {
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
			return
		}
		w.Write(page)
	}))
	defer server.Close()
	plain := chunked
	plain.Chunks = verify.Chunks{}
	unknown := plain
	unknown.Size = 0
	signed := unknown
	signed.Integrity = bySignature(t, data)
	for name, a := range map[string]manifests.Artifact{"chunks": chunked, "plain": plain, "size unknown": unknown, "signature": signed} {
		for _, path := range []string{"/x", "/unsized"} {
			cache, _ := setup(t, nil)
			cache.Transport = transport.New(transport.Config{})
			requests = 0
			a.Refs = []string{server.URL + path}
			_, err := cache.Fetch(t.Context(), a)
			if !errors.As(err, new(*manifests.PageError)) || !errors.Is(err, manifests.ErrUnreachable) || errors.Is(err, verify.ErrUntrusted) || requests > 3 {
				t.Errorf("%s, %s: %v after %d requests", name, path, err, requests)
			}
			a.Refs = append(a.Refs, server.URL+"/good")
			fetch(t, cache, a, data)
		}
	}
	cache, _ := setup(t, nil)
	cache.Transport = transport.New(transport.Config{})
	html.Refs = []string{server.URL + "/x"}
	fetch(t, cache, html, page)
}

// If two goroutines of one process want the same artifact, one waits without calling
// Waiting.
func TestGoroutinesWaitWithoutReport(t *testing.T) {
	data, a := twoChunks()
	a.Chunks = verify.Chunks{}
	gate := make(chan struct{})
	var requests int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		<-gate
		w.Write(data)
	}))
	defer server.Close()
	a.Refs = []string{server.URL + "/a"}
	cache, _ := setup(t, nil)
	cache.Transport = transport.New(transport.Config{})
	cache.Turns, cache.LockWait = &Turns{}, 0
	cache.Waiting = func(*rootfs.BusyError) { t.Error("it waits for itself") }
	done := make(chan error, 8)
	for range cap(done) {
		go func() {
			blob, err := cache.Fetch(t.Context(), a)
			if err == nil {
				err = blob.Close()
			}
			done <- err
		}()
	}
	close(gate)
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if requests != 1 {
		t.Errorf("%d requests", requests)
	}
}
