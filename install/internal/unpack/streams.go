package unpack

import (
	"bufio"
	"bytes"
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
	errTrailing  = errors.New("something other than zeros follows the compressed data")
	errTruncated = errors.New("the compressed data is cut short")
	errPadding   = errors.New("the zeros after an xz stream are not a multiple of 4 bytes")
)

// magics are the first bytes of a stream of each codec.
var magics = map[string]string{"gz": "\x1f\x8b", "xz": "\xfd7zXZ\x00", "zst": "\x28\xb5\x2f\xfd", "bz2": "BZh"}

// streams reads the compressed streams that make up a file, one after the other, as
// the one stream that they mean: what parallel compressors write. Sources: RFC 1952,
// section 2.2 (gzip members); RFC 8878, section 3.1 (zstd frames, of which skippable
// ones hold no content); The .xz File Format 1.2.0, section 2 (streams, with padding
// between them); bzip2(1). Zeros may follow the last stream, as tapes and some
// packers leave them. Anything else that follows is an error.
//
// The data of a .deb is one stream, without anything before or after it: dpkg-deb reads
// the first of several xz streams and ignores the others.
//
// The ceiling on what a file unpacks to holds for all streams together, since a meter
// reads them as one. There is one decoder at a time, so that a file never takes more
// memory than the largest window of its streams.
type streams struct {
	codec  string
	single bool // only one stream
	in     *bufio.Reader
	src    *source
	ctx    context.Context // ends the wait for memory
	memory *semaphore.Weighted
	limits Limits

	dec    io.Reader // nil: no decoder
	window int64     // size of the window that dec may use
	held   int64     // taken from memory for it
	count  int       // streams begun
	passed int       // streams and skippable frames begun
	open   bool      // within a stream
}

// Read implements io.Reader. It ends with io.EOF only if every stream was whole.
func (s *streams) Read(p []byte) (int, error) {
	for {
		if !s.open {
			if err := s.begin(); err != nil {
				return 0, err
			}
			s.open = true
		}
		n, err := s.dec.Read(p)
		if err != io.EOF {
			return n, unexpected(err)
		}
		if s.open = false; n > 0 {
			return n, nil
		}
	}
}

// begin begins the next stream. It returns io.EOF after the last one.
func (s *streams) begin() error {
	if err := s.find(); err != nil {
		return err
	}
	if err := s.allow(); err != nil {
		return err
	}
	need, err := window(s.codec, s.in)
	if err != nil {
		return err
	}
	if s.count++; s.dec == nil || need > s.window {
		if err := s.grow(need); err != nil {
			return err
		}
	}
	switch dec := s.dec.(type) {
	case *inflate.GzipReader:
		err = dec.Reset(s.in)
	case *xz.Reader:
		err = dec.Reset(newXZFrame(s.in))
	case *zstd.Decoder:
		err = dec.Reset(newZstdFrame(s.in))
	default:
		s.dec, err = newDecoder(s.codec, s.in, s.window)
	}
	return unexpected(err)
}

// find skips what lies between streams, up to the next stream. It returns io.EOF after the
// last one.
func (s *streams) find() error {
	for {
		head, err := s.in.Peek(len(magics["xz"]))
		switch {
		case len(head) == 0 && err == io.EOF && s.count > 0:
			return io.EOF
		case len(head) == 0:
			return unexpected(err)
		case s.single && s.count > 0:
			return errTrailing
		case bytes.HasPrefix(head, []byte(magics[s.codec])):
			return nil
		case s.codec == "zst" && isSkippable(head) && !s.single:
			if err = s.allow(); err == nil {
				err = skipFrame(s.in)
			}
		case s.count == 0:
			return fmt.Errorf("it does not begin as a %s file does", s.codec)
		case head[0] == 0:
			err = s.padding()
		default:
			return errTrailing
		}
		if err != nil {
			return err
		}
	}
}

// allow counts a stream or skippable frame against the limit, since even an empty one costs
// time.
func (s *streams) allow() error {
	if s.passed++; s.passed > s.limits.Streams {
		return refuse(RuleCeiling, "", "the archive has more than %d compressed streams", s.limits.Streams)
	}
	return nil
}

// padding reads zeros. Only in an xz file may another stream follow them.
func (s *streams) padding() error {
	for n := 1; ; n++ {
		b, err := s.in.ReadByte()
		switch {
		case err == nil && b == 0:
			continue
		case err != nil && err != io.EOF:
			return err
		case s.codec == "xz" && (n-1)%4 != 0:
			return errPadding
		case err == nil && s.codec != "xz":
			return errTrailing
		case err == nil:
			return s.in.UnreadByte()
		}
		return nil
	}
}

// grow drops the decoder, and acquires memory for one with a window of need bytes. It
// first releases what it holds, so that archives cannot deadlock. It at least doubles the
// window, so that a file of many streams, each a little larger than the last, does not
// allocate for each.
func (s *streams) grow(need int64) error {
	need = max(need, min(2*s.window, maxWindow))
	s.release()
	share := min(need, s.limits.Memory)
	if err := s.memory.Acquire(s.ctx, share); err != nil {
		s.src.err = err // not a fault of the archive
		return err
	}
	s.window, s.held = need, share
	return nil
}

// release drops the decoder and releases its memory.
func (s *streams) release() {
	if z, ok := s.dec.(*zstd.Decoder); ok {
		z.Close()
	}
	s.dec = nil
	if s.window >= largeWindow {
		debug.FreeOSMemory() // before the next window is allocated
	}
	s.memory.Release(s.held)
	s.held, s.window = 0, 0
}

// newDecoder returns a decoder of the stream at the start of in, with a window of at most
// window bytes. Except for bzip2, the decoder ends at the end of that stream.
func newDecoder(codec string, in *bufio.Reader, window int64) (io.Reader, error) {
	switch codec {
	case "gz":
		return inflate.NewGzipReader(in)
	case "xz":
		return xz.NewReader(newXZFrame(in), uint32(window))
	case "zst":
		return zstd.NewReader(newZstdFrame(in), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	}
	b := &bzip2Streams{in: in}
	b.dec = bzip2.NewReader((*bzip2Input)(b))
	return b, nil
}

// unexpected turns io.EOF and io.ErrUnexpectedEOF into errTruncated.
func unexpected(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errTruncated
	}
	return err
}

// bzip2Streams reads all streams of a file, since compress/bzip2 does, and the format has
// no lengths from which to find the end of one. If two zeros follow a stream, the library
// fails after reading them, which is treated as the end. A single zero is reported as a
// truncated stream.
type bzip2Streams struct {
	in   *bufio.Reader
	last [2]byte // last bytes that the library read
	dec  io.Reader
}

func (b *bzip2Streams) Read(p []byte) (int, error) {
	n, err := b.dec.Read(p)
	if err == bzip2.StructuralError("bad magic value in continuation file") {
		err = errTrailing
		if b.last == [2]byte{} {
			err = io.EOF
		}
	}
	return n, err
}

// A bzip2Input is the library's input.
type bzip2Input bzip2Streams

func (b *bzip2Input) ReadByte() (byte, error) {
	c, err := b.in.ReadByte()
	if err == nil {
		b.last = [2]byte{b.last[1], c}
	}
	return c, err
}

// Read is never called, since the library uses ReadByte.
func (b *bzip2Input) Read(p []byte) (int, error) { return 0, errors.ErrUnsupported }
