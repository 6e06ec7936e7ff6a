package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
)

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		code  int
		want  error
		tries int
	}{
		{404, manifests.ErrNotFound, 1},
		{410, manifests.ErrNotFound, 1},
		{403, manifests.ErrUnreachable, 1},
		{403, manifests.ErrDenied, 1},
		{401, manifests.ErrUnreachable, 1},
		{204, manifests.ErrUnreachable, 1},
		{206, manifests.ErrUnreachable, 1},
		{300, manifests.ErrUnreachable, 1},
		{304, manifests.ErrUnreachable, 1},
		{429, manifests.ErrUnreachable, 4},
		{500, manifests.ErrUnreachable, 4},
		{503, manifests.ErrUnreachable, 4},
		{799, manifests.ErrUnreachable, 4},
	} {
		tries := 0
		url := serve(t, func(w http.ResponseWriter, r *http.Request) { tries++; w.WriteHeader(c.code) })
		h, _ := web(Config{})
		_, _, err := get(t, h, strings.Replace(url, "//", "//user:secret@", 1)+"/x", 0)
		var status *StatusError
		if !errors.Is(err, c.want) || !errors.As(err, &status) || status.Code != c.code || status.Ref != url+"/x" || tries != c.tries {
			t.Errorf("%d: %v after %d tries, want %v after %d", c.code, err, tries, c.want, c.tries)
		}
		if both := errors.Is(err, manifests.ErrNotFound) && errors.Is(err, manifests.ErrUnreachable); both || strings.Contains(err.Error(), "secret") {
			t.Errorf("%d: %v", c.code, err)
		}
	}
}

func TestRetryUntilItPasses(t *testing.T) {
	answers := []http.HandlerFunc{
		hijack(t, ""),
		func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) },
		func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(429) },
		func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text) },
	}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		next := answers[0]
		answers = answers[1:]
		next(w, r)
	})
	h, w := web(Config{Backoff: 8 * time.Second})
	if data, _, err := get(t, h, url, 0); err != nil || data != text {
		t.Fatalf("got %q, %v", data, err)
	}
	for i, d := range w.waits {
		if full := 8 * time.Second << i; d < min(full, 30*time.Second)/2 || d > min(full, 30*time.Second) {
			t.Errorf("retry %d after %v, want %v, or up to half less", i+1, d, full)
		}
	}
	if len(w.waits) != 3 {
		t.Errorf("%d retries, want 3", len(w.waits))
	}
}

func TestRetryAfter(t *testing.T) {
	const date = "Sun, 22 Nov 2026 10:00:00 GMT"
	for value, want := range map[string]time.Duration{
		"7":                             7 * time.Second,
		"86400":                         20 * time.Second, // MaxWait
		"Sun, 22 Nov 2026 10:00:09 GMT": 9 * time.Second,
		"Sun, 22 Nov 2027 10:00:09 GMT": 20 * time.Second,
		"Sun, 22 Nov 2020 10:00:09 GMT": time.Second,
		"-1":                            time.Second, // Backoff
		"soon":                          time.Second,
		"99999999999999999999":          time.Second,
	} {
		first := true
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if first {
				w.Header().Set("Retry-After", value)
				w.Header().Set("Date", date)
				w.WriteHeader(429)
			}
			first = false
		})
		h, w := web(Config{Backoff: time.Second, MaxWait: 20 * time.Second})
		_, _, err := get(t, h, url, 0)
		if err != nil || len(w.waits) != 1 || w.waits[0] > want || w.waits[0] < want && (want != time.Second || w.waits[0] < want/2) {
			t.Errorf("Retry-After: %s: waited %v, %v; want %v", value, w.waits, err, want)
		}
	}
}

func TestNoAnswer(t *testing.T) {
	hang := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { <-hang })
	defer close(hang)
	h, w := web(Config{Header: 20 * time.Millisecond})
	if _, _, err := get(t, h, url, 0); !errors.Is(err, manifests.ErrUnreachable) || len(w.waits) != 0 {
		t.Errorf("no header: %v after %d retries", err, len(w.waits))
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	h, w = web(Config{})
	if _, _, err := get(t, h, gone.URL, 0); !errors.Is(err, manifests.ErrUnreachable) || len(w.waits) != 3 {
		t.Errorf("nobody listens: %v after %d retries", err, len(w.waits))
	}
	big := serve(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("X", strings.Repeat("x", maxHeader)) })
	h, _ = web(Config{Retries: -1})
	if _, _, err := get(t, h, big, 0); !errors.Is(err, manifests.ErrUnreachable) {
		t.Errorf("header without end: %v", err)
	}
	for _, ref := range []string{"", "x", "ftp://example.org", "https:///x", "https:x", "http://user:secret@exa mple/"} {
		if _, _, err := get(t, h, ref, 0); !errors.Is(err, manifests.ErrUnreachable) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", ref, err)
		}
	}
}

func TestMayPass(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{io.EOF, true},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, true},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, true},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, false},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}, false},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "server misbehaving", IsTemporary: true}}, true},
		{&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, false},
		{fmt.Errorf("proxy: %w", &StatusError{Code: 502}), true},
		{fmt.Errorf("proxy: %w", &StatusError{Code: 403}), false},
		{refusal("no"), false},
	} {
		if got := mayPass(c.err); got != c.want {
			t.Errorf("%v: worth a retry: %v, want %v", c.err, got, c.want)
		}
	}
}
