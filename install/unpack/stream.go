package unpack

import (
	"bufio"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
	"golang.org/x/sync/semaphore"

	"github.com/kist-tools/kist/verify/inflate"
)

var (
	errTrailing  = errors.New("something follows the end of the stream")
	errTruncated = errors.New("the stream ends early")
)

// A source reads the artifact: a file, or a stream of the same size. It
// remembers its own error, so that a fault of the disk, or an interrupt, is
// never taken for a bad archive.
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
	return s.account(func() (int, error) { return s.file.ReadAt(p, off) })
}

func (s *source) Read(p []byte) (int, error) {
	return s.account(func() (int, error) { return s.stream.Read(p) })
}

func (s *source) account(read func() (int, error)) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := read()
	if err != nil && s.ctx.Err() != nil { // which may be why it ended
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

// all reads the source from its beginning.
func (s *source) all() io.Reader {
	if s.stream != nil {
		return s
	}
	return s.section(0, s.size)
}

// ended demands that the stream has given all it had, and no more than was said.
func (s *source) ended() error {
	var more [1]byte
	if _, err := io.ReadFull(s, more[:]); err != io.EOF && err != nil {
		return err
	}
	if s.done != s.size {
		return fmt.Errorf("a stream of %d bytes, not %d", s.done, s.size)
	}
	return nil
}

// A meter gives what a decoder made of a source, up to a ceiling. Its errors
// are an *EntryError or the source's own.
type meter struct {
	dec  io.Reader
	src  *source
	left int64
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.dec.Read(p)
	if m.left -= int64(n); m.left < 0 {
		return 0, refuse(RuleCeiling, "", "unpacks to far more than its own size")
	}
	switch {
	case err == nil || err == io.EOF:
		return n, err
	case m.src.err != nil:
		return n, m.src.err
	}
	return n, refuse(RuleStream, "", "%v", err)
}

// largeWindow is one that is given back to the system at once, and made of large
// pages where there are any.
const largeWindow = 16 << 20

// readTarIn reads the tar inside in, size bytes of src, which codec compressed:
// "gz", "xz", "zst", "bz2", or "" for not at all.
func readTarIn(codec string, src *source, in io.Reader, size int64, memory *semaphore.Weighted, limits Limits, put func(entry) error) error {
	if codec == "" {
		return readTar(&meter{bufio.NewReaderSize(in, 256<<10), src, size}, limits, put)
	}
	buf := bufio.NewReaderSize(in, 256<<10)
	window, err := window(codec, buf)
	if err != nil {
		return err
	}
	share := min(window, limits.Memory)
	if err := memory.Acquire(src.ctx, share); err != nil {
		return err
	}
	defer func() {
		if window >= largeWindow {
			debug.FreeOSMemory() // the next archive's window must not come on top
		}
		memory.Release(share)
	}()
	dec, err := decoder(codec, buf, window)
	if err != nil {
		if src.err != nil {
			return src.err
		}
		if errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		return refuse(RuleStream, "", "%v", err)
	}
	defer dec.Close()
	var out io.Reader = dec
	if window >= largeWindow {
		out = &onLargePages{dec: dec}
	}
	ahead := readAhead(&meter{out, src, limits.maxUnpacked(size)})
	defer ahead.stop()
	return readTar(ahead, limits, put)
}

// An onLargePages reads from a decoder whose window is large. The decoder has it
// by the end of its first read, and has used little of it.
type onLargePages struct {
	dec   io.Reader
	asked bool
}

func (o *onLargePages) Read(p []byte) (int, error) {
	n, err := o.dec.Read(p)
	if !o.asked {
		o.asked = true
		largePages()
	}
	return n, err
}

// decoder opens the one compressed stream that buf must hold, with a window of
// at most window bytes. The reader it returns ends with io.EOF only where the
// stream was whole and filled in.
func decoder(codec string, buf *bufio.Reader, window int64) (io.ReadCloser, error) {
	switch codec {
	case "gz":
		z, err := inflate.NewGzipReader(buf)
		if err != nil {
			return nil, unexpected(err)
		}
		return io.NopCloser(&whole{z, func() bool { _, err := buf.ReadByte(); return err == io.EOF }}), nil
	case "xz":
		return xzDecoder(buf, window)
	case "zst":
		z, err := zstd.NewReader(&zstdFrame{in: buf, next: (*zstdFrame).header},
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case "bz2":
		return io.NopCloser(&whole{bzip2.NewReader(&bzip2Stream{in: buf}), func() bool { return true }}), nil
	}
	return nil, fmt.Errorf("format tar.%s: %w", codec, errors.ErrUnsupported)
}

// unexpected makes an end of file a fault.
func unexpected(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errTruncated
	}
	return err
}

// whole demands that nothing follows what dec decoded.
type whole struct {
	dec io.Reader
	end func() bool // is the input used up?
}

func (w *whole) Read(p []byte) (int, error) {
	n, err := w.dec.Read(p)
	switch {
	case err == io.ErrUnexpectedEOF:
		err = errTruncated
	case err == io.EOF && !w.end():
		err = errTrailing
	}
	return n, err
}

// xzDecoder opens an .xz file of one stream without padding. The library
// passes over padding, but padding is zeros and a stream ends in "YZ" (The
// .xz File Format, section 2.1.2.4). No block may ask for more than the first.
func xzDecoder(in io.Reader, dictionary int64) (io.ReadCloser, error) {
	end := &tail{in: in}
	z, err := xz.NewReader(end, uint32(dictionary))
	if err != nil {
		return nil, unexpected(err)
	}
	z.Multistream(false)
	return io.NopCloser(&whole{z, func() bool { return z.Reset(nil) == io.EOF && string(end.last[:]) == "YZ" }}), nil
}

// A tail remembers the last two bytes that were read.
type tail struct {
	in   io.Reader
	last [2]byte
}

func (t *tail) Read(p []byte) (int, error) {
	n, err := t.in.Read(p)
	if n == 1 {
		t.last = [2]byte{t.last[1], p[0]}
	} else if n > 1 {
		t.last = [2]byte(p[n-2 : n])
	}
	return n, err
}

// A zstdFrame passes one zstd frame through, following its framing (RFC 8878,
// section 3.1.1), and fails at whatever comes after it: the library would
// decode further frames, and skip those that ask to be skipped.
type zstdFrame struct {
	in   *bufio.Reader
	next func(*zstdFrame) error // sets how many bytes may pass, and what comes then
	left int
	sum  bool // a checksum ends the frame
}

func (z *zstdFrame) Read(p []byte) (int, error) {
	for z.left == 0 {
		if err := z.next(z); err != nil {
			return 0, err
		}
	}
	n, err := z.in.Read(p[:min(len(p), z.left)])
	z.left -= n
	return n, unexpected(err)
}

func (z *zstdFrame) header() error {
	head, err := z.in.Peek(5)
	if err != nil {
		return unexpected(err)
	}
	if string(head[:4]) != "\x28\xb5\x2f\xfd" {
		return errors.New("not a zstd frame")
	}
	descriptor := head[4]
	single := descriptor>>5&1 == 1
	if descriptor&3 != 0 {
		return errors.New("needs a dictionary")
	}
	z.left = 5 + []int{0, 2, 4, 8}[descriptor>>6]
	switch {
	case !single:
		z.left++ // the window
	case descriptor>>6 == 0:
		z.left++ // a content size of one byte
	}
	z.sum = descriptor>>2&1 == 1
	z.next = (*zstdFrame).block
	return nil
}

func (z *zstdFrame) block() error {
	head, err := z.in.Peek(3)
	if err != nil {
		return unexpected(err)
	}
	h := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	last, kind, size := h&1 == 1, h>>1&3, h>>3
	if z.left = 3 + size; kind == 1 {
		z.left = 3 + 1 // one byte, repeated
	}
	if last {
		z.next = (*zstdFrame).checksum
	}
	return nil
}

func (z *zstdFrame) checksum() error {
	if z.sum {
		z.left = 4
	}
	z.next = (*zstdFrame).end
	return nil
}

func (z *zstdFrame) end() error {
	if _, err := z.in.Peek(1); err == nil {
		return errTrailing
	}
	return io.EOF
}

// A bzip2Stream fails where a second stream begins: the format has no lengths
// and the library decodes on, but a stream always begins with "BZh", a digit,
// and the magic number of a block or of its end.
type bzip2Stream struct {
	in   *bufio.Reader
	read int64
	last uint64 // the last eight bytes
}

func (b *bzip2Stream) ReadByte() (byte, error) {
	c, err := b.in.ReadByte()
	if err != nil {
		return 0, err
	}
	b.read++
	b.last = b.last<<8 | uint64(c)
	const block, end = 0x314159265359, 0x177245385090
	if m := b.last & (1<<48 - 1); (m == block || m == end) && b.last>>56 == 'h' && b.read > 10 {
		return 0, errTrailing
	}
	return c, nil
}

func (b *bzip2Stream) Read(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		if p[n], err = b.ReadByte(); err == nil {
			n++
		}
	}
	return n, err
}
