package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/kist-tools/kist/manifests"
)

// A Web is the transport for https and http, for a package that speaks a protocol above
// HTTP. It implements manifests.Ranger, manifests.Answerer and manifests.Revalidator.
type Web struct{ *httpTransport }

// NewWeb returns the transport for https and http that New uses.
func NewWeb(c Config) Web { return Web{newHTTP(c)} }

// A Call is a request that does more than fetch a document.
type Call struct {
	Method string
	URL    string // https or http
	Header http.Header
	// Body returns what is sent, each time from the start; nil: nothing is sent.
	Body func() io.Reader
	Size int64 // bytes of Body
	// Once says that the request is not repeated if its answer was lost: the server may
	// have carried it out.
	Once   bool
	Accept []int // the statuses that are not errors; any other is a *StatusError
}

// A Reply is the answer to a Call. Its body is at most maxReply bytes.
type Reply struct {
	Code   int
	URL    *url.URL // that was asked
	Header http.Header
	Body   []byte
}

// maxReply is the ceiling on the body of a Reply. Protocols send tokens and error messages.
const maxReply = 64 << 10

// Do sends a Call and waits as long as its server asks, with the policy of fetches: the
// same credentials, times and retries. It follows no redirect. Its errors are those of
// fetches too. A body that the network takes no bytes of for Config.Window is given up.
func (w Web) Do(ctx context.Context, c Call) (reply Reply, err error) {
	err = w.retrying(ctx, c.URL, func() error {
		reply, err = w.attempt(ctx, c)
		return err
	})
	return reply, err
}

func (w Web) attempt(caller context.Context, c Call) (Reply, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return Reply{}, unreachable(caller, c.URL, errors.New("not an https or http URL"))
	}
	bare := *u
	bare.RawQuery = "" // registries keep the state of an upload there
	ref := bare.String()
	ctx, cancel := context.WithCancelCause(caller)
	defer cancel(nil)
	shown, err := w.authorize(ctx, u, nil)
	if err != nil {
		return Reply{}, err
	}
	q := question{method: c.Method, to: -1, header: c.Header}
	if c.Body != nil {
		stall := newStall(w.c.Window, cancel)
		defer stall.stop()
		q.size, q.body = c.Size, func() io.Reader { return stall.watch(c.Body()) }
	}
	answer, err := w.send(ctx, u, shown, q)
	if err != nil {
		if caller.Err() == nil && errors.Is(context.Cause(ctx), errTooSlow) {
			err = errTooSlow
		}
		failed := failedRequest(caller, ref, err)
		if lost, ok := errors.AsType[*retryError](failed); ok && c.Once && !lost.unconnected {
			failed = lost.err
		}
		return Reply{}, failed
	}
	defer answer.Body.Close()
	if !slices.Contains(c.Accept, answer.StatusCode) {
		status := &StatusError{Ref: manifests.Redact(ref), Code: answer.StatusCode}
		status.by(answer, shown)
		if isTransient(answer.StatusCode) {
			return Reply{}, &retryError{err: status, after: retryAfter(answer.Header, w.c.Now)}
		}
		return Reply{}, status
	}
	remaining := answer.ContentLength
	if c.Method == http.MethodHead {
		remaining = 0
	}
	b := &body{caller, ref, answer.Body, remaining, newWatch(w.c.MinRate, w.c.Window, cancel)}
	defer b.Close()
	data, err := manifests.ReadLimited(b, manifests.Redact(ref), maxReply)
	return Reply{answer.StatusCode, u, answer.Header, data}, err
}

// A stall ends a request whose body the network stops taking.
type stall struct {
	window time.Duration
	timer  *time.Timer
	once   sync.Once
}

func newStall(window time.Duration, cancel context.CancelCauseFunc) *stall {
	return &stall{window: window, timer: time.AfterFunc(window, func() { cancel(errTooSlow) })}
}

// watch returns from, and restarts the time with each read of it. Once all is read, the
// time for the answer counts instead.
func (s *stall) watch(from io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		n, err := from.Read(p)
		if err != nil {
			s.stop()
		} else {
			s.timer.Reset(s.window)
		}
		return n, err
	})
}

func (s *stall) stop() { s.once.Do(func() { s.timer.Stop() }) }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
