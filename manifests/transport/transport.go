// Package transport brings bytes, and proves nothing about them.
//
// Every type here is a [manifests.Transport]: [HTTP] for https and http, [Dir]
// for file URLs, [Mux] to choose by scheme, [Offline] to forbid the network,
// [Meter] to learn how fast it is, [Recorder] and [Replay] to keep what proved a
// channel and to read it again.
//
// The far side is hostile, and so is everyone between. Whatever they send, a
// body is the bytes of one answer and no others:
//
//   - an announced size is held to: a body that ends early or runs on is an
//     error, never a short read that looks whole;
//   - nothing is decoded on the way: no content encoding is asked for, Open and
//     OpenRange refuse an answer that has one, and OpenAnswer names it for a
//     caller that proves the bytes;
//   - an offset or a range is honoured to the byte, or refused with ErrNoRange;
//   - https stays https through every redirect, and a user name and password
//     go to the origin they were written for and to no other;
//   - an answer that stalls, or trickles below a minimum rate, is given up.
//
// How much may arrive in all is the caller's affair: only the caller knows what
// was asked for (see manifests.ReadAll and package download).
//
// Errors match manifests.ErrNotFound, ErrNoRange or ErrUnreachable, or the
// context's own error if it ended; they show refs without users and passwords.
//
//	t := transport.New(transport.Config{Version: "1.0.0"})
//	body, size, err := t.Open(ctx, "https://example.org/channel.toml", 0)
package transport

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// New returns the transport of every scheme kist speaks: https and http as c
// says, and file.
func New(c Config) Mux {
	web := NewHTTP(c)
	return Mux{"https": web, "http": web, "file": Dir{}}
}

// A Mux chooses a transport by the scheme of the ref, in lower case.
type Mux map[string]manifests.Transport

// Open implements manifests.Transport. A scheme that m does not hold matches
// manifests.ErrUnreachable.
func (m Mux) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	t, err := m.of(ref)
	if err != nil {
		return nil, 0, err
	}
	return t.Open(ctx, ref, offset)
}

// OpenAnswer implements manifests.Answerer.
func (m Mux) OpenAnswer(ctx context.Context, ref string, offset int64) (manifests.Answer, error) {
	t, err := m.of(ref)
	if err != nil {
		return manifests.Answer{}, err
	}
	return manifests.OpenAnswer(ctx, t, ref, offset)
}

// OpenRange implements manifests.Ranger.
func (m Mux) OpenRange(ctx context.Context, ref string, offset, n int64) (io.ReadCloser, int64, error) {
	t, err := m.of(ref)
	if err != nil {
		return nil, 0, err
	}
	return manifests.OpenRange(ctx, t, ref, offset, n)
}

// Size implements manifests.Ranger.
func (m Mux) Size(ctx context.Context, ref string) (int64, error) {
	t, err := m.of(ref)
	if err != nil {
		return 0, err
	}
	return manifests.SizeOf(ctx, t, ref)
}

func (m Mux) of(ref string) (manifests.Transport, error) {
	if t, ok := m[scheme(ref)]; ok {
		return t, nil
	}
	return nil, fmt.Errorf("%s: %w: want a URL of scheme %s", manifests.Redact(ref), manifests.ErrUnreachable,
		strings.Join(slices.Sorted(maps.Keys(m)), ", "))
}

// Offline is From with the network forbidden: file URLs are opened, every other
// ref is manifests.ErrOffline. Without From, every ref is.
type Offline struct{ From manifests.Transport }

// Open implements manifests.Transport.
func (o Offline) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	if err := o.forbids(ref); err != nil {
		return nil, 0, err
	}
	return o.From.Open(ctx, ref, offset)
}

// OpenAnswer implements manifests.Answerer.
func (o Offline) OpenAnswer(ctx context.Context, ref string, offset int64) (manifests.Answer, error) {
	if err := o.forbids(ref); err != nil {
		return manifests.Answer{}, err
	}
	return manifests.OpenAnswer(ctx, o.From, ref, offset)
}

// OpenRange implements manifests.Ranger.
func (o Offline) OpenRange(ctx context.Context, ref string, offset, n int64) (io.ReadCloser, int64, error) {
	if err := o.forbids(ref); err != nil {
		return nil, 0, err
	}
	return manifests.OpenRange(ctx, o.From, ref, offset, n)
}

// Size implements manifests.Ranger.
func (o Offline) Size(ctx context.Context, ref string) (int64, error) {
	if err := o.forbids(ref); err != nil {
		return 0, err
	}
	return manifests.SizeOf(ctx, o.From, ref)
}

func (o Offline) forbids(ref string) error {
	if o.From == nil || scheme(ref) != "file" {
		return fmt.Errorf("%s: %w", manifests.Redact(ref), manifests.ErrOffline)
	}
	return nil
}

// scheme returns the scheme of ref in lower case, "" if it has none.
func scheme(ref string) string {
	s, _, ok := strings.Cut(ref, ":")
	if !ok || strings.ContainsAny(s, "/?#") {
		return ""
	}
	return strings.ToLower(s)
}

// unreachable reports err, which happened while ref was read, as
// manifests.ErrUnreachable, unless it was the caller who gave up.
func unreachable(ctx context.Context, ref string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", manifests.Redact(ref), ctx.Err())
	}
	return fmt.Errorf("%s: %w: %w", manifests.Redact(ref), manifests.ErrUnreachable, err)
}
