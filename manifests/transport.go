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

// A Transport brings bytes. It proves nothing about them.
type Transport interface {
	// Open returns the bytes of ref from offset on, and the size of the whole
	// in bytes, or -1 if it is not known. ref is a URL (https, http, file) and
	// an offset that the far side cannot serve is an error matching
	// ErrNoRange. A ref that is not there matches ErrNotFound; any other
	// failure to get it ErrUnreachable. Errors never show a user name or
	// password of ref.
	Open(ctx context.Context, ref string, offset int64) (body io.ReadCloser, size int64, err error)
}

// A Ranger is a Transport that also knows how to bring one part of a document,
// and how to ask for no more than its size. OpenRange and SizeOf put the same
// questions to any Transport.
type Ranger interface {
	Transport
	// OpenRange returns the n bytes of ref from offset on, and the size of the
	// whole. A far side that cannot send exactly these, or does not say how
	// large the whole is, is an error matching ErrNoRange.
	OpenRange(ctx context.Context, ref string, offset, n int64) (body io.ReadCloser, size int64, err error)
	// Size returns the size of ref in bytes as the far side announces it, which
	// proves nothing, or -1 if it does not say.
	Size(ctx context.Context, ref string) (int64, error)
}

// OpenRange is t's own, or else the beginning of what t opens at offset.
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

// Part is body, which ends after n bytes.
func Part(body io.ReadCloser, n int64) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(body, n), body}
}

// SizeOf is t's own Size, or else what t announces when it opens ref.
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
	// ErrNotFound: the origin answered, and says that there is no such thing.
	ErrNotFound = errors.New("not found")
	// ErrUnreachable: the origin gave no usable answer.
	ErrUnreachable = errors.New("unreachable")
	// ErrDenied: the origin answered, and will not say whether there is such a
	// thing, as object stores do that do not let strangers list. It also
	// matches ErrUnreachable.
	ErrDenied = fmt.Errorf("denied: %w", ErrUnreachable)
	// ErrOffline: not asked, because the network was forbidden. It also
	// matches ErrUnreachable.
	ErrOffline = fmt.Errorf("offline: %w", ErrUnreachable)
	// ErrNoRange: the origin cannot send from that offset.
	ErrNoRange = errors.New("no such range")
)

// Backoff is how long to wait after failure number try, counted from 0: first,
// doubling up to longest, and half of it chosen at random, so that many clients
// do not come back at once.
func Backoff(try int, first, longest time.Duration) time.Duration {
	d := min(first<<min(try, 16), longest)
	return d/2 + rand.N(d/2+1)
}

// Ceilings on documents, in bytes.
const (
	MaxManifest  = 16 << 20 // a signed manifest; over it is an error, never a cut
	MaxSignature = 64 << 10 // a block of signatures
	MaxHint      = 32 << 20 // an unsigned version index
)

// A TooLargeError says that something is over its ceiling.
type TooLargeError struct {
	Name  string
	Limit int64
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s: larger than the limit of %d bytes", e.Name, e.Limit)
}

// Is reports that what is over its ceiling is not trusted: nothing of it was read.
func (e *TooLargeError) Is(target error) bool { return target == verify.ErrUntrusted }

// ReadAll reads the whole of ref, which may have limit bytes at most; more is a
// *TooLargeError, never a cut. A body that breaks off is asked for again, as often
// as t does with a request. A web page is a *PageError, and a document that the
// server compressed an *EncodedError.
func ReadAll(ctx context.Context, t Transport, ref string, limit int64) ([]byte, error) {
	data, _, err := readAgain(ctx, t, ref, limit, func(a *Answer) error { return a.checkPlain(ref) })
	return data, err
}

// ReadMatching is ReadAll for a document that has size bytes and that match knows,
// by its digest. It is taken as it came, whatever content encoding the server
// claims; if it does not match, it is decoded once. What does not match even then
// is returned as it came: its reader refuses it.
func ReadMatching(ctx context.Context, t Transport, ref string, size int64, match func([]byte) bool) ([]byte, error) {
	data, encoding, err := readAgain(ctx, t, ref, size+1, func(a *Answer) error { // one byte more is as wrong as any
		if a.IsPage() {
			return &PageError{Redact(ref)}
		}
		return nil
	})
	if err != nil || encoding == "" || match(data) {
		return data, err
	}
	plain, err := NewDecoder(encoding, bytes.NewReader(data))
	if err != nil {
		return data, nil
	}
	decoded, err := io.ReadAll(io.LimitReader(plain, size+1))
	if err != nil || !match(decoded) {
		return data, nil
	}
	return decoded, nil
}

// readAgain reads the whole of ref, with as many requests as that takes.
func readAgain(ctx context.Context, t Transport, ref string, limit int64, check func(*Answer) error) (data []byte, encoding string, err error) {
	for try := 0; ; try++ {
		a, err := OpenAnswer(ctx, t, ref, 0)
		if err != nil {
			return nil, "", err
		}
		data, err := readAnswer(&a, ref, limit, check)
		if err == nil || a.Again == nil || ctx.Err() != nil || !errors.As(err, new(*brokenError)) {
			return data, a.Encoding, err
		}
		if err := a.Again(ctx, try, err); err != nil {
			return nil, "", err
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
	// What grows as it comes takes several times its memory.
	data := bytes.NewBuffer(make([]byte, 0, max(a.Size, 0)+bytes.MinRead))
	switch _, err := data.ReadFrom(io.LimitReader(a.Body, limit+1)); {
	case err != nil:
		return nil, &brokenError{err}
	case int64(data.Len()) > limit:
		return nil, &TooLargeError{Redact(ref), limit}
	}
	return data.Bytes(), nil
}

// A brokenError is the failure of a body whose answer had begun well.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }
