package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
)

// Config says how HTTP reaches the network. The zero Config is the policy of
// kist itself; tests turn its times down.
type Config struct {
	Version string         // of kist, for the User-Agent "kist/<version>"
	Roots   *x509.CertPool // who may sign for a host; nil: the system's, or those of SSL_CERT_FILE
	// Proxy chooses the proxy of a request, as ProxyFromEnvironment does; nil: none.
	Proxy func(*http.Request) (*url.URL, error)
	// Wait sleeps for d or until ctx ends, whose error it returns; nil: by the clock.
	Wait func(ctx context.Context, d time.Duration) error

	// Now is the clock, for a Retry-After that names a time in an answer without a
	// Date; nil: there is none, and such a time is ignored.
	Now func() time.Time

	Connect time.Duration // until the connection stands, and again until TLS does; 0: 10 s
	Header  time.Duration // from the request to the header of the answer; 0: 30 s
	MinRate int64         // bytes a second that a body must keep up over each Window spent waiting for it; 0: 1024
	Window  time.Duration // 0: 30 s
	Retries int           // how often a request that may succeed later is made again; 0: 9, negative: never
	Redials int           // how often at most where no connection can be made; 0: 3
	Backoff time.Duration // before the first retry; doubled for each later one, with jitter; 0: 500 ms
	MaxWait time.Duration // the longest Backoff; 0: 2 s
	// MaxAsked is the longest wait that a server may ask for with Retry-After, and
	// half of what it may ask for in all about one request; 0: 2 min.
	MaxAsked time.Duration
}

const (
	maxRedirects = 5
	maxHeader    = 256 << 10 // bytes of one answer's header

	// retries is how often a request is made again where Config does not say. Of a
	// server that fails 30 % of all requests at random, ten attempts at each of 60
	// requests succeed with a probability of 1-60*0.3^10 > 0.999; a server that
	// always fails is reported after some 12 s.
	retries = 9
)

// HTTP is the transport of https and http. It asks for one whole document, the
// rest of it from an offset on, or a range, and accepts a 200 or 206 with exactly
// that.
//
// A request is repeated after a failure that may pass: a connection that fails
// or breaks before the answer, 429 and 5xx. It is not after one that time alone
// does not mend: another status, a host that does not exist, a certificate that
// is not trusted; nor after a time-out, which has waited already. A body that
// breaks is not repeated here, since the caller knows what arrived and can ask
// for the rest, or, after the wait of Answer.Again, for all of it.
//
// A wait that the server asks for with Retry-After (RFC 9110, section 10.2.3) is
// kept to, and told to the function of WithWaits. One that is too long is a
// *WaitError at once.
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
	c.Retries = max(orElse(c.Retries, retries), 0)
	c.Redials = min(orElse(c.Redials, 3), c.Retries)
	c.Backoff = orElse(c.Backoff, 500*time.Millisecond)
	c.MaxWait = orElse(c.MaxWait, 2*time.Second)
	c.MaxAsked = orElse(c.MaxAsked, 2*time.Minute)
	c.Proxy = quietly(c.Proxy)
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
			return &ProxyError{proxy.Host, &StatusError{Code: answer.StatusCode}}
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

// Open implements manifests.Transport. An answer with a content encoding is a
// *manifests.EncodedError.
func (h *HTTP) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	a, err := h.OpenAnswer(ctx, ref, offset)
	if err != nil {
		return nil, 0, err
	}
	if a.Encoding != "" {
		a.Body.Close()
		return nil, 0, &manifests.EncodedError{Ref: manifests.Redact(ref), Encoding: a.Encoding}
	}
	return a.Body, a.Size, nil
}

// OpenAnswer implements manifests.Answerer. The rest of a document with a content
// encoding is an error that matches manifests.ErrNoRange: it may be the rest of
// other bytes than those that came first.
func (h *HTTP) OpenAnswer(ctx context.Context, ref string, offset int64) (manifests.Answer, error) {
	a, err := h.retry(ctx, ref, question{http.MethodGet, offset, -1})
	if err != nil {
		return manifests.Answer{}, err
	}
	a.Again = func(ctx context.Context, try int, broken error) error {
		if try >= h.c.Retries || errors.Is(broken, errTooSlow) {
			return broken
		}
		if err := h.c.Wait(ctx, h.pause(try)); err != nil {
			return unreachable(ctx, ref, err)
		}
		return nil
	}
	return a, nil
}

// OpenRange implements manifests.Ranger.
func (h *HTTP) OpenRange(ctx context.Context, ref string, offset, n int64) (io.ReadCloser, int64, error) {
	a, err := h.retry(ctx, ref, question{http.MethodGet, offset, offset + n})
	if err != nil {
		return nil, 0, err
	}
	return a.Body, a.Size, nil
}

// Size implements manifests.Ranger. It asks once: what nobody relies on is not
// worth a wait.
func (h *HTTP) Size(ctx context.Context, ref string) (int64, error) {
	a, err := h.open(ctx, ref, question{http.MethodHead, 0, -1})
	if later, ok := errors.AsType[*retryError](err); ok {
		err = later.err
	}
	if err != nil {
		return 0, err
	}
	if a.Encoding != "" {
		a.Size = -1 // it may be that of the encoded bytes
	}
	return a.Size, a.Body.Close()
}

