package unpack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/semaphore"
)

// A source reads the artifact, a file or a stream. It keeps its own error, so that a
// fault of the disk, or an interrupt, is never reported as a bad archive.
type source struct {
	ctx      context.Context
	file     io.ReaderAt
	stream   io.Reader // instead of file
	size     int64
	progress func(int64)
	done     int64
	err      error
}

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	return s.track(func() (int, error) { return s.file.ReadAt(p, off) })
}

func (s *source) Read(p []byte) (int, error) {
	return s.track(func() (int, error) { return s.stream.Read(p) })
}

// track calls read, keeps its error and reports progress. It returns ctx's error once ctx
// is done.
func (s *source) track(read func() (int, error)) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := read()
	if err != nil && s.ctx.Err() != nil { // probably the cause of err
		err = s.ctx.Err()
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	if s.done += int64(n); s.progress != nil && n > 0 {
		s.progress(min(s.done, s.size))
	}
	return n, err
}

func (s *source) section(off, n int64) *io.SectionReader { return io.NewSectionReader(s, off, n) }

// all returns a reader of the whole source.
func (s *source) all() io.Reader {
	if s.stream != nil {
		return s
	}
	return s.section(0, s.size)
}

// checkEnd returns an error unless the stream has ended after exactly size bytes.
func (s *source) checkEnd() error {
	var more [1]byte
	if _, err := io.ReadFull(s, more[:]); err != io.EOF && err != nil {
		return err
	}
	if s.done != s.size {
		return fmt.Errorf("a stream of %d bytes, not %d", s.done, s.size)
	}
	return nil
}

// A meter reads from a decoder up to a limit. Its errors are *EntryErrors, or those of
// the decoder's source.
type meter struct {
	dec  io.Reader
	src  *source
	left int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.dec.Read(p)
	if m.left -= int64(n); m.left < 0 {
		return 0, refuse(RuleCeiling, "", "the archive unpacks to far more than its own size")
	}
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case m.src.err != nil:
		return n, m.src.err
	}
	if _, refused := errors.AsType[*EntryError](err); refused {
		return n, err
	}
	return n, refuse(RuleStream, "", "%v", err)
}

// largeWindow is the size of a window whose memory is returned to the system immediately
// after use.
const largeWindow = 16 << 20

// readTarIn reads the tar in in, size bytes of src that codec compressed: "gz", "xz",
// "zst", "bz2", or "" for none. If single is set, only one stream is allowed.
func readTarIn(codec string, single bool, src *source, in io.Reader, size int64, memory *semaphore.Weighted, limits Limits, put func(entry) error) error {
	if codec == "" {
		return readTar(&meter{bufio.NewReaderSize(in, 256<<10), src, size}, limits, put)
	}
	if magics[codec] == "" {
		return fmt.Errorf("format tar.%s: %w", codec, errors.ErrUnsupported)
	}
	ctx, cancel := context.WithCancel(src.ctx)
	s := &streams{codec: codec, single: single, in: bufio.NewReaderSize(in, 256<<10), src: src, ctx: ctx, memory: memory, limits: limits}
	ahead := readAhead(&meter{s, src, limits.maxUnpacked(size)})
	defer func() {
		cancel()
		ahead.stop()
		s.release()
	}()
	return readTar(ahead, limits, put)
}
