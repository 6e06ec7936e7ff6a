// Package inflate decompresses DEFLATE streams (RFC 1951) and gzip members
// (RFC 1952), at about twice the speed of the decoders that Go programs
// mostly use: unpacking a gzip archive takes as long as this takes.
//
// What it accepts, zlib accepts too, with the same result; it refuses all that
// zlib refuses. It reads no byte beyond the end of a stream, so that its user
// can tell whether something follows. Memory is the window, some 300 KB, whatever
// the input.
package inflate

import (
	"bufio"
	"errors"
	"io"
)

// ErrCorrupt says that the input is no DEFLATE stream, or no gzip member.
var ErrCorrupt = errors.New("the compressed data is corrupt")

const (
	history = 32 << 10            // how far back a match may reach
	full    = history + 256<<10   // bytes in the window: now they are given out
	past    = 2 + longest + slack // that, what is decoded in one go, may be more
	longest = 258                 // of matches
	slack   = 16                  // what is written behind a match besides
)

// A Reader is what a DEFLATE stream decompresses to.
type Reader struct {
	in    *bufio.Reader
	buf   []byte // in's, from the next byte on
	at    int    // bytes of buf taken into bits
	ended bool   // nothing follows buf
	bits  uint64 // taken and not used, lowest first; zeros above them
	n     uint   // how many bits

	window    []byte
	pos, read int // up to where it is decoded, and given out

	final  bool // the block is the last
	stored int  // bytes of a stored block that are still to come
	block  bool // within a compressed block
	lit    [litSize]uint32
	dist   [distSize]uint32
	err    error // after what is decoded
}

// NewReader decompresses the stream that begins at in, which needs a buffer of
// 16 bytes or more. It ends with io.EOF, or with io.ErrUnexpectedEOF where in does
// so too early. Between reads in is not to be used; at the end it stands right behind
// the stream.
func NewReader(in *bufio.Reader) *Reader {
	return &Reader{in: in, window: make([]byte, full+past)}
}

// Reset begins anew with the stream that begins at in, as NewReader does.
func (r *Reader) Reset(in *bufio.Reader) { *r = Reader{in: in, window: r.window} }

// Read returns what is decompressed.
func (r *Reader) Read(p []byte) (int, error) {
	for r.read == r.pos && len(p) > 0 {
		if r.err != nil {
			return 0, r.err
		}
		if r.pos >= full {
			r.read = copy(r.window, r.window[r.pos-history:r.pos])
			r.pos = r.read
		}
		if r.err = r.advance(); r.err != nil {
			r.release()
		}
	}
	n := copy(p, r.window[r.read:r.pos])
	r.read += n
	return n, nil
}

// advance decodes until the window is full, or a block ends.
func (r *Reader) advance() error {
	switch {
	case r.stored > 0:
		return r.copyStored()
	case r.block:
		return r.inflate()
	case r.final:
		return io.EOF
	}
	head, err := r.take(3)
	if err != nil {
		return err
	}
	r.final = head&1 == 1
	switch head >> 1 {
	case 0:
		return r.storedHeader()
	case 1:
		r.block = true
		return r.fixedCodes()
	case 2:
		r.block = true
		return r.dynamicCodes()
	}
	return ErrCorrupt
}

// refill sees to it that more than 56 bits are at hand, or all that there are.
func (r *Reader) refill() error {
	for r.n <= 56 {
		switch {
		case r.at < len(r.buf):
			r.bits |= uint64(r.buf[r.at]) << r.n
			r.at++
			r.n += 8
		case r.ended:
			return nil
		default:
			if err := r.load(); err != nil {
				return err
			}
		}
	}
	return nil
}

// load makes more of in visible as buf: 16 bytes, or all that there are.
func (r *Reader) load() error {
	r.release()
	_, err := r.in.Peek(16)
	if err != nil && err != io.EOF {
		return err
	}
	r.ended = err == io.EOF
	r.buf, err = r.in.Peek(r.in.Buffered())
	return err
}

// release gives whole bytes back that were taken and not used, and lets go of
// the others.
func (r *Reader) release() {
	r.at -= int(r.n / 8)
	r.n %= 8
	r.bits &= 1<<r.n - 1
	r.in.Discard(r.at) // what is buffered
	r.buf, r.at, r.ended = nil, 0, false
}

// take uses n bits, 16 at most.
func (r *Reader) take(n uint) (uint32, error) {
	if r.n < n {
		if err := r.refill(); err != nil {
			return 0, err
		}
		if r.n < n {
			return 0, io.ErrUnexpectedEOF
		}
	}
	v := uint32(r.bits & (1<<n - 1))
	r.bits >>= n
	r.n -= n
	return v, nil
}
