// Package inflate decompresses DEFLATE streams (RFC 1951) and gzip members
// (RFC 1952), about twice as fast as the decoders that Go programs mostly use.
// The speed matters because decompression takes most of the time of unpacking a
// gzip archive.
//
// It refuses everything that zlib refuses; what it accepts, zlib decompresses to
// the same result. It reads no byte beyond the end of a stream, so that the caller
// can tell whether more data follows. It needs about 300 KB of memory, for the
// window, whatever the input.
package inflate

import (
	"bufio"
	"errors"
	"io"
)

// errCorrupt reports that the input is not a valid DEFLATE stream or gzip member.
var errCorrupt = errors.New("the compressed data is corrupt")

const (
	history    = 32 << 10             // how far back a match may reach
	windowSize = history + 256<<10    // bytes decoded before they must be delivered
	overrun    = 2 + maxMatch + slack // bytes that one decoding step may write beyond windowSize
	maxMatch   = 258                  // length of the longest match
	slack      = 16                   // bytes that copying a match may write after its end
)

// Reader decompresses a DEFLATE stream.
type Reader struct {
	in    *bufio.Reader
	buf   []byte // what in has buffered
	used  int    // bytes of buf moved to bits
	ended bool   // the input ends after buf
	bits  uint64 // input bits not decoded yet, lowest first; zeros above them
	nbits uint   // number of bits

	window         []byte
	pos, delivered int // end of the decoded bytes in window, and of those returned

	finalBlock bool // the current block is the last one
	stored     int  // bytes left of a stored block
	inBlock    bool // within a compressed block
	lit        [litSize]uint32
	dist       [distSize]uint32
	err        error // returned after the decoded bytes
}

// NewReader returns a Reader for the stream that in begins with. in must have a
// buffer of at least 16 bytes, and must not be used until the stream has ended; then
// its next byte is the first one after the stream. If in ends before the stream
// does, the error is io.ErrUnexpectedEOF.
func NewReader(in *bufio.Reader) *Reader {
	return &Reader{in: in, window: make([]byte, windowSize+overrun)}
}

// Reset makes r decompress the stream that in begins with, as NewReader does.
func (r *Reader) Reset(in *bufio.Reader) { *r = Reader{in: in, window: r.window} }

// Read reads decompressed data.
func (r *Reader) Read(p []byte) (int, error) {
	for r.delivered == r.pos && len(p) > 0 {
		if r.err != nil {
			return 0, r.err
		}
		if r.pos >= windowSize {
			r.delivered = copy(r.window, r.window[r.pos-history:r.pos])
			r.pos = r.delivered
		}
		if r.err = r.advance(); r.err != nil {
			r.release()
		}
	}
	n := copy(p, r.window[r.delivered:r.pos])
	r.delivered += n
	return n, nil
}

// advance decodes until the window is full or a block ends.
func (r *Reader) advance() error {
	switch {
	case r.stored > 0:
		return r.copyStored()
	case r.inBlock:
		return r.decodeBlock()
	case r.finalBlock:
		return io.EOF
	}
	head, err := r.readBits(3)
	if err != nil {
		return err
	}
	r.finalBlock = head&1 == 1
	switch head >> 1 {
	case 0:
		return r.storedHeader()
	case 1:
		r.inBlock = true
		return r.fixedCodes()
	case 2:
		r.inBlock = true
		return r.dynamicCodes()
	}
	return errCorrupt
}

// refill adds input to r.bits until it holds more than 56 bits, or all that remain.
func (r *Reader) refill() error {
	for r.nbits <= 56 {
		switch {
		case r.used < len(r.buf):
			r.bits |= uint64(r.buf[r.used]) << r.nbits
			r.used++
			r.nbits += 8
		case r.ended:
			return nil
		default:
			if err := r.loadBuffer(); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadBuffer sets buf to what in has buffered, at least 16 bytes if the input has
// so many.
func (r *Reader) loadBuffer() error {
	r.release()
	_, err := r.in.Peek(16)
	if err != nil && err != io.EOF {
		return err
	}
	r.ended = err == io.EOF
	r.buf, err = r.in.Peek(r.in.Buffered())
	return err
}

// release returns the whole bytes in r.bits that are not decoded yet to in, and
// discards the decoded ones.
func (r *Reader) release() {
	r.used -= int(r.nbits / 8)
	r.nbits %= 8
	r.bits &= 1<<r.nbits - 1
	r.in.Discard(r.used) // cannot fail: the bytes are buffered
	r.buf, r.used, r.ended = nil, 0, false
}

// readBits returns the next n bits, 16 at most.
func (r *Reader) readBits(n uint) (uint32, error) {
	if r.nbits < n {
		if err := r.refill(); err != nil {
			return 0, err
		}
		if r.nbits < n {
			return 0, io.ErrUnexpectedEOF
		}
	}
	v := uint32(r.bits & (1<<n - 1))
	r.bits >>= n
	r.nbits -= n
	return v, nil
}
