package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
)

// Mirrored asks mirrors instead of the origins of refs, as Config says. It passes over a
// mirror that lacks a file or cannot be reached. What a mirror sends is not verified
// here, just as what an origin sends is not. Names, keys and marks stay those of the
// origin's channel: callers see only the origin's refs.
//
// A host to which no connection could be made is asked last from then on, so that one
// command waits for it only once. A Mirrored must not be copied after its first use.
type Mirrored struct {
	From   manifests.Transport
	Config config.Config
	Err    error             // why Config is not known: every ref fails with it
	Detail func(text string) // says that a mirror was passed over, and why; may be nil

	mu   sync.Mutex
	down map[string]bool // by scheme and host
}

// Open implements manifests.Transport.
func (m *Mirrored) Open(ctx context.Context, ref string, offset int64) (body io.ReadCloser, size int64, err error) {
	err = m.each(ctx, ref, func(ctx context.Context, at string) (err error) {
		body, size, err = m.From.Open(ctx, at, offset)
		return err
	})
	return body, size, err
}

// OpenAnswer implements manifests.Answerer.
func (m *Mirrored) OpenAnswer(ctx context.Context, ref string, offset int64) (a manifests.Answer, err error) {
	err = m.each(ctx, ref, func(ctx context.Context, at string) (err error) {
		a, err = manifests.OpenAnswer(ctx, m.From, at, offset)
		return err
	})
	return a, err
}

// OpenChanged implements manifests.Revalidator. have belongs to one location, and is
// shown to no other.
func (m *Mirrored) OpenChanged(ctx context.Context, ref string, have manifests.Validators) (a manifests.Answer, err error) {
	err = m.each(ctx, ref, func(ctx context.Context, at string) (err error) {
		a, err = manifests.OpenChanged(ctx, m.From, at, have)
		return err
	})
	return a, err
}

// OpenRange implements manifests.Ranger.
func (m *Mirrored) OpenRange(ctx context.Context, ref string, offset, n int64) (body io.ReadCloser, size int64, err error) {
	err = m.each(ctx, ref, func(ctx context.Context, at string) (err error) {
		body, size, err = manifests.OpenRange(ctx, m.From, at, offset, n)
		return err
	})
	return body, size, err
}

// Size implements manifests.Ranger.
func (m *Mirrored) Size(ctx context.Context, ref string) (size int64, err error) {
	err = m.each(ctx, ref, func(ctx context.Context, at string) (err error) {
		size, err = manifests.SizeOf(ctx, m.From, at)
		return err
	})
	return size, err
}

// each calls ask with each location of ref until one answers. It follows redirects to
// refs that are mirrored themselves.
func (m *Mirrored) each(ctx context.Context, ref string, ask func(ctx context.Context, at string) error) error {
	if m.Err != nil {
		return m.Err
	}
	if len(m.Config.Mirrors) == 0 {
		return ask(ctx, ref)
	}
	ctx = context.WithValue(ctx, leaveRedirectKey{}, func(next string) bool {
		_, mirrored := m.Config.Locations(next)
		return mirrored
	})
	for hop := 0; ; hop++ {
		err := m.askInTurn(ctx, ref, ask)
		redirect, ok := errors.AsType[*redirectError](err)
		if !ok {
			return err
		}
		if hop == maxRedirects {
			return unreachable(ctx, ref, refusal(fmt.Sprintf("more than %d redirects", maxRedirects)))
		}
		ref = redirect.next
	}
}

func (m *Mirrored) askInTurn(ctx context.Context, ref string, ask func(ctx context.Context, at string) error) error {
	locations, mirrored := m.Config.Locations(ref)
	if !mirrored {
		return ask(ctx, ref)
	}
	var failed mirrorErrors
	var origin error
	for _, at := range m.upFirst(locations) {
		err := ask(ctx, at)
		if err == nil || ctx.Err() != nil || !errors.Is(err, manifests.ErrNotFound) && !errors.Is(err, manifests.ErrUnreachable) {
			return err
		}
		if redirect, ok := errors.AsType[*redirectError](err); ok {
			if redirect.next != ref {
				return err
			}
			err = unreachable(ctx, at, refusal("it redirects to the origin"))
		}
		m.noteDown(at, err)
		if m.Detail != nil && len(locations) > 1 {
			m.Detail(fmt.Sprintf("passed over %v", err))
		}
		if at == ref {
			origin = err
		}
		failed = append(failed, err)
	}
	err := failed.asError(origin)
	if only, ok := m.Config.OnlyMirror(ref); ok {
		err = &MirrorError{Mirror: only, Err: err}
	}
	return err
}

// A MirrorError reports that no mirror of an origin answered, and that config.toml does not
// allow to ask the origin itself.
type MirrorError struct {
	Mirror config.Mirror // that says so
	Err    error
}

func (e *MirrorError) Error() string { return e.Err.Error() }
func (e *MirrorError) Unwrap() error { return e.Err }

// upFirst returns locations with those on hosts that are down at the end.
func (m *Mirrored) upFirst(locations []string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var up, down []string
	for _, at := range locations {
		if m.down[hostOf(at)] {
			down = append(down, at)
		} else {
			up = append(up, at)
		}
	}
	return append(up, down...)
}

// noteDown records that the host of at is down if err says so.
func (m *Mirrored) noteDown(at string, err error) {
	if dial, ok := errors.AsType[*net.OpError](err); !ok || dial.Op != "dial" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down == nil {
		m.down = map[string]bool{}
	}
	m.down[hostOf(at)] = true
}

// hostOf returns the scheme and host of a URL.
func hostOf(ref string) string {
	u, err := url.Parse(ref)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// mirrorErrors are the failures of all locations of one ref.
type mirrorErrors []error

// asError returns e as one error. origin is the error of the origin, or nil if it was not
// asked: it decides whether the file exists. Otherwise the file is missing only if every
// mirror said so.
func (e mirrorErrors) asError(origin error) error {
	if len(e) == 1 {
		return e[0]
	}
	if origin != nil {
		return &mirrorError{e, origin}
	}
	for _, err := range e {
		if !errors.Is(err, manifests.ErrNotFound) {
			return &mirrorError{e, err}
		}
	}
	return &mirrorError{e, e[0]}
}

// A mirrorError reports that no location of a ref answered. It unwraps to the error that
// decides what kind of failure it is.
type mirrorError struct {
	all   mirrorErrors
	cause error
}

func (e *mirrorError) Error() string {
	texts := make([]string, len(e.all))
	for i, err := range e.all {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}
func (e *mirrorError) Unwrap() error { return e.cause }

// leaveRedirectKey is the key of a func(next string) bool in a context. HTTP does not
// follow a redirect to a URL for which it returns true, but returns a *redirectError.
type leaveRedirectKey struct{}

// A redirectError is returned for a redirect that the caller follows.
type redirectError struct{ next string }

func (e *redirectError) Error() string { return "redirected to " + manifests.Redact(e.next) }

func leavesRedirect(ctx context.Context, next string) bool {
	leave, ok := ctx.Value(leaveRedirectKey{}).(func(string) bool)
	return ok && leave(next)
}

// Fallback is From, and Then for what From does not answer because the network is
// forbidden.
type Fallback struct{ From, Then manifests.Transport }

// Open implements manifests.Transport.
func (f Fallback) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	body, size, err := f.From.Open(ctx, ref, offset)
	if errors.Is(err, manifests.ErrOffline) {
		return f.Then.Open(ctx, ref, offset)
	}
	return body, size, err
}
