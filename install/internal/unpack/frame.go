package unpack

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// A frame passes one compressed stream through, following its framing alone, and ends
// where the stream ends. The libraries read further than that, in blocks of their own, so
// that the start of the next stream, and the window it needs, would be unknown.
type frame struct {
	in   *bufio.Reader
	left int          // bytes to pass through before the next step
	step func() error // sets left and the step after it; io.EOF at the end of the stream
}

// Read implements io.Reader. A stream that ends early is errTruncated.
func (f *frame) Read(p []byte) (int, error) {
	for f.left == 0 {
		if err := f.step(); err != nil {
			return 0, err
		}
	}
	n, err := f.in.Read(p[:min(len(p), f.left)])
	f.left -= n
	return n, unexpected(err)
}

// peek returns the next n bytes, which are passed through later.
func (f *frame) peek(n int) ([]byte, error) {
	b, err := f.in.Peek(n)
	return b, unexpected(err)
}

func (f *frame) end() error { return io.EOF }

// A zstdFrame is a frame of zstd (RFC 8878, section 3.1.1).
type zstdFrame struct {
	frame
	sum bool // a checksum ends it
}

func newZstdFrame(in *bufio.Reader) *zstdFrame {
	z := &zstdFrame{frame: frame{in: in}}
	z.step = z.header
	return z
}

func (z *zstdFrame) header() error {
	head, err := z.peek(5)
	if err != nil {
		return err
	}
	descriptor := head[4]
	single := descriptor>>5&1 == 1
	if descriptor&3 != 0 {
		return errors.New("the zstd frame needs a dictionary")
	}
	z.left = 5 + []int{0, 2, 4, 8}[descriptor>>6]
	switch {
	case !single:
		z.left++ // the window
	case descriptor>>6 == 0:
		z.left++ // a content size of one byte
	}
	z.sum = descriptor>>2&1 == 1
	z.step = z.block
	return nil
}

func (z *zstdFrame) block() error {
	head, err := z.peek(3)
	if err != nil {
		return err
	}
	h := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	last, kind, size := h&1 == 1, h>>1&3, h>>3
	if z.left = 3 + size; kind == 1 {
		z.left = 3 + 1 // one byte, repeated
	}
	if last {
		z.step = z.checksum
	}
	return nil
}

func (z *zstdFrame) checksum() error {
	if z.sum {
		z.left = 4
	}
	z.step = z.end
	return nil
}

// isSkippable reports whether head begins a frame without content (RFC 8878, section
// 3.1.2).
func isSkippable(head []byte) bool {
	return len(head) >= 4 && binary.LittleEndian.Uint32(head)&^0xf == 0x184d2a50
}

// skipFrame reads a frame without content.
func skipFrame(in *bufio.Reader) error {
	head, err := in.Peek(8)
	if err != nil {
		return unexpected(err)
	}
	_, err = io.CopyN(io.Discard, in, 8+int64(binary.LittleEndian.Uint32(head[4:])))
	return unexpected(err)
}

// An xzFrame is a stream of xz (The .xz File Format 1.2.0, sections 2 to 4), all of
// whose blocks LZMA2 wrote, the only last filter there is.
type xzFrame struct {
	frame
	check   int    // bytes of the checksum of a block
	packed  int    // bytes of the block so far, modulo 4; then of the index
	records uint64 // numbers of the index that are left to read
}

func newXZFrame(in *bufio.Reader) *xzFrame {
	x := &xzFrame{frame: frame{in: in}}
	x.step = x.header
	return x
}

func (x *xzFrame) header() error {
	const length = 12
	head, err := x.peek(length)
	if err != nil {
		return err
	}
	if id := head[7] & 0xf; id > 0 {
		x.check = 4 << ((id - 1) / 3) // of 4 to 64 bytes, three kinds each
	}
	x.left, x.step = length, x.block
	return nil
}

// block begins a block, or the index after the last one.
func (x *xzFrame) block() error {
	head, err := x.peek(1)
	if err != nil {
		return err
	}
	x.packed = 0
	if head[0] == 0 {
		x.pass(1, x.indexed)
		return nil
	}
	x.left, x.step = 4*(int(head[0])+1), x.chunk
	return nil
}

// pass passes n bytes, which count for padding, and then continues with step.
func (x *xzFrame) pass(n int, step func() error) {
	x.left, x.step = n, step
	x.packed = (x.packed + n) % 4
}

// padding is how many bytes fill what was passed up to a multiple of 4.
func (x *xzFrame) padding() int { return (4 - x.packed) % 4 }

// chunk passes a chunk of LZMA2: a control byte, the size of the content, that of the
// compressed content unless it is the same, perhaps new properties, and the data.
// Source: the comment in xz_dec_lzma2.c of XZ Embedded, enum lzma2_seq.
func (x *xzFrame) chunk() error {
	head, err := x.peek(1)
	if err != nil {
		return err
	}
	control := head[0]
	switch {
	case control == 0: // the last one
		x.pass(1, x.blockEnd)
		return nil
	case control >= 0x80:
		if head, err = x.peek(5); err != nil {
			return err
		}
		n := 5 + int(binary.BigEndian.Uint16(head[3:])) + 1
		if control >= 0xc0 {
			n++ // properties
		}
		x.pass(n, x.chunk)
		return nil
	case control > 2:
		return errors.New("the xz block holds a chunk of an unknown kind")
	}
	if head, err = x.peek(3); err != nil {
		return err
	}
	x.pass(3+int(binary.BigEndian.Uint16(head[1:]))+1, x.chunk)
	return nil
}

func (x *xzFrame) blockEnd() error {
	x.left, x.step = x.padding()+x.check, x.block
	return nil
}

// indexed passes the number of records of the index, each of two numbers.
func (x *xzFrame) indexed() error {
	n, err := x.number()
	if err != nil {
		return err
	}
	x.records = 2 * n // of less than 2^63
	x.step = x.record
	return nil
}

func (x *xzFrame) record() error {
	if x.records == 0 {
		const checksum, footer = 4, 12
		x.left, x.step = x.padding()+checksum+footer, x.end
		return nil
	}
	x.records--
	_, err := x.number()
	return err
}

// number passes a number of up to 9 bytes (section 1.2), and returns it.
func (x *xzFrame) number() (n uint64, err error) {
	for i := range 9 {
		head, err := x.peek(i + 1)
		if err != nil {
			return 0, err
		}
		n |= uint64(head[i]&0x7f) << (7 * i)
		if head[i]&0x80 == 0 {
			x.pass(i+1, x.step)
			return n, nil
		}
	}
	return 0, errors.New("the xz index holds a number that is too large")
}
