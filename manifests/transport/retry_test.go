package transport

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
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
		{429, manifests.ErrUnreachable, 10},
		{500, manifests.ErrUnreachable, 10},
		{503, manifests.ErrUnreachable, 10},
		{511, manifests.ErrUnreachable, 1},
		{799, manifests.ErrUnreachable, 10},
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

func TestRetryUntilSuccess(t *testing.T) {
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
	h, w := web(Config{Backoff: 8 * time.Second, MaxWait: 30 * time.Second})
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
	for _, c := range []struct {
		value, date string
		want        time.Duration // expected wait; 0: the backoff
		refused     string        // the refused wait, as the error shows it
	}{
		{value: "7", want: 7 * time.Second},
		{value: " 7 ", want: 7 * time.Second},
		{value: "120", want: 2 * time.Minute},
		{value: "121", refused: "3 min"},
		{value: "3780", refused: "1 h 3 min"},
		{value: "86400", refused: "24 h"},
		{value: "99999999999999999999", refused: "596523 h 15 min"},
		{value: "Sun, 22 Nov 2026 10:00:09 GMT", want: 9 * time.Second},
		{value: "Sun, 22 Nov 2026 10:00:09 GMT", date: "none", want: 9 * time.Second},
		{value: "Sun, 22 Nov 2026 11:03:00 GMT", refused: "1 h 3 min"},
		{value: "Sun, 22 Nov 2020 10:00:09 GMT"},
		{value: "0"},
		{value: "-1"},
		{value: "soon"},
	} {
		tries := 0
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if tries++; tries == 1 {
				w.Header().Set("Retry-After", c.value)
				w.Header().Set("Date", cmp.Or(c.date, date))
				w.WriteHeader(429)
			}
		})
		now, err := http.ParseTime(date)
		if err != nil {
			t.Fatal(err)
		}
		h, w := web(Config{Backoff: time.Second, Now: func() time.Time { return now }})
		var told []time.Duration
		ctx := WithWaitNotifier(t.Context(), func(ref string, wait time.Duration) {
			if told = append(told, wait); ref != url {
				t.Errorf("told of %s", ref)
			}
		})
		body, _, err := h.Open(ctx, url, 0)
		if c.refused != "" {
			wait, ok := errors.AsType[*WaitError](err)
			if !ok || FormatWait(wait.After) != c.refused || !errors.Is(err, manifests.ErrUnreachable) || tries != 1 || len(told) > 0 ||
				!strings.Contains(err.Error(), "429 Too Many Requests; the server asks to wait "+c.refused) {
				t.Errorf("Retry-After: %s: %v after %d requests", c.value, err, tries)
			}
			continue
		}
		if err != nil || len(w.waits) != 1 {
			t.Errorf("Retry-After: %s: waited %v, %v", c.value, w.waits, err)
			continue
		}
		body.Close()
		if c.want > 0 && (w.waits[0] != c.want || len(told) != 1 || told[0] != c.want) {
			t.Errorf("Retry-After: %s: waited %v, told %v, want %v", c.value, w.waits, told, c.want)
		}
		if c.want == 0 && (w.waits[0] < time.Second/2 || w.waits[0] > time.Second || len(told) > 0) {
			t.Errorf("Retry-After: %s: waited %v, told %v, want the backoff", c.value, w.waits, told)
		}
	}
}

// TestRetryAfterTotalIsLimited checks that a server that keeps asking for a little more
// time is given up.
func TestRetryAfterTotalIsLimited(t *testing.T) {
	tries := 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		tries++
		w.Header().Set("Retry-After", "100")
		w.WriteHeader(503)
	})
	h, w := web(Config{})
	_, _, err := get(t, h, url, 0)
	if _, ok := errors.AsType[*WaitError](err); !ok || tries != 3 || len(w.waits) != 2 {
		t.Errorf("%v after %d requests and %v", err, tries, w.waits)
	}
}

// TestRetriesOutlastRandomFailures checks that an install of 60 requests succeeds with
// a probability above 0.999 if a server fails 30 % of requests at random, and that a
// server that is down is reported soon.
func TestRetriesOutlastRandomFailures(t *testing.T) {
	h := newHTTP(Config{})
	if p := math.Pow(1-math.Pow(0.3, float64(h.c.Retries+1)), 60); p < 0.999 {
		t.Errorf("60 requests succeed with probability %f", p)
	}
	var longest time.Duration
	for try := range h.c.Retries {
		longest += min(h.c.Backoff<<try, h.c.MaxWait)
	}
	if longest > 20*time.Second {
		t.Errorf("a server that is down is reported after %v", longest)
	}
	random := rand.New(rand.NewPCG(1, 2))
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n := random.IntN(10); {
		case n == 0:
			w.WriteHeader(503)
		case n == 1:
			w.WriteHeader(500)
		case n == 2: // the connection breaks in mid-body
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, text)
		default:
			io.WriteString(w, text)
		}
	})
	for range 200 {
		h, _ := web(Config{})
		if data, err := manifests.ReadAll(t.Context(), h, url, 1<<10); err != nil || string(data) != text {
			t.Fatalf("%q, %v", data, err)
		}
	}
}

// TestReadAllAfterABreak checks that a document that breaks off is requested again, as
// often as one without an answer.
func TestReadAllAfterABreak(t *testing.T) {
	for _, breaks := range []int{0, 1, 9, 10} {
		tries := 0
		url := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if tries++; tries <= breaks {
				hijack(t, "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\nthe bytes of")(w, r)
				return
			}
			io.WriteString(w, text)
		})
		h, w := web(Config{})
		data, err := manifests.ReadAll(t.Context(), Mux(map[string]manifests.Transport{"http": &Recorder{From: h}}), url, 1<<10)
		if breaks < 10 && (err != nil || string(data) != text || len(w.waits) != breaks) {
			t.Errorf("%d breaks: %q, %v after %d waits", breaks, data, err, len(w.waits))
		}
		if breaks == 10 && (!errors.Is(err, manifests.ErrUnreachable) || tries != 10) {
			t.Errorf("%d breaks: %v after %d requests", breaks, err, tries)
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
		t.Errorf("no listener: %v after %d retries", err, len(w.waits))
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

func TestIsRetryable(t *testing.T) {
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
		if got := isRetryable(c.err); got != c.want {
			t.Errorf("%v: worth a retry: %v, want %v", c.err, got, c.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	f.Add("120", "")
	f.Add("Sun, 22 Nov 2026 11:03:00 GMT", "Sun, 22 Nov 2026 10:00:00 GMT")
	f.Fuzz(func(t *testing.T, value, date string) {
		after := retryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, func() time.Time { return time.Unix(0, 0) })
		if after < 0 || after > 1<<31*time.Second || FormatWait(after) == "" {
			t.Errorf("%q, %q: %v", value, date, after)
		}
	})
}

// TestLookupErrorsNameTheHost checks that a host that cannot be resolved is named once, and
// that the error keeps its cause.
func TestLookupErrorsNameTheHost(t *testing.T) {
	cause := &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "go.dev", Server: "10.0.0.1:53", IsNotFound: true}}
	err := explainLookup(cause)
	if got, want := err.Error(), "could not resolve host go.dev: no such host"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, cause) || isRetryable(err) {
		t.Errorf("the cause is lost: %v", err)
	}
	other := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	if explainLookup(other) != error(other) {
		t.Error("another error was changed")
	}
}
