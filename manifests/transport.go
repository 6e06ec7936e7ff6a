package manifests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/kist-tools/kist/verify"
)

// A Transport fetches bytes. It verifies nothing.
type Transport interface {
	// Open returns the bytes of ref from offset to the end, and the size of the
	// whole in bytes, or -1 if it is not known. ref is an https, http or file URL.
	// The error matches ErrNoRange if the server cannot send from offset,
	// ErrNotFound if ref does not exist, and ErrUnreachable for any other failure.
	// Errors never show a user name or password of ref.
	Open(ctx context.Context, ref string, offset int64) (body io.ReadCloser, size int64, err error)
}

// A Ranger is a Transport that can also fetch one part of a document, and its size
// alone. OpenRange and SizeOf do the same with any Transport.
type Ranger interface {
	Transport
	// OpenRange returns the n bytes of ref that begin at offset, and the size of
	// the whole. The error matches ErrNoRange if the server cannot send exactly
	// these bytes, or does not state the size of the whole.
	OpenRange(ctx context.Context, ref string, offset, n int64) (body io.ReadCloser, size int64, err error)
	// Size returns the size of ref in bytes that the server states, unverified, or
	// -1 if it states none.
	Size(ctx context.Context, ref string) (int64, error)
}

// OpenRange calls t.OpenRange if t is a Ranger. Otherwise it returns the first n
// bytes of what t opens at offset.
func OpenRange(ctx context.Context, t Transport, ref string, offset, n int64) (io.ReadCloser, int64, error) {
	if r, ok := t.(Ranger); ok {
		return r.OpenRange(ctx, ref, offset, n)
	}
	body, size, err := t.Open(ctx, ref, offset)
	if err != nil {
		return nil, 0, err
	}
	if size < offset+n {
		body.Close()
		return nil, 0, fmt.Errorf("%s: %w: it has %d bytes", Redact(ref), ErrNoRange, size)
	}
	return Part(body, n), size, nil
}

// Part returns body limited to its first n bytes.
func Part(body io.ReadCloser, n int64) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(body, n), body}
}

// SizeOf calls t.Size if t is a Ranger. Otherwise it opens ref for its size.
func SizeOf(ctx context.Context, t Transport, ref string) (int64, error) {
	if r, ok := t.(Ranger); ok {
		return r.Size(ctx, ref)
	}
	body, size, err := t.Open(ctx, ref, 0)
	if err != nil {
		return 0, err
	}
	return size, body.Close()
}

var (
	// ErrNotFound means that the server answered that ref does not exist.
	ErrNotFound = verify.NewClass("not found", "unknown", nil)
	// ErrUnreachable means that the server gave no usable answer.
	ErrUnreachable = verify.NewClass("unreachable", "unreachable", nil)
	// ErrDenied means that the server denied access. Object stores that forbid
	// listing also deny files that do not exist. It matches ErrUnreachable too.
	ErrDenied = fmt.Errorf("denied: %w", ErrUnreachable)
	// ErrOffline means that no request was sent, because the user forbade network
	// access. It matches ErrUnreachable too.
	ErrOffline = verify.NewClass("offline: unreachable", "offline", ErrUnreachable)
	// ErrNoRange means that the server cannot send the requested range.
	ErrNoRange = errors.New("no such range")
)

// Backoff returns how long to wait after failure number try, counted from 0. The
// wait starts at first and doubles up to longest. Half of it is random, so that many
// clients do not retry at the same moment.
func Backoff(try int, first, longest time.Duration) time.Duration {
	d := min(first<<min(try, 16), longest)
	return d/2 + rand.N(d/2+1)
}

// Ceilings on documents, in bytes.
const (
	MaxManifest  = 16 << 20 // a signed manifest; a larger one is an error, and is never truncated
	MaxSignature = 64 << 10 // a block of signatures
	MaxHint      = 32 << 20 // an unsigned version index
)

// A TooLargeError reports that a document or file is over its ceiling.
type TooLargeError struct {
	Name  string
	Limit int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s: larger than the limit of %d bytes", e.Name, e.Limit)
}

// Unwrap makes e match verify.ErrUntrusted: the document was not read.
func (e *TooLargeError) Unwrap() error { return verify.ErrUntrusted }

// ReadAll reads the whole of ref, at most limit bytes. A larger document is a
// *TooLargeError, and is never truncated. A body that fails midway is requested
// again, as often as t retries a request. A web page is a *PageError, and a document
// that the server compressed an *EncodedError.
func ReadAll(ctx context.Context, t Transport, ref string, limit int64) ([]byte, error) {
	data, _, err := readPlain(ctx, t, ref, limit)
	return data, err
}

// readPlain is ReadAll, and also returns the answer that was read.
func readPlain(ctx context.Context, t Transport, ref string, limit int64) ([]byte, Answer, error) {
	return readRetrying(ctx, t, ref, limit, func(a *Answer) error { return a.checkPlain(ref) })
}

// ReadMatching is ReadAll for a document of size bytes that match recognizes by its
// digest. If the received bytes do not match and the server states a content
// encoding, they are decoded once. If they still do not match, ReadMatching returns
// them as received, and the caller must refuse them.
func ReadMatching(ctx context.Context, t Transport, ref string, size int64, match func([]byte) bool) ([]byte, error) {
	data, a, err := readRetrying(ctx, t, ref, size+1, func(a *Answer) error { // size+1 bytes: match fails if ref is longer
		if a.IsPage() {
			return &PageError{Redact(ref)}
		}
		return nil
	})
	if err != nil || a.Encoding == "" || match(data) {
		return data, err
	}
	plain, err := NewDecoder(a.Encoding, bytes.NewReader(data))
	if err != nil {
		return data, nil
	}
	decoded, err := io.ReadAll(io.LimitReader(plain, size+1))
	if err != nil || !match(decoded) {
		return data, nil
	}
	return decoded, nil
}

// readRetrying reads the whole of ref, and requests it again if the body fails midway.
// It returns the last answer, whose body is read and closed.
func readRetrying(ctx context.Context, t Transport, ref string, limit int64, check func(*Answer) error) ([]byte, Answer, error) {
	for try := 0; ; try++ {
		a, err := OpenAnswer(ctx, t, ref, 0)
		if err != nil {
			return nil, a, err
		}
		data, err := readAnswer(&a, ref, limit, check)
		if err == nil || a.Again == nil || ctx.Err() != nil || !errors.As(err, new(*brokenError)) {
			return data, a, err
		}
		if err := a.Again(ctx, try, err); err != nil {
			return nil, a, err
		}
	}
}

// readAnswer reads and closes the body of a.
func readAnswer(a *Answer, ref string, limit int64, check func(*Answer) error) ([]byte, error) {
	defer func() { a.Body.Close() }()
	if err := check(a); err != nil {
		return nil, err
	}
	if a.Encoding != "" {
		limit = EncodedLimit(limit)
	}
	if a.Size > limit {
		return nil, &TooLargeError{Redact(ref), limit}
	}
	// Allocate once: a buffer that grows takes several times its size in memory.
	data := bytes.NewBuffer(make([]byte, 0, max(a.Size, 0)+bytes.MinRead))
	switch _, err := data.ReadFrom(io.LimitReader(a.Body, limit+1)); {
	case err != nil:
		return nil, &brokenError{err}
	case int64(data.Len()) > limit:
		return nil, &TooLargeError{Redact(ref), limit}
	}
	return data.Bytes(), nil
}

// A brokenError is returned when a body fails after its answer began.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }
