// Package manifesttest has an in-memory upstream that can lie, and the test suite that
// every manifests.Source must pass: each lie is refused with the right class of error,
// and the valid document is accepted.
//
// A source's test describes its format in a [Fixture] and calls [Run].
//
// It is for kist's own tests, in every top-level folder, and promises nothing to others.
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

// An Upstream is a manifests.Transport that serves files from memory. It can be told to
// lie about any of them.
type Upstream struct {
	Files map[string][]byte // by ref

	mu        sync.Mutex
	lies      map[string]Lie
	asked     []string
	delivered int64
}

// A Lie replaces the answer of an Upstream for a file. It gets the content of the file
// and returns the results of Open: a body, the stated size, and an error.
type Lie func(file []byte) (body io.Reader, size int64, err error)

// Tell makes u lie about ref from now on, or stop lying if lie is nil.
func (u *Upstream) Tell(ref string, lie Lie) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.lies == nil {
		u.lies = map[string]Lie{}
	}
	u.lies[ref] = lie
}

// Asked returns the refs that were opened, each once, in the order of first use.
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
	file, ok := u.Files[ref]
	if lie := u.lies[ref]; lie != nil {
		body, size, err := lie(file)
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", ref, err)
		}
		return &countingBody{body, u}, size, nil
	}
	switch {
	case !ok:
		return nil, 0, fmt.Errorf("%s: %w", ref, manifests.ErrNotFound)
	case offset < 0 || offset > int64(len(file)):
		return nil, 0, fmt.Errorf("%s: %w", ref, manifests.ErrNoRange)
	}
	return &countingBody{bytes.NewReader(file[offset:]), u}, int64(len(file)), nil
}

// A countingBody counts the bytes that are read from it in upstream.delivered.
type countingBody struct {
	io.Reader
	upstream *Upstream
}

func (c *countingBody) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.upstream.mu.Lock()
	c.upstream.delivered += int64(n)
	c.upstream.mu.Unlock()
	return n, err
}

func (c *countingBody) Close() error { return nil }

// NotFound fails with manifests.ErrNotFound.
func NotFound([]byte) (io.Reader, int64, error) { return nil, 0, manifests.ErrNotFound }

// Unreachable fails with manifests.ErrUnreachable.
func Unreachable([]byte) (io.Reader, int64, error) { return nil, 0, manifests.ErrUnreachable }

// Broken delivers the first half of the file and then fails.
func Broken(file []byte) (io.Reader, int64, error) {
	failure := fmt.Errorf("connection reset: %w", manifests.ErrUnreachable)
	return io.MultiReader(bytes.NewReader(file[:len(file)/2]), errReader{failure}), int64(len(file)), nil
}

// Empty delivers an empty file.
func Empty([]byte) (io.Reader, int64, error) { return bytes.NewReader(nil), 0, nil }

// Cut delivers the first half of the file as the whole.
func Cut(file []byte) (io.Reader, int64, error) {
	return bytes.NewReader(file[:len(file)/2]), int64(len(file) / 2), nil
}

// Endless delivers the file and then spaces without end.
func Endless(file []byte) (io.Reader, int64, error) {
	return io.MultiReader(bytes.NewReader(file), spaces{}), -1, nil
}

// Oversized states a size over every ceiling.
func Oversized(file []byte) (io.Reader, int64, error) {
	return io.MultiReader(bytes.NewReader(file), spaces{}), 1 << 40, nil
}

// Replaced delivers other content.
func Replaced(with []byte) Lie {
	return func([]byte) (io.Reader, int64, error) { return bytes.NewReader(with), int64(len(with)), nil }
}

// Flipped delivers the file with one bit of the octet at i flipped.
func Flipped(i int) Lie {
	return func(file []byte) (io.Reader, int64, error) {
		changed := bytes.Clone(file)
		if i >= len(changed) {
			return nil, 0, errors.New("manifesttest: no such octet")
		}
		changed[i] ^= 1
		return bytes.NewReader(changed), int64(len(changed)), nil
	}
}

// An errReader fails every read with err.
type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// spaces is an endless reader of spaces.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
