// Package manifesttest holds a lying upstream in memory, and the one suite that
// every manifests.Source must pass: each lie is refused with the right class of
// error, and its honest twin is accepted.
//
// A source's test describes its format in a [Fixture] and calls [Run].
package manifesttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/kist-tools/kist/manifests"
)

// An Upstream is a manifests.Transport over files in memory. It may be told to
// lie about any of them.
type Upstream struct {
	Files map[string][]byte // by ref

	mu        sync.Mutex
	lies      map[string]Lie
	asked     []string
	delivered int64
}

// A Lie is what an Upstream does instead of delivering a file. It is given the
// file and returns what Open answers: a body, the size announced, an error.
type Lie func(honest []byte) (body io.Reader, size int64, err error)

// Tell makes u lie about ref from now on; a nil lie ends it.
func (u *Upstream) Tell(ref string, lie Lie) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.lies == nil {
		u.lies = map[string]Lie{}
	}
	u.lies[ref] = lie
}

// Asked returns each ref that was opened, once, in the order of first use.
func (u *Upstream) Asked() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var once []string
	for _, ref := range u.asked {
		if !slices.Contains(once, ref) {
			once = append(once, ref)
		}
	}
	return once
}

// Delivered returns how many bytes were read from u.
func (u *Upstream) Delivered() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.delivered
}

// Open implements manifests.Transport.
func (u *Upstream) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked = append(u.asked, ref)
	honest, ok := u.Files[ref]
	if lie := u.lies[ref]; lie != nil {
		body, size, err := lie(honest)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", ref, err)
		}
		return &counted{body, u}, size, nil
	}
	switch {
	case !ok:
		return nil, 0, fmt.Errorf("%s: %w", ref, manifests.ErrNotFound)
	case offset < 0 || offset > int64(len(honest)):
		return nil, 0, fmt.Errorf("%s: %w", ref, manifests.ErrNoRange)
	}
	return &counted{bytes.NewReader(honest[offset:]), u}, int64(len(honest)), nil
}

type counted struct {
	io.Reader
	upstream *Upstream
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.upstream.mu.Lock()
	c.upstream.delivered += int64(n)
	c.upstream.mu.Unlock()
	return n, err
}

func (c *counted) Close() error { return nil }

// NotFound says that there is no such file.
func NotFound([]byte) (io.Reader, int64, error) { return nil, 0, manifests.ErrNotFound }

// Unreachable gives no answer.
func Unreachable([]byte) (io.Reader, int64, error) { return nil, 0, manifests.ErrUnreachable }

// Broken fails in the middle of the file.
func Broken(honest []byte) (io.Reader, int64, error) {
	failure := fmt.Errorf("connection reset: %w", manifests.ErrUnreachable)
	return io.MultiReader(bytes.NewReader(honest[:len(honest)/2]), failing{failure}), int64(len(honest)), nil
}

// Empty delivers nothing, as if that were the file.
func Empty([]byte) (io.Reader, int64, error) { return bytes.NewReader(nil), 0, nil }

// Cut delivers the first half, as if that were the file.
func Cut(honest []byte) (io.Reader, int64, error) {
	return bytes.NewReader(honest[:len(honest)/2]), int64(len(honest) / 2), nil
}

// Endless delivers the file and then never stops.
func Endless(honest []byte) (io.Reader, int64, error) {
	return io.MultiReader(bytes.NewReader(honest), spaces{}), -1, nil
}

// Oversized announces more than any ceiling allows.
func Oversized(honest []byte) (io.Reader, int64, error) {
	return io.MultiReader(bytes.NewReader(honest), spaces{}), 1 << 40, nil
}

// Replaced delivers something else.
func Replaced(with []byte) Lie {
	return func([]byte) (io.Reader, int64, error) { return bytes.NewReader(with), int64(len(with)), nil }
}

// Flipped delivers the file with one bit of the octet at i flipped.
func Flipped(i int) Lie {
	return func(honest []byte) (io.Reader, int64, error) {
		changed := bytes.Clone(honest)
		if i >= len(changed) {
			return nil, 0, errors.New("manifesttest: no such octet")
		}
		changed[i] ^= 1
		return bytes.NewReader(changed), int64(len(changed)), nil
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
