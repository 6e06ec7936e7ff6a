package unpack

import (
	"bufio"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// maxWindow is the largest window or dictionary of zstd and xz, in bytes.
// Rust's archives use all of it.
const maxWindow = 128 << 20

var (
	errTrailing  = errors.New("something follows the end of the stream")
	errTruncated = errors.New("the stream ends early")
)

// A source reads the artifact. It remembers its own error, so that a fault of
// the disk, or an interrupt, is never taken for a bad archive.
type source struct {
	ctx      context.Context
	file     io.ReaderAt
	size     int64
	progress func(int64)
	done     int64
	err      error
}

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	if s.err == nil {
		s.err = s.ctx.Err()
	}
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.file.ReadAt(p, off)
	if err != nil && err != io.EOF {
		s.err = err
	}
	if s.progress != nil && s.done < s.size {
		s.done = min(s.done+int64(n), s.size)
		s.progress(s.done)
	}
	return n, err
}

func (s *source) section(off, n int64) *io.SectionReader { return io.NewSectionReader(s, off, n) }

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

// readTarIn reads the tar inside size bytes of src at off, which codec
// compressed: "gz", "xz", "zst", "bz2", or "" for not at all.
func readTarIn(codec string, src *source, off, size int64, limits Limits, put func(entry) error) error {
	if codec == "" {
		m := &meter{bufio.NewReaderSize(src.section(off, size), 256<<10), src, size}
		return readTar(m, limits, put)
	}
	dec, err := decoder(codec, src.section(off, size))
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
	ahead := readAhead(&meter{dec, src, limits.maxUnpacked(size)})
	defer ahead.stop()
	return readTar(ahead, limits, put)
}

// decoder opens the one compressed stream that in must be. The reader it
// returns ends with io.EOF only where the stream was whole and filled in.
func decoder(codec string, in *io.SectionReader) (io.ReadCloser, error) {
	buf := bufio.NewReaderSize(in, 128<<10)
	switch codec {
	case "gz":
		z, err := gzip.NewReader(buf)
		if err != nil {
			return nil, unexpected(err)
		}
		z.Multistream(false)
		return io.NopCloser(&whole{z, func() bool { _, err := buf.ReadByte(); return err == io.EOF }}), nil
	case "xz":
		return xzDecoder(in, buf)
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
// .xz File Format, section 2.1.2.4).
func xzDecoder(in *io.SectionReader, buf *bufio.Reader) (io.ReadCloser, error) {
	var magic [2]byte
	if _, err := in.ReadAt(magic[:], max(in.Size()-2, 0)); err != nil && err != io.EOF {
		return nil, err
	}
	if string(magic[:]) != "YZ" {
		return nil, errors.New("no end of stream at the end")
	}
	z, err := xz.NewReader(buf, maxWindow)
	if err != nil {
		return nil, unexpected(err)
	}
	z.Multistream(false)
	return io.NopCloser(&whole{z, func() bool { return z.Reset(nil) == io.EOF }}), nil
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
