package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
)

func part(t *testing.T, from manifests.Transport, ref string, offset, n int64) (string, int64, error) {
	t.Helper()
	body, size, err := manifests.OpenRange(t.Context(), from, ref, offset, n)
	if err != nil {
		return "", size, err
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	return string(data), size, err
}

func TestOpenRange(t *testing.T) {
	const n = len(text)
	for name, c := range map[string]struct {
		code   int
		header string
		body   string
		ok     bool
	}{
		"right":                      {206, fmt.Sprintf("bytes 10-19/%d", n), text[10:20], true},
		"right, unannounced":         {206, fmt.Sprintf("bytes 10-19/%d", n), text[10:20], true},
		"whole file":                 {200, "", text, false},
		"past the end":               {416, fmt.Sprintf("bytes */%d", n), "", false},
		"another start":              {206, fmt.Sprintf("bytes 9-19/%d", n), text[9:20], false},
		"too much":                   {206, fmt.Sprintf("bytes 10-20/%d", n), text[10:21], false},
		"too little":                 {206, fmt.Sprintf("bytes 10-18/%d", n), text[10:19], false},
		"all the rest":               {206, fmt.Sprintf("bytes 10-%d/%d", n-1, n), text[10:], false},
		"ends past the document":     {206, "bytes 10-19/15", text[10:20], false},
		"size unknown":               {206, "bytes 10-19/*", text[10:20], false},
		"length disagrees":           {206, fmt.Sprintf("bytes 10-19/%d", n), text[10:19], false},
		"no content range":           {206, "", text[10:20], false},
		"another start, unannounced": {206, fmt.Sprintf("bytes 9-18/%d", n), text[9:19], false},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Range"); got != "bytes=10-19" {
					t.Errorf("Range: %q", got)
				}
				if c.header != "" {
					w.Header().Set("Content-Range", c.header)
				}
				w.WriteHeader(c.code)
				if strings.HasSuffix(name, "unannounced") {
					w.(http.Flusher).Flush()
				}
				io.WriteString(w, c.body)
			})
			h, w := web(Config{})
			data, size, err := part(t, h, url, 10, 10)
			if c.ok && (err != nil || data != text[10:20] || size != int64(n)) {
				t.Errorf("got %q, size %d, %v", data, size, err)
			}
			if !c.ok && (!errors.Is(err, manifests.ErrNoRange) || len(w.waits) > 0) {
				t.Errorf("got %q, %v after %d retries, want ErrNoRange at once", data, err, len(w.waits))
			}
		})
	}
}

// TestRangeFromTheStart checks that a range from the start needs a 206: a 200 would be
// the whole document.
func TestRangeFromTheStart(t *testing.T) {
	h, _ := web(Config{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	})
	if data, size, err := part(t, h, url, 0, 5); err != nil || data != text[:5] || size != int64(len(text)) {
		t.Errorf("got %q, size %d, %v", data, size, err)
	}
	plain := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) })
	if data, _, err := part(t, h, plain, 0, 5); !errors.Is(err, manifests.ErrNoRange) {
		t.Errorf("from a server without ranges: %q, %v", data, err)
	}
}

// TestBodyOfARange checks that reading a range that is too long or too short fails.
func TestBodyOfARange(t *testing.T) {
	for name, sent := range map[string]string{"short": text[10:19], "long": text[10:21]} {
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 10-19/%d", len(text)))
			w.WriteHeader(206)
			w.(http.Flusher).Flush()
			io.WriteString(w, sent)
		})
		h, _ := web(Config{})
		data, _, err := part(t, h, url, 10, 10)
		if !errors.Is(err, manifests.ErrUnreachable) || len(data) > 10 {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}

func TestSize(t *testing.T) {
	asked := 0
	at := func(length string, code int) string {
		return serve(t, func(w http.ResponseWriter, r *http.Request) {
			asked++
			if r.Method != http.MethodHead || r.Header.Get("Range") != "" {
				t.Errorf("asked %s, Range %q", r.Method, r.Header.Get("Range"))
			}
			if length != "" {
				w.Header().Set("Content-Length", length)
			}
			w.WriteHeader(code)
		})
	}
	for name, c := range map[string]struct {
		url  string
		size int64
		err  error
	}{
		"announced":     {at("12345678901", 200), 12345678901, nil},
		"not announced": {at("", 200), -1, nil},
		"not there":     {at("", 404), 0, manifests.ErrNotFound},
		"forbidden":     {at("", 405), 0, manifests.ErrUnreachable},
		"busy":          {at("", 503), 0, manifests.ErrUnreachable},
		"redirected":    {serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, at("7", 200), 302) }), 7, nil},
	} {
		asked = 0
		h, w := web(Config{})
		size, err := manifests.SizeOf(t.Context(), h, c.url)
		if size != c.size || !errors.Is(err, c.err) || asked != 1 || len(w.waits) > 0 {
			t.Errorf("%s: %d, %v, after %d requests", name, size, err, asked)
		}
	}
}

// plain is a transport that implements only Open.
type plain struct{ from manifests.Transport }

func (p plain) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	return p.from.Open(ctx, ref, offset)
}

func TestRangesOfEveryTransport(t *testing.T) {
	file := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(text))
	})
	all := New(Config{})
	for name, from := range map[string]manifests.Transport{
		"mux": all, "plain": plain{all},
		"offline": Offline(all),
	} {
		for _, ref := range []string{"file://" + file, url} {
			data, size, err := part(t, from, ref, 10, 10)
			whole, sizeErr := manifests.SizeOf(t.Context(), from, ref)
			if strings.Contains(name, "offline") && ref == url {
				if !errors.Is(err, manifests.ErrOffline) || !errors.Is(sizeErr, manifests.ErrOffline) {
					t.Errorf("%s: %q, %v; %d, %v", name, data, err, whole, sizeErr)
				}
				continue
			}
			if data != text[10:20] || size != int64(len(text)) || err != nil || whole != size || sizeErr != nil {
				t.Errorf("%s, %s: %q of %d, %v; %d, %v", name, ref, data, size, err, whole, sizeErr)
			}
			if data, _, err := part(t, from, ref, 10, int64(len(text))); !errors.Is(err, manifests.ErrNoRange) {
				t.Errorf("%s, %s: past the end: %q, %v", name, ref, data, err)
			}
		}
	}
	for _, from := range []manifests.Transport{Mux(nil), Offline(nil)} {
		if _, _, err := part(t, from, url, 0, 1); !errors.Is(err, manifests.ErrUnreachable) {
			t.Errorf("%T: %v", from, err)
		}
		if _, err := manifests.SizeOf(t.Context(), from, url); !errors.Is(err, manifests.ErrUnreachable) {
			t.Errorf("%T: %v", from, err)
		}
	}
}
