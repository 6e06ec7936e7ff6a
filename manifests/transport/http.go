package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/kist-tools/kist/manifests"
)

// Config configures New. The zero Config is kist's own policy; tests shorten its
// times.
type Config struct {
	Version string         // kist's version, for the User-Agent "kist/<version>"
	Roots   *x509.CertPool // trusted certificate authorities; nil: the system's, or those in SSL_CERT_FILE
	// Proxy returns the proxy for a request, as ProxyFromEnvironment does; nil: no
	// proxy.
	Proxy func(*http.Request) (*url.URL, error)
	// Credential returns what to show to the server of a URL, where the ref holds no user
	// itself; nil: nothing.
	Credential CredentialFunc
	// Login returns what to show to a registry that asks for a login, if Credential has
	// nothing for it; nil: nothing. Only package oci uses it.
	Login  LoginFunc
	Accept string // the Accept header of every request; empty: none
	// Wait sleeps for d or until ctx ends, and then returns ctx's error; nil: the real
	// clock.
	Wait func(ctx context.Context, d time.Duration) error

	// Now is the clock for a Retry-After that names a time in an answer without a Date;
	// nil: such a time is ignored.
	Now func() time.Time

	Connect time.Duration // timeout for the connection, and again for the TLS handshake; 0: 10 s
	Header  time.Duration // timeout from the request to the answer's header; 0: 30 s
	MinRate int64         // minimum bytes per second of a body, over each Window spent waiting for it; 0: 1024
	Window  time.Duration // 0: 30 s
	Retries int           // maximum retries of a request that may succeed later; 0: 9, negative: none
	Redials int           // maximum retries if no connection can be made; 0: 3
	Backoff time.Duration // wait before the first retry; doubled for each later one, with jitter; 0: 500 ms
	MaxWait time.Duration // the longest Backoff; 0: 2 s
	// MaxAsked is the longest wait that a server may ask for with Retry-After, and half
	// of the total for one request; 0: 2 min.
	MaxAsked time.Duration
}

const (
	maxRedirects = 5
	maxHeader    = 256 << 10 // bytes of an answer's header

	// retries is the default for Config.Retries. If a server fails 30 % of requests at
	// random, ten attempts at each of 60 requests succeed with a probability of
	// 1-60*0.3^10 > 0.999; a server that always fails is reported after some 12 s.
	retries = 9
)

// An httpTransport is the transport for https and http. It requests a whole document, the rest of
// it from an offset on, or a range, and accepts only a 200 or 206 with exactly that.
//
// It retries after failures that may pass: a connection that fails or breaks before the
// answer, 429 and 5xx. It does not retry other statuses, hosts that do not exist or
// untrusted certificates, which waiting does not change, nor time-outs, which have
// waited already. A body that breaks is not retried here, because the caller knows what
// has arrived and can request the rest or, after the wait of Answer.Again, all of it.
//
// It obeys a wait requested with Retry-After (RFC 9110, section 10.2.3) and reports it
// to the function of WithWaitNotifier. A wait that is too long fails at once with *WaitError.
//
// With manifests.WithoutCaches it asks with Cache-Control: no-cache.
type httpTransport struct {
	c     Config
	round http.RoundTripper
}

