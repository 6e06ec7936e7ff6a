package download

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
)

// Servers that lie or fail in HTTP, and honest ones. Each case is tried on an artifact
// with chunks and on one without. The names of lies begin with "!".
func TestServers(t *testing.T) {
	data, chunked := twoChunks()
	plain := chunked
	plain.Chunks = verify.Chunks{}
	other := spoiled(data, 1)
	file := func(w http.ResponseWriter, r *http.Request, content []byte, etag string) {
		w.Header().Set("ETag", etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}
	// raw answers every request with the same range.
	raw := func(header string, body []byte) func(w http.ResponseWriter, r *http.Request, n int) {
		return func(w http.ResponseWriter, r *http.Request, n int) {
			if r.Header.Get("Range") == "" {
				file(w, r, data, `"a"`)
				return
			}
			w.Header().Set("Content-Range", header)
			w.WriteHeader(http.StatusPartialContent)
			w.Write(body)
		}
	}
	cut := func(w http.ResponseWriter, r *http.Request, after int) {
		file(&cutting{w, after}, r, data, `"a"`)
		panic(http.ErrAbortHandler)
	}
	for name, serve := range map[string]func(w http.ResponseWriter, r *http.Request, n int){
		"honest":           func(w http.ResponseWriter, r *http.Request, n int) { file(w, r, data, `"a"`) },
		"another ETag":     func(w http.ResponseWriter, r *http.Request, n int) { file(w, r, data, fmt.Sprintf(`"%d"`, n)) },
		"200 for a range":  func(w http.ResponseWriter, r *http.Request, n int) { w.Write(data) },
		"416 for a range":  raw("bytes */1", nil),
		"range of others":  raw(fmt.Sprintf("bytes 5-%d/%d", len(data)-1, len(data)), data[5:]),
		"range of no size": raw(fmt.Sprintf("bytes 0-%d/*", len(data)-1), data),
		"once busy": func(w http.ResponseWriter, r *http.Request, n int) {
			if n == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			file(w, r, data, `"a"`)
		},
		"cut": func(w http.ResponseWriter, r *http.Request, n int) {
			if n == 1 {
				cut(w, r, 1<<20)
			}
			file(w, r, data, `"a"`)
		},
		"cut time and again": func(w http.ResponseWriter, r *http.Request, n int) { cut(w, r, 1<<20) },
		"stall": func(w http.ResponseWriter, r *http.Request, n int) {
			if n == 1 {
				file(&cutting{w, 1 << 20}, r, data, `"a"`)
				w.(http.Flusher).Flush()
				<-r.Context().Done()
				return
			}
			file(w, r, data, `"a"`)
		},
		"replaced for a moment": func(w http.ResponseWriter, r *http.Request, n int) {
			if n == 2 {
				file(w, r, other, `"b"`)
				return
			}
			if n == 1 {
				cut(w, r, chunk/2)
			}
			file(w, r, data, `"a"`)
		},
		"!replaced meanwhile": func(w http.ResponseWriter, r *http.Request, n int) {
			if n == 1 {
				cut(w, r, chunk/2)
			}
			file(w, r, other, `"b"`)
		},
		"!another file": func(w http.ResponseWriter, r *http.Request, n int) { file(w, r, other, `"a"`) },
		"!longer": func(w http.ResponseWriter, r *http.Request, n int) {
			file(w, r, append(bytes.Clone(data), 0), `"a"`)
		},
		"!endless": func(w http.ResponseWriter, r *http.Request, n int) {
			for {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		},
		"!right ranges of another file": func(w http.ResponseWriter, r *http.Request, n int) {
			file(w, r, flipped(data), `"a"`)
		},
	} {
		for kind, a := range map[string]manifests.Artifact{"chunks": chunked, "no chunks": plain} {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				var n atomic.Int64
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serve(w, r, int(n.Add(1))) }))
				defer server.Close()
				server.Config.ErrorLog = nil
				cache, _ := setup(t, nil)
				cache.Transport = transport.New(transport.Config{MinRate: 1 << 10, Window: time.Second,
					Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
				a.Refs = []string{server.URL + "/tool.zip"}
				s, err := cache.Stream(t.Context(), a)
				if err == nil {
					err = readAll(t, s, data)
					s.Close()
				}
				bad := strings.HasPrefix(name, "!")
				if !bad && err != nil || bad && !errors.Is(err, verify.ErrUntrusted) {
					t.Errorf("after %d requests: %v", n.Load(), err)
				}
				if got := files(t, cache); bad && got != "" || !bad && got != "blob" {
					t.Errorf("the cache holds %q", got)
				}
			})
		}
	}
}

// A cutting writer passes on the first left bytes of a body, and then fails.
type cutting struct {
	http.ResponseWriter
	left int
}

func (c *cutting) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	if c.left -= n; err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}