// A question is what is asked of a document.
type question struct {
	method string
	from   int64
	to     int64 // the first byte that is not wanted; negative: all to the end
}

// whole reports whether the answer is the document itself, and not a part of it.
func (q question) whole() bool { return q.from == 0 && q.to < 0 }

// header is the value of the Range header. RFC 9110, section 14.2.
func (q question) header() string {
	if q.to < 0 {
		return fmt.Sprintf("bytes=%d-", q.from)
	}
	return fmt.Sprintf("bytes=%d-%d", q.from, q.to-1)
}

func (h *HTTP) retry(ctx context.Context, ref string, q question) (manifests.Answer, error) {
	asked := time.Duration(0)
	for try := 0; ; try++ {
		a, err := h.open(ctx, ref, q)
		later, ok := errors.AsType[*retryError](err)
		if !ok {
			return a, err
		}
		most := h.c.Retries
		if later.unconnected {
			most = h.c.Redials
		}
		if asked += later.after; later.after > h.c.MaxAsked || asked > 2*h.c.MaxAsked {
			return a, &WaitError{later.after, later.err}
		}
		if try >= most || ctx.Err() != nil {
			return a, later.err
		}
		if later.after > 0 {
			tellWait(ctx, ref, later.after)
		}
		if err := h.c.Wait(ctx, max(h.pause(try), later.after)); err != nil {
			return a, unreachable(ctx, ref, err)
		}
	}
}

// A retryError is a failure that may pass.
type retryError struct {
	err         error
	after       time.Duration // that the server asks to wait; 0 if it does not
	unconnected bool          // there was no connection to ask by
}

func (e *retryError) Error() string { return e.err.Error() }

// pause is how long to wait after failure number try.
func (h *HTTP) pause(try int) time.Duration {
	return manifests.Backoff(try, h.c.Backoff, h.c.MaxWait)
}

// open makes one attempt: a request and the redirects it leads to.
func (h *HTTP) open(caller context.Context, ref string, q question) (manifests.Answer, error) {
	at, err := url.Parse(ref)
	if err != nil || at.Opaque != "" || at.Hostname() == "" || at.Scheme != "https" && at.Scheme != "http" {
		return manifests.Answer{}, unreachable(caller, ref, errors.New("not an https or http URL"))
	}
	ctx, cancel := context.WithCancelCause(caller)
	answer, err := h.follow(ctx, at, q)
	if err != nil {
		cancel(nil)
		failed := unreachable(caller, ref, err)
		if mayPass(err) {
			dial, dialed := errors.AsType[*net.OpError](err)
			failed = &retryError{err: failed, unconnected: dialed && dial.Op != "read" && dial.Op != "write"}
		}
		return manifests.Answer{}, failed
	}
	size, err := judge(manifests.Redact(ref), answer, q, h.c.Now)
	if err != nil {
		answer.Body.Close()
		cancel(nil)
		return manifests.Answer{}, err
	}
	left := int64(-1)
	switch {
	case q.method == http.MethodHead:
		left = 0
	case q.to >= 0:
		left = q.to - q.from
	case size >= 0:
		left = size - q.from
	}
	return manifests.Answer{
		Body:     &body{caller, ref, answer.Body, left, newWatch(h.c.MinRate, h.c.Window, cancel)},
		Size:     size,
		Encoding: contentEncoding(answer.Header),
		Type:     answer.Header.Get("Content-Type"),
	}, nil
}

// follow sends the request to at and to wherever it is redirected.
func (h *HTTP) follow(ctx context.Context, at *url.URL, q question) (*http.Response, error) {
	user := at.User
	for hop := 0; ; hop++ {
		answer, err := h.send(ctx, at, user, q)
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
		at = next
	}
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

func (h *HTTP) send(ctx context.Context, at *url.URL, user *url.Userinfo, q question) (*http.Response, error) {
	bare := *at
	bare.User, bare.Fragment, bare.RawFragment = nil, "", ""
	request, err := http.NewRequestWithContext(ctx, q.method, bare.String(), nil)
	if err != nil {
		return nil, refusal("not a URL that can be asked for")
	}
	request.Header.Set("User-Agent", "kist/"+h.c.Version)
	request.Header.Set("Accept-Encoding", "identity")
	if user != nil {
		password, _ := user.Password()
		request.SetBasicAuth(user.Username(), password)
	}
	if !q.whole() {
		request.Header.Set("Range", q.header())
	}
	answer, err := h.round.RoundTrip(request)
	if err != nil && h.c.Proxy != nil {
		err = blameProxy(request, h.c.Proxy, err)
	}
	return answer, err
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
		slow    net.Error
	)
	switch {
	case errors.As(err, &refused), errors.As(err, &cert):
		return false
	case errors.As(err, &status):
		return passing(status.Code)
	case errors.As(err, &host) && host.IsNotFound:
		return false
	}
	return !errors.As(err, &slow) || !slow.Timeout()
}
