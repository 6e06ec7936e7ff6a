package transport

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

const text = "the bytes of one document, and no others"

// A waiter replaces the clock between retries.
type waiter struct{ waits []time.Duration }

func (w *waiter) wait(ctx context.Context, d time.Duration) error {
	w.waits = append(w.waits, d)
	return ctx.Err()
}

// web returns an httpTransport with times suitable for tests.
func web(c Config) (*httpTransport, *waiter) {
	w := &waiter{}
	if c.Wait == nil {
		c.Wait = w.wait
	}
	c.Version = "1.2.3"
	return newHTTP(c), w
}

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func get(t *testing.T, from manifests.Transport, ref string, offset int64) (string, int64, error) {
	t.Helper()
	body, size, err := from.Open(t.Context(), ref, offset)
	if err != nil {
		if body != nil {
			t.Errorf("a body with the error %v", err)
		}
		return "", size, err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	return string(data), size, err
}

func TestRequest(t *testing.T) {
	var got *http.Request
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	})
	h, _ := web(Config{})
	data, size, err := get(t, h, url+"/a%20b%2Fc?d=e", 0)
	if err != nil || data != text || size != int64(len(text)) {
		t.Fatalf("got %q, size %d, %v", data, size, err)
	}
	want := http.Header{"User-Agent": {"kist/1.2.3"}, "Accept-Encoding": {"identity"}}
	if fmt.Sprint(got.Header) != fmt.Sprint(want) || got.RequestURI != "/a%20b%2Fc?d=e" || got.Method != "GET" {
		t.Errorf("asked %s %s with %v, want headers %v", got.Method, got.RequestURI, got.Header, want)
	}
	data, size, err = get(t, h, url, 10)
	if err != nil || data != text[10:] || size != int64(len(text)) {
		t.Fatalf("from 10: got %q, size %d, %v", data, size, err)
	}
}

func TestRange(t *testing.T) {
	const n = len(text)
	for name, c := range map[string]struct {
		code   int
		header string
		body   string
		ok     bool
	}{
		"right":                      {206, fmt.Sprintf("bytes 10-%d/%d", n-1, n), text[10:], true},
		"whole file":                 {200, "", text, false},
		"past the end":               {416, fmt.Sprintf("bytes */%d", n), "", false},
		"another start":              {206, fmt.Sprintf("bytes 9-%d/%d", n-1, n), text[9:], false},
		"only a part":                {206, fmt.Sprintf("bytes 10-19/%d", n), text[10:20], false},
		"right, unannounced":         {206, fmt.Sprintf("bytes 10-%d/%d", n-1, n), text[10:], true},
		"another start, unannounced": {206, fmt.Sprintf("bytes 9-%d/%d", n-1, n), text[9:], false},
		"only a part, unannounced":   {206, fmt.Sprintf("bytes 10-19/%d", n), text[10:20], false},
		"size unknown":               {206, fmt.Sprintf("bytes 10-%d/*", n-1), text[10:], false},
		"no content range":           {206, "", text[10:], false},
		"other unit":                 {206, fmt.Sprintf("lines 10-%d/%d", n-1, n), text[10:], false},
		"not numbers":                {206, "bytes a-b/c", text[10:], false},
		"negative":                   {206, fmt.Sprintf("bytes 10--1/%d", n), text[10:], false},
		"length disagrees":           {206, fmt.Sprintf("bytes 10-%d/%d", n, n+1), text[10:], false},
		"number too large":           {206, "bytes 10-99999999999999999999/99999999999999999999", text[10:], false},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Range"); got != "bytes=10-" {
					t.Errorf("Range: %q", got)
				}
				if c.header != "" {
					w.Header().Set("Content-Range", c.header)
				}
				w.WriteHeader(c.code)
				if strings.HasSuffix(name, "unannounced") {
					w.(http.Flusher).Flush() // so there is no Content-Length
				}
				io.WriteString(w, c.body)
			})
			h, w := web(Config{})
			data, size, err := get(t, h, url, 10)
			if c.ok && (err != nil || data != text[10:] || size != int64(n)) {
				t.Errorf("got %q, size %d, %v", data, size, err)
			}
			if !c.ok && (!errors.Is(err, manifests.ErrNoRange) || len(w.waits) > 0) {
				t.Errorf("got %q, %v after %d retries, want ErrNoRange at once", data, err, len(w.waits))
			}
		})
	}
}