// newHTTP returns the transport configured by c.
func newHTTP(c Config) *httpTransport {
	if c.Wait == nil {
		c.Wait = sleep
	}
	c.Connect = cmp.Or(c.Connect, 10*time.Second)
	c.Header = cmp.Or(c.Header, 30*time.Second)
	c.MinRate = cmp.Or(c.MinRate, 1024)
	c.Window = cmp.Or(c.Window, 30*time.Second)
	c.Retries = max(cmp.Or(c.Retries, retries), 0)
	c.Redials = min(cmp.Or(c.Redials, 3), c.Retries)
	c.Backoff = cmp.Or(c.Backoff, 500*time.Millisecond)
	c.MaxWait = cmp.Or(c.MaxWait, 2*time.Second)
	c.MaxAsked = cmp.Or(c.MaxAsked, 2*time.Minute)
	c.Proxy = hidePassword(c.Proxy)
	return &httpTransport{c, &http.Transport{
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
func (h *httpTransport) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
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

// OpenAnswer implements manifests.Answerer. A request for the rest of a document whose
// answer has a content encoding matches manifests.ErrNoRange: the encoded bytes may
// differ from those that came first.
func (h *httpTransport) OpenAnswer(ctx context.Context, ref string, offset int64) (manifests.Answer, error) {
	return h.openWhole(ctx, ref, question{method: http.MethodGet, from: offset, to: -1})
}

// OpenChanged implements manifests.Revalidator. It sends have only to the URL that have
// belongs to, which may be the one that a redirect leads to.
func (h *httpTransport) OpenChanged(ctx context.Context, ref string, have manifests.Validators) (manifests.Answer, error) {
	return h.openWhole(ctx, ref, question{method: http.MethodGet, to: -1, have: have})
}

// openWhole sends a question to whose end there is no limit, and gives its answer Again.
func (h *httpTransport) openWhole(ctx context.Context, ref string, q question) (manifests.Answer, error) {
	a, err := h.retry(ctx, ref, q)
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
func (h *httpTransport) OpenRange(ctx context.Context, ref string, offset, n int64) (io.ReadCloser, int64, error) {
	a, err := h.retry(ctx, ref, question{method: http.MethodGet, from: offset, to: offset + n})
	if err != nil {
		return nil, 0, err
	}
	return a.Body, a.Size, nil
}

// Size implements manifests.Ranger. It does not retry, because sizes are only used for
// estimates.
func (h *httpTransport) Size(ctx context.Context, ref string) (int64, error) {
	a, err := h.open(ctx, ref, question{method: http.MethodHead, to: -1})
	if later, ok := errors.AsType[*retryError](err); ok {
		err = later.err
	}
	if err != nil {
		return 0, err
	}
	if a.Encoding != "" {
		a.Size = -1 // may be the size of the encoded bytes
	}
	return a.Size, a.Body.Close()
}

func (h *httpTransport) retry(ctx context.Context, ref string, q question) (a manifests.Answer, err error) {
	err = h.retrying(ctx, ref, func() (err error) {
		a, err = h.open(ctx, ref, q)
		return err
	})
	return a, err
}

// retrying calls attempt until it succeeds, or fails with an error that waiting does not
// change, or has been called often enough.
func (h *httpTransport) retrying(ctx context.Context, ref string, attempt func() error) error {
	asked := time.Duration(0)
	for try := 0; ; try++ {
		err := attempt()
		later, ok := errors.AsType[*retryError](err)
		if !ok {
			return err
		}
		limit := h.c.Retries
		if later.unconnected {
			limit = h.c.Redials
		}
		if asked += later.after; later.after > h.c.MaxAsked || asked > 2*h.c.MaxAsked {
			return &WaitError{later.after, later.err}
		}
		if try >= limit || ctx.Err() != nil {
			return later.err
		}
		if later.after > 0 {
			tellWait(ctx, ref, later.after)
		}
		if err := h.c.Wait(ctx, max(h.pause(try), later.after)); err != nil {
			return unreachable(ctx, ref, err)
		}
	}
}

// retryError wraps a failure that may pass.
type retryError struct {
	err         error
	after       time.Duration // wait that the server asks for, or 0
	unconnected bool          // no connection could be made
}

func (e *retryError) Error() string { return e.err.Error() }

// pause returns how long to wait after failure number try.
func (h *httpTransport) pause(try int) time.Duration {
	return manifests.Backoff(try, h.c.Backoff, h.c.MaxWait)
}

// open makes one attempt: a request and its redirects.
func (h *httpTransport) open(caller context.Context, ref string, q question) (manifests.Answer, error) {
	u, err := url.Parse(ref)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return manifests.Answer{}, unreachable(caller, ref, errors.New("not an https or http URL"))
	}
	ctx, cancel := context.WithCancelCause(caller)
	answer, shown, err := h.follow(ctx, u, q)
	if own, ok := errors.AsType[*credentialError](err); ok {
		cancel(nil)
		return manifests.Answer{}, fmt.Errorf("%s: %w", manifests.Redact(ref), own)
	}
	if err != nil {
		cancel(nil)
		return manifests.Answer{}, failedRequest(caller, ref, err)
	}
	if answer.StatusCode == http.StatusNotModified && isConditional(answer.Request) {
		answer.Body.Close()
		cancel(nil)
		if !confirms(answer.Header, q.have) {
			q.have = manifests.Validators{}
			return h.open(caller, ref, q)
		}
		return manifests.Answer{}, manifests.ErrUnchanged
	}
	size, err := checkAnswer(manifests.Redact(ref), answer, q, h.c.Now)
	if err != nil {
		answer.Body.Close()
		cancel(nil)
		if status, ok := errors.AsType[*StatusError](err); ok {
			status.by(answer, shown)
		}
		return manifests.Answer{}, err
	}
	remaining := int64(-1)
	switch {
	case q.method == http.MethodHead:
		remaining = 0
	case q.to >= 0:
		remaining = q.to - q.from
	case size >= 0:
		remaining = size - q.from
	}
	return manifests.Answer{
		Body:       &body{caller, ref, answer.Body, remaining, newWatch(h.c.MinRate, h.c.Window, cancel)},
		Size:       size,
		Encoding:   contentEncoding(answer.Header),
		Type:       answer.Header.Get("Content-Type"),
		Validators: readValidators(answer.Request.URL, answer.Header),
	}, nil
}

// failedRequest returns the error of a request for ref that got no answer, as a *retryError
// if it may get one later.
func failedRequest(ctx context.Context, ref string, err error) error {
	failed := unreachable(ctx, ref, explainLookup(err))
	if !isRetryable(err) {
		return failed
	}
	dial, dialed := errors.AsType[*net.OpError](err)
	return &retryError{err: failed, unconnected: dialed && !onConnection(dial)}
}

// onConnection reports whether op is of a connection that was made, and not its making.
func onConnection(op *net.OpError) bool {
	return slices.Contains([]string{"read", "write", "readfrom", "writeto", "close"}, op.Op)
}

// A lookupError reports that a host has no address, without the address of the resolver
// that was asked.
type lookupError struct {
	err    error
	lookup *net.DNSError
}

func (e *lookupError) Error() string {
	return fmt.Sprintf("could not resolve host %s: %s", e.lookup.Name, e.lookup.Err)
}
func (e *lookupError) Unwrap() error { return e.err }

// explainLookup returns err, as a *lookupError if a host could not be resolved.
func explainLookup(err error) error {
	if lookup, ok := errors.AsType[*net.DNSError](err); ok && lookup.Name != "" {
		return &lookupError{err, lookup}
	}
	return err
}

// refusal is an error that a retry cannot fix.
type refusal string

func (r refusal) Error() string { return string(r) }

// isRetryable reports whether a request that got no answer is worth repeating.
func isRetryable(err error) bool {
	var (
		refused refusal
		leaves  *redirectError
		status  *StatusError
		host    *net.DNSError
		cert    *tls.CertificateVerificationError
		plain   tls.RecordHeaderError
		slow    net.Error
	)
	switch {
	case errors.As(err, &refused), errors.As(err, &leaves), errors.As(err, &cert), errors.As(err, &plain):
		return false
	case errors.As(err, &status):
		return isTransient(status.Code)
	case errors.As(err, &host) && host.IsNotFound:
		return false
	}
	return !errors.As(err, &slow) || !slow.Timeout()
}
