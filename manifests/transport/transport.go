// Package transport fetches bytes, and proves nothing about them.
//
// [New] makes the transport for https, http and file URLs, [Mux] one that chooses by
// scheme, and [Offline] one that forbids the network. A [Recorder] and a [Replay] store
// the documents that proved a channel and read them again, and a [Revalidating] asks
// servers only for what has changed since.
//
// The server is hostile, and so is everyone on the path. Whatever they send, a body is
// the bytes of exactly one answer:
//
//   - an announced size is enforced: a body that ends early or runs on is an
//     error, never a short read that looks complete;
//   - nothing is decoded in transit: no content encoding is requested, Open and
//     OpenRange refuse an answer that has one, and OpenAnswer names it for a
//     caller that proves the bytes;
//   - an offset or a range is honoured to the byte, or refused with ErrNoRange;
//   - https stays https through every redirect, and a user name and password, or
//     what Config.Credential returns, are sent only to the origin they are for;
//   - an answer that stalls, or trickles below a minimum rate, is aborted.
//
// The total size is limited by the caller, who alone knows what was requested (see
// manifests.ReadAll and package download).
//
// Errors match manifests.ErrNotFound, ErrNoRange or ErrUnreachable, or are the
// context's own error if it ended; they show refs without users and passwords.
//
//	t := transport.New(transport.Config{Version: "1.0.0"})
//	body, size, err := t.Open(ctx, "https://example.org/channel.toml", 0)
package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/kist-tools/kist/manifests"
)

// New returns the transport for every scheme that kist supports: https and http as
// configured by c, and file.
func New(c Config) manifests.Transport {
	web := newHTTP(c)
	return Mux(map[string]manifests.Transport{"https": web, "http": web, "file": dirTransport{}})
}

// Mux returns a transport that chooses another by the scheme of the ref, in lower case. A
// scheme that has none matches manifests.ErrUnreachable.
func Mux(byScheme map[string]manifests.Transport) manifests.Transport {
	return chooser(func(ref string) manifests.Transport {
		if t, ok := byScheme[scheme(ref)]; ok {
			return t
		}
		return refusing{fmt.Errorf("%s: %w: want a URL of scheme %s", manifests.Redact(ref), manifests.ErrUnreachable,
			strings.Join(slices.Sorted(maps.Keys(byScheme)), ", "))}
	})
}

// Offline returns from without the network: file URLs are opened, every other ref is
// manifests.ErrOffline. If from is nil, every ref is.
func Offline(from manifests.Transport) manifests.Transport {
	return chooser(func(ref string) manifests.Transport {
		if from != nil && scheme(ref) == "file" {
			return from
		}
		return refusing{fmt.Errorf("%s: %w", manifests.Redact(ref), manifests.ErrOffline)}
	})
}

// A chooser is a transport that chooses another one for each ref.
type chooser func(ref string) manifests.Transport

// Open implements manifests.Transport.
func (c chooser) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	return c(ref).Open(ctx, ref, offset)
}

// OpenAnswer implements manifests.Answerer.
func (c chooser) OpenAnswer(ctx context.Context, ref string, offset int64) (manifests.Answer, error) {
	return manifests.OpenAnswer(ctx, c(ref), ref, offset)
}

// OpenChanged implements manifests.Revalidator.
func (c chooser) OpenChanged(ctx context.Context, ref string, have manifests.Validators) (manifests.Answer, error) {
	return manifests.OpenChanged(ctx, c(ref), ref, have)
}

// OpenRange implements manifests.Ranger.
func (c chooser) OpenRange(ctx context.Context, ref string, offset, n int64) (io.ReadCloser, int64, error) {
	return manifests.OpenRange(ctx, c(ref), ref, offset, n)
}

// Size implements manifests.Ranger.
func (c chooser) Size(ctx context.Context, ref string) (int64, error) {
	return manifests.SizeOf(ctx, c(ref), ref)
}

// A refusing transport opens nothing: each ref is err.
type refusing struct{ err error }

// Open implements manifests.Transport.
func (r refusing) Open(context.Context, string, int64) (io.ReadCloser, int64, error) {
	return nil, 0, r.err
}

// scheme returns the scheme of ref in lower case, "" if it has none.
func scheme(ref string) string {
	s, _, ok := strings.Cut(ref, ":")
	if !ok || strings.ContainsAny(s, "/?#") {
		return ""
	}
	return strings.ToLower(s)
}

// unreachable wraps err, which occurred while reading ref, as manifests.ErrUnreachable,
// or returns the error of ctx if the caller cancelled.
func unreachable(ctx context.Context, ref string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", manifests.Redact(ref), ctx.Err())
	}
	if dial, ok := errors.AsType[*net.OpError](err); ok && error(dial) == err && dial.Op == "dial" {
		err = &dialError{dial}
	}
	return fmt.Errorf("%s: %w: %w", manifests.Redact(ref), manifests.ErrUnreachable, err)
}

// A dialError is an error of connecting, without the address, since its ref names the host,
// and without the name of the system call.
type dialError struct{ *net.OpError }

func (e *dialError) Error() string {
	if errno, ok := errors.AsType[syscall.Errno](e.Err); ok {
		return errno.Error()
	}
	return e.Err.Error()
}
func (e *dialError) Unwrap() error { return e.OpError }
