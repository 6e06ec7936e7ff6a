package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

const (
	// maxBreaks is how often bodies may break without progress before kist gives up
	// their ref.
	maxBreaks = 2
	// minGain is how many bytes beyond the previous maximum count as progress. A
	// download over a poor line then still completes, and one from a server that
	// breaks every answer on purpose ends.
	minGain = 256 << 10
	// firstPause comes before the first retry without progress.
	firstPause, longestPause = 500 * time.Millisecond, 10 * time.Second
)

// A retryPolicy limits the retries for a ref whose bodies break before their end.
type retryPolicy struct {
	best   int64 // bytes at the last progress
	breaks int   // since then
}

// retry is called after a break err, with the number of bytes received so far. It
// returns nil, after a pause, if the caller should send another request, or else an
// error.
func (p *retryPolicy) retry(ctx context.Context, c Cache, received int64, err error) error {
	if received >= p.best+minGain {
		p.best, p.breaks = received, 0
		return nil
	}
	if p.breaks++; p.breaks > maxBreaks {
		return err
	}
	pause := manifests.Backoff(p.breaks-1, firstPause, longestPause)
	if c.wait != nil {
		return c.wait(ctx, pause)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// A brokenError reports that a body ended too early.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// receive fills s with the content of ref. If s already holds the first part, it
// continues from there if the server can.
func (c Cache) receive(ctx context.Context, a manifests.Artifact, ref string, s *spool) error {
	for p := (retryPolicy{best: s.size}); ; {
		if a.Size > 0 && s.size == a.Size {
			return nil // complete, but not proved yet
		}
		s.mixed = s.mixed || s.size > 0
		err := c.answer(ctx, a, ref, s)
		var broken *brokenError
		switch {
		case errors.Is(err, manifests.ErrNoRange) && s.size > 0:
			if err := s.reset(); err != nil {
				return fmt.Errorf("%s: %w", a.Name, err)
			}
			continue
		case errors.Is(err, manifests.ErrNoRange):
			return fmt.Errorf("%w: %w", manifests.ErrUnreachable, err)
		case !errors.As(err, &broken):
			return err
		}
		if err := p.retry(ctx, c, s.size, broken.err); err != nil {
			return err
		}
		if s.encoding != "" { // the rest may have another encoding, or none
			if err := s.reset(); err != nil {
				return fmt.Errorf("%s: %w", a.Name, err)
			}
		}
	}
}

// answer appends to s the answer to one request for ref, without decoding it. It notes
// the content encoding that the server claims, and whether the answer is a web page.
func (c Cache) answer(ctx context.Context, a manifests.Artifact, ref string, s *spool) error {
	leave, err := c.enter(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	defer leave()
	got, err := manifests.OpenAnswer(ctx, c.Transport, ref, s.size)
	if err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	defer func() { got.Body.Close() }()
	limit, want, size := c.limit(a), a.Size, got.Size
	switch {
	case s.size == 0:
		s.encoding, s.page = got.Encoding, got.IsPage()
	case got.Encoding != "":
		return fmt.Errorf("%s: %w: the rest was sent encoded", manifests.Redact(ref), manifests.ErrNoRange)
	}
	if s.encoding != "" {
		limit, want = manifests.EncodedLimit(limit), 0
	}
	switch {
	case size > limit || want > 0 && size >= 0 && size != want:
		return c.wrongSize(a, size)
	case max(size, want) > 0:
		if err := c.room(max(size, want) - s.size); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	total := max(size, want)
	if total == 0 {
		total = -1
	}
	before := s.size
	buffer := make([]byte, 128<<10)
	for {
		n, err := got.Body.Read(buffer[:min(int64(len(buffer)), limit+1-s.size)])
		if s.size+int64(n) > limit {
			return c.wrongSize(a, limit+1)
		}
		if err := s.append(buffer[:n]); err != nil {
			return fmt.Errorf("%s: %w", a.Name, err)
		}
		c.report("download", a.Name, s.size, total)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", a.Name, ctx.Err())
		case err == io.EOF && size < 0 && s.size > before && s.size < want && !s.page:
			// Without a length, a body that breaks off looks like a whole one.
			return &brokenError{c.wrongSize(a, s.size)}
		case err == io.EOF && (size < 0 || s.size == size):
			return nil
		case err == io.EOF:
			err = io.ErrUnexpectedEOF
		case err == nil:
			continue
		}
		return brokeOff(a, ref, err)
	}
}

// brokeOff returns the error for a body of ref that broke with err.
func brokeOff(a manifests.Artifact, ref string, err error) error {
	if !errors.Is(err, manifests.ErrUnreachable) {
		err = fmt.Errorf("%s: %w: %w", manifests.Redact(ref), manifests.ErrUnreachable, err)
	}
	return &brokenError{fmt.Errorf("%s: %w", a.Name, err)}
}

// limit returns the largest size in bytes that a may have.
func (c Cache) limit(a manifests.Artifact) int64 {
	switch {
	case a.Size > 0:
		return a.Size
	case c.ceiling > 0:
		return c.ceiling
	}
	return manifests.MaxArtifact
}

func (c Cache) wrongSize(a manifests.Artifact, got int64) error {
	if a.Size > 0 {
		return &verify.SizeError{Name: a.Name, Want: a.Size, Got: got}
	}
	return &manifests.TooLargeError{Name: a.Name, Limit: c.limit(a)}
}

// room returns a *SpaceError if need more bytes do not fit. If the free space is
// unknown it returns nil, and writing may fail later.
func (c Cache) room(need int64) error {
	space := c.space
	if space == nil {
		space = func(root *os.Root) (int64, error) {
			free, _, err := rootfs.Space(root)
			return free, err
		}
	}
	if free, err := space(c.Root); err == nil && free < need {
		return &SpaceError{Path: c.Root.Name(), Need: need, Free: free}
	}
	return nil
}
