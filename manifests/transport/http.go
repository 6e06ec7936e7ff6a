package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
)

// Config says how HTTP reaches the network. The zero Config is the policy of
// kist itself; tests turn its times down.
type Config struct {
	Version string         // of kist, for the User-Agent "kist/<version>"
	Roots   *x509.CertPool // who may sign for a host; nil: the system's, or those of SSL_CERT_FILE
	// Proxy chooses the proxy of a request; nil: none. http.ProxyFromEnvironment
	// honours HTTPS_PROXY and NO_PROXY.
	Proxy func(*http.Request) (*url.URL, error)
	// Wait sleeps for d or until ctx ends, whose error it returns; nil: by the clock.
	Wait func(ctx context.Context, d time.Duration) error

	Connect time.Duration // until the connection stands, and again until TLS does; 0: 10 s
	Header  time.Duration // from the request to the header of the answer; 0: 30 s
	MinRate int64         // bytes a second that a body must keep up over each Window spent waiting for it; 0: 1024
	Window  time.Duration // 0: 30 s
	Retries int           // how often a request that may succeed later is made again; 0: 3, negative: never
	Backoff time.Duration // before the first retry; doubled for each later one, with jitter; 0: 500 ms
	MaxWait time.Duration // before any one retry, whatever Retry-After asks; 0: 30 s
}

const (
	maxRedirects = 5
	maxHeader    = 256 << 10 // bytes of one answer's header
)

// HTTP is the transport of https and http. It asks for one whole document, or
// the rest of it from an offset on, and accepts a 200 or 206 with exactly that.
//
// A request is repeated after a failure that may pass: no connection (but not
// one that timed out, was refused by TLS, or has no such host), no answer, 429
// and 5xx. A body that breaks is not repeated here, since the caller knows what
// arrived and can ask for the rest.
type HTTP struct {
	c     Config
	round http.RoundTripper
}

// NewHTTP returns the transport that c describes.
func NewHTTP(c Config) *HTTP {
	if c.Wait == nil {
		c.Wait = sleep
	}
	c.Connect = orElse(c.Connect, 10*time.Second)
	c.Header = orElse(c.Header, 30*time.Second)
	c.MinRate = orElse(c.MinRate, 1024)
	c.Window = orElse(c.Window, 30*time.Second)
	c.Retries = max(orElse(c.Retries, 3), 0)
	c.Backoff = orElse(c.Backoff, 500*time.Millisecond)
	c.MaxWait = orElse(c.MaxWait, 30*time.Second)
	return &HTTP{c, &http.Transport{
		Proxy:                  c.Proxy,
		DialContext:            (&net.Dialer{Timeout: c.Connect}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: c.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    c.Connect,
		ResponseHeaderTimeout:  c.Header,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		IdleConnTimeout:        90 * time.Second,
		OnProxyConnectResponse: func(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
			if answer.StatusCode == http.StatusOK {
				return nil
			}
			return fmt.Errorf("proxy %s: %w", proxy.Host, &StatusError{Code: answer.StatusCode})
		},
	}}
}

func orElse[T comparable](v, standard T) T {
	var zero T
	if v == zero {
		return standard
	}
	return v
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// A StatusError is an answer other than the one that was asked for. It matches
// manifests.ErrNotFound for 404 and 410, else manifests.ErrUnreachable.
type StatusError struct {
	Ref  string // redacted; empty for the answer of a proxy
	Code int    // RFC 9110, section 15
}

func (e *StatusError) Error() string {
	text := strings.TrimSpace(strconv.Itoa(e.Code) + " " + http.StatusText(e.Code))
	if e.Ref == "" {
		return "answered " + text
	}
	return e.Ref + ": answered " + text
}

// Is matches the sentinel that the code stands for.
func (e *StatusError) Is(target error) bool {
	if e.Code == http.StatusNotFound || e.Code == http.StatusGone {
		return e.Ref != "" && target == manifests.ErrNotFound
	}
	return target == manifests.ErrUnreachable
}

// Open implements manifests.Transport.
func (h *HTTP) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	for try := 0; ; try++ {
		b, size, err := h.open(ctx, ref, offset)
		var later *retryError
		if !errors.As(err, &later) {
			return b, size, err
		}
		if try == h.c.Retries || ctx.Err() != nil {
			return nil, 0, later.err
		}
		if err := h.c.Wait(ctx, h.pause(try, later.after)); err != nil {
			return nil, 0, unreachable(ctx, ref, err)
		}
	}
}

// A retryError is a failure that may pass.
type retryError struct {
	err   error
	after time.Duration // that the far side asks for; 0 if it does not
}

func (e *retryError) Error() string { return e.err.Error() }

// pause is how long to wait after failure number try: doubling, half of it
// chosen at random so that many clients do not come back at once, and no
// shorter than the far side asked for, within MaxWait.
func (h *HTTP) pause(try int, asked time.Duration) time.Duration {
	d := min(h.c.Backoff<<min(try, 16), h.c.MaxWait)
	d = d/2 + rand.N(d/2+1)
	return min(max(d, asked), h.c.MaxWait)
}

// open makes one attempt: a request and the redirects it leads to.
func (h *HTTP) open(caller context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	at, err := url.Parse(ref)
	if err != nil || at.Opaque != "" || at.Hostname() == "" || at.Scheme != "https" && at.Scheme != "http" {
		return nil, 0, unreachable(caller, ref, errors.New("not an https or http URL"))
	}
	user := at.User
	ctx, cancel := context.WithCancelCause(caller)
	answer, err := h.follow(ctx, at, user, offset)
	if err != nil {
		cancel(nil)
		if failed := unreachable(caller, ref, err); !mayPass(err) {
			return nil, 0, failed
		} else {
			return nil, 0, &retryError{err: failed}
		}
	}
	size, err := judge(manifests.Redact(ref), answer, offset)
	if err != nil {
		answer.Body.Close()
		cancel(nil)
		return nil, 0, err
	}
	left := int64(-1)
	if size >= 0 {
		left = size - offset
	}
	return &body{caller, ref, answer.Body, left, newWatch(h.c.MinRate, h.c.Window, cancel)}, size, nil
}

// follow sends the request to at and to wherever it is redirected.
func (h *HTTP) follow(ctx context.Context, at *url.URL, user *url.Userinfo, offset int64) (*http.Response, error) {
	for hop := 0; ; hop++ {
		answer, err := h.send(ctx, at, user, offset)
		if err != nil {
			return nil, err
		}
		switch answer.StatusCode {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
			http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			return answer, nil
		}
		answer.Body.Close()
		if hop == maxRedirects {
			return nil, refusal(fmt.Sprintf("more than %d redirects", maxRedirects))
		}
		next, err := at.Parse(answer.Header.Get("Location"))
		switch {
		case err != nil || answer.Header.Get("Location") == "" || next.Opaque != "" || next.Hostname() == "":
			return nil, refusal("redirected to nowhere")
		case next.Scheme != "https" && next.Scheme != at.Scheme:
			return nil, refusal(fmt.Sprintf("redirected from %s to %s", at.Scheme, next.Scheme))
		case !sameOrigin(at, next):
			user = nil // and not again, should it lead back
		}
		next.User, next.Fragment = nil, ""
		at = next
	}
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

func (h *HTTP) send(ctx context.Context, at *url.URL, user *url.Userinfo, offset int64) (*http.Response, error) {
	bare := *at
	bare.User, bare.Fragment, bare.RawFragment = nil, "", ""
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, bare.String(), nil)
	if err != nil {
		return nil, refusal("not a URL that can be asked for")
	}
	request.Header.Set("User-Agent", "kist/"+h.c.Version)
	request.Header.Set("Accept-Encoding", "identity")
	if user != nil {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
	if offset > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
	}
	return h.round.RoundTrip(request)
}

// A refusal is a failure that will not pass.
type refusal string

func (r refusal) Error() string { return string(r) }

// mayPass reports whether a request without an answer is worth repeating.
func mayPass(err error) bool {
	var (
		refused refusal
		status  *StatusError
		host    *net.DNSError
		cert    *tls.CertificateVerificationError
		dial    *net.OpError
	)
	switch {
	case errors.As(err, &refused), errors.As(err, &cert):
		return false
	case errors.As(err, &status):
		return passing(status.Code)
	case errors.As(err, &host):
		return !host.IsNotFound
	case errors.As(err, &dial) && dial.Op == "dial" && dial.Timeout():
		return false // waiting is what it just did
	}
	return true
}

func passing(code int) bool { return code == http.StatusTooManyRequests || code >= 500 }

// judge accepts an answer that is the document from offset on, and nothing
// else, and returns the size of the whole document, -1 if it is not said.
func judge(ref string, answer *http.Response, offset int64) (int64, error) {
	want := http.StatusOK
	if offset > 0 {
		want = http.StatusPartialContent
	}
	switch code := answer.StatusCode; {
	case code == want:
	case offset > 0 && (code == http.StatusOK || code == http.StatusRequestedRangeNotSatisfiable):
		return 0, fmt.Errorf("%s: %w", ref, manifests.ErrNoRange)
	case passing(code):
		return 0, &retryError{&StatusError{ref, code}, retryAfter(answer.Header)}
	default:
		return 0, &StatusError{ref, code}
	}
	if e := answer.Header.Values("Content-Encoding"); len(e) > 0 && !strings.EqualFold(strings.Join(e, ","), "identity") {
		return 0, fmt.Errorf("%s: %w: sent with content encoding %.40q, though none was asked for", ref, manifests.ErrUnreachable, e[0])
	}
	if offset == 0 {
		return answer.ContentLength, nil
	}
	first, last, size, err := contentRange(answer.Header.Get("Content-Range"))
	if err != nil || first != offset || last != size-1 || answer.ContentLength >= 0 && answer.ContentLength != size-offset {
		return 0, fmt.Errorf("%s: %w: asked for the bytes from %d on, was sent %.60q", ref, manifests.ErrNoRange, offset, answer.Header.Get("Content-Range"))
	}
	return size, nil
}

// contentRange reads "bytes first-last/size". RFC 9110, section 14.4.
func contentRange(s string) (first, last, size int64, err error) {
	var numbers [3]int64
	rest, ok := strings.CutPrefix(s, "bytes ")
	for i, end := range []string{"-", "/", ""} {
		digits := rest
		if end != "" {
			var found bool
			digits, rest, found = strings.Cut(rest, end)
			ok = ok && found
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		ok = ok && err == nil
		numbers[i] = int64(n)
	}
	if !ok {
		return 0, 0, 0, fmt.Errorf("content range %.60q", s)
	}
	return numbers[0], numbers[1], numbers[2], nil
}

// retryAfter is how long the far side asks to wait, by its own clock; 0 if it
// does not say. RFC 9110, section 10.2.3.
func retryAfter(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0
	}
	return max(until.Sub(now), 0)
}
