package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

const (
	// maxBreaks is how often a body may break without gain before its ref is
	// given up.
	maxBreaks = 2
	// minGain is how many bytes further than ever before make a gain, so that
	// a download over a poor line ends, and one from a server that plays games
	// does too.
	minGain = 256 << 10
	// firstPause is before the first request after a break without gain.
	firstPause, longestPause = 500 * time.Millisecond, 10 * time.Second
)

// patience is with a ref whose bodies break before their end.
type patience struct {
	best   int64 // how much there was at the last gain
	breaks int   // since then
}

// again decides, after a break that leaves have bytes, whether to ask once more,
// and waits until it is time to. It returns err, the break, if it is not.
func (p *patience) again(ctx context.Context, c Cache, have int64, err error) error {
	if have >= p.best+minGain {
		p.best, p.breaks = have, 0
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

// A brokenError is a body that ended before its time.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// receive fills s with the whole of ref: the rest of it, where s holds a
// beginning and ref can be read from there.
func (c Cache) receive(ctx context.Context, a manifests.Artifact, ref string, s *spool) error {
	for p := (patience{best: s.size}); ; {
		if a.Size > 0 && s.size == a.Size {
			return nil // all of it has come, though nobody has proved it
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
		if err := p.again(ctx, c, s.size, broken.err); err != nil {
			return err
		}
		if s.encoding != "" { // the rest may be encoded otherwise, or not at all
			if err := s.reset(); err != nil {
				return fmt.Errorf("%s: %w", a.Name, err)
			}
		}
	}
}

// answer appends to s what one request for ref brings, as it is sent: a content
// encoding that the server claims is noted, and so is a web page.
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
		return fmt.Errorf("%s: %w: the rest of it is encoded", manifests.Redact(ref), manifests.ErrNoRange)
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

// brokeOff is the failure of a body of ref.
func brokeOff(a manifests.Artifact, ref string, err error) error {
	if !errors.Is(err, manifests.ErrUnreachable) {
		err = fmt.Errorf("%s: %w: %w", manifests.Redact(ref), manifests.ErrUnreachable, err)
	}
	return &brokenError{fmt.Errorf("%s: %w", a.Name, err)}
}

// limit is how many bytes a may have.
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

// room reports whether need more bytes fit. Where the free space cannot be
// learned, writing will tell.
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