// hijack answers with raw bytes and closes the connection.
func hijack(t *testing.T, answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		io.WriteString(conn, answer)
		conn.Close()
	}
}

func TestAnnouncedLengthIsEnforced(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		want   string
		size   int64
		cut    bool
	}{
		"honest":               {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd", "abcd", 4, false},
		"announces too much":   {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcd", "abcd", 9, true},
		"announces too little": {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabcd", "ab", 2, false},
		"chunked":              {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n", "abcd", -1, false},
		"chunked, cut":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n", "abcd", -1, true},
		"empty":                {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			h, _ := web(Config{})
			data, size, err := get(t, h, serve(t, hijack(t, c.answer)), 0)
			if data != c.want || size != c.size {
				t.Errorf("got %q, size %d; want %q, %d", data, size, c.want, c.size)
			}
			if cut := errors.Is(err, manifests.ErrUnreachable) && errors.Is(err, io.ErrUnexpectedEOF); cut != c.cut || !cut && err != nil {
				t.Errorf("error %v, want a cut body: %v", err, c.cut)
			}
		})
	}
}

func TestNoEncodingIsDecoded(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, 8<<20))
	z.Close()
	for encoding, ok := range map[string]bool{"": true, "identity": true, "Identity": true, "gzip": false, "x-gzip": false, "br": false, "identity, gzip": false} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if encoding != "" {
				w.Header().Set("Content-Encoding", encoding)
			}
			w.Write(bomb.Bytes())
		})
		h, _ := web(Config{})
		data, _, err := get(t, h, url, 0)
		switch {
		case ok && (err != nil || data != bomb.String()):
			t.Errorf("encoding %q: %v, %d bytes as sent: %v", encoding, err, len(data), data == bomb.String())
		case !ok && !errors.Is(err, manifests.ErrUnreachable):
			t.Errorf("encoding %q: %v, want it refused", encoding, err)
		}
	}
}

func TestEndlessBodyStopsAtTheCeiling(t *testing.T) {
	ended := make(chan int64, 1)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var sent int64
		for {
			n, err := w.Write(make([]byte, 32<<10))
			if sent += int64(n); err != nil {
				ended <- sent
				return
			}
		}
	})
	h, _ := web(Config{})
	_, err := manifests.ReadAll(t.Context(), h, url, 1<<20)
	var large *manifests.TooLargeError
	if !errors.As(err, &large) || large.Limit != 1<<20 || !errors.Is(err, verify.ErrUntrusted) {
		t.Fatalf("got %v, want a TooLargeError", err)
	}
	if sent := <-ended; sent > 64<<20 { // little more than what the kernel buffers
		t.Errorf("the server sent %d bytes before it was cut off", sent)
	}
	exact := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 1<<20)) })
	if data, err := manifests.ReadAll(t.Context(), h, exact, 1<<20); err != nil || len(data) != 1<<20 {
		t.Errorf("at the ceiling: %d bytes, %v", len(data), err)
	}
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	drip := func(pause time.Duration, size int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for range 250 {
				if _, err := w.Write(make([]byte, size)); err != nil || r.Context().Err() != nil {
					return
				}
				w.(http.Flusher).Flush()
				time.Sleep(pause)
			}
		}
	}
	h, _ := web(Config{MinRate: 4096, Window: time.Second}) // long enough for a busy machine
	for name, handler := range map[string]http.HandlerFunc{
		"byte by byte": drip(10*time.Millisecond, 1),
		"nothing at all": func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := get(t, h, serve(t, handler), 0)
			if !errors.Is(err, manifests.ErrUnreachable) || !errors.Is(err, errTooSlow) || !strings.Contains(err.Error(), "too slow") {
				t.Errorf("%v, want too slow", err)
			}
		})
	}
	t.Run("steady", func(t *testing.T) { // 100 KiB a second in all, for several windows
		t.Parallel()
		if data, _, err := get(t, h, serve(t, drip(10*time.Millisecond, 1024)), 0); err != nil || len(data) != 250*1024 {
			t.Errorf("%d bytes, %v", len(data), err)
		}
	})
	t.Run("slow reader", func(t *testing.T) { // which is not the sender's fault
		t.Parallel()
		large := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Write(make([]byte, 32<<20)) })
		body, _, err := h.Open(t.Context(), large, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		time.Sleep(2500 * time.Millisecond)
		if n, err := io.Copy(io.Discard, body); err != nil || n != 32<<20 {
			t.Errorf("after a pause: %d bytes, %v", n, err)
		}
	})
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		close(started)
		<-r.Context().Done()
	})
	h, _ := web(Config{})
	body, _, err := h.Open(ctx, url, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	<-started
	cancel()
	if _, err := io.ReadAll(body); !errors.Is(err, context.Canceled) || errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("while reading: %v", err)
	}
	if _, _, err := h.Open(ctx, url, 0); !errors.Is(err, context.Canceled) || errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("before asking: %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	busy := serve(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
	h, _ = web(Config{Wait: func(ctx context.Context, d time.Duration) error { cancel(); return sleep(ctx, d) }, Backoff: time.Hour, MaxWait: time.Hour})
	if _, _, err := h.Open(ctx, busy, 0); !errors.Is(err, context.Canceled) || errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("while waiting: %v", err)
	}
}

func TestSleep(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if err := sleep(ctx, time.Nanosecond); err != nil {
		t.Error(err)
	}
	cancel()
	if err := sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func FuzzContentRange(f *testing.F) {
	f.Add("bytes 0-1/2")
	f.Add("bytes */2")
	f.Fuzz(func(t *testing.T, s string) {
		first, last, size, err := contentRange(s)
		if err == nil && (first < 0 || last < 0 || size < 0 || !strings.HasPrefix(s, "bytes ") || strings.Contains(s, "*")) {
			t.Errorf("%q: %d-%d/%d", s, first, last, size)
		}
	})
}

func TestDefaults(t *testing.T) {
	h := newHTTP(Config{})
	if h.c.MinRate <= 0 || h.c.Window <= 0 || h.c.Connect <= 0 || h.c.Header <= 0 || h.c.Retries != 9 || h.c.Redials != 3 || h.c.Wait == nil {
		t.Errorf("the zero Config leaves %+v", h.c)
	}
	if got := newHTTP(Config{Retries: -1}).c.Retries; got != 0 {
		t.Errorf("negative retries: %d", got)
	}
	_, _, err := New(Config{}).Open(t.Context(), "ftp://example.org/file", 0)
	if err == nil || !strings.HasSuffix(err.Error(), "want a URL of scheme file, http, https") {
		t.Errorf("schemes: %v", err)
	}
}

// TestWithoutCaches checks that the request, and those that its redirects lead to, ask
// caches to confirm what they have, and that no other request does.
func TestWithoutCaches(t *testing.T) {
	var seen []string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, strings.Join(r.Header["Cache-Control"], ","))
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/x", http.StatusFound)
			return
		}
		io.WriteString(w, text)
	})
	h, _ := web(Config{})
	for ctx, want := range map[context.Context][]string{
		t.Context():                          {"", ""},
		manifests.WithoutCaches(t.Context()): {"no-cache", "no-cache"},
	} {
		seen = nil
		if data, err := manifests.ReadAll(ctx, h, url+"/moved", 100); err != nil || string(data) != text || !slices.Equal(seen, want) {
			t.Errorf("got %q, %v with %q, want %q", data, err, seen, want)
		}
	}
}
