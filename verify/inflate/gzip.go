package inflate

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// A GzipReader is what a gzip member decompresses to.
type GzipReader struct {
	in      *bufio.Reader
	deflate *Reader
	sum     uint32
	size    uint32 // modulo 2^32, as the format has it
	err     error
}

// NewGzipReader decompresses the one gzip member that begins at in, which needs a
// buffer of 16 bytes or more. At the end, which is io.EOF where size and CRC are right,
// in stands right behind it.
func NewGzipReader(in *bufio.Reader) (*GzipReader, error) {
	if err := gzipHeader(in); err != nil {
		return nil, early(err)
	}
	return &GzipReader{in: in, deflate: NewReader(in)}, nil
}

// Reset begins anew with the gzip member that begins at in, as NewGzipReader does.
func (z *GzipReader) Reset(in *bufio.Reader) error {
	if err := gzipHeader(in); err != nil {
		z.err = early(err)
		return z.err
	}
	z.deflate.Reset(in)
	*z = GzipReader{in: in, deflate: z.deflate}
	return nil
}

var (
	errHeader = fmt.Errorf("%w: no gzip header", ErrCorrupt)
	errSum    = fmt.Errorf("%w: it unpacks to another size or checksum than it states", ErrCorrupt)
)

// The flags of a header (RFC 1952, section 2.3.1).
const (
	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
	flagsReserved = 0xe0
)

// gzipHeader reads a header, of which nothing but its end matters here.
func gzipHeader(in *bufio.Reader) error {
	h := header{in: in}
	fixed := h.bytes(10)
	if h.err != nil {
		return h.err
	}
	flags := fixed[3]
	if fixed[0] != 0x1f || fixed[1] != 0x8b || fixed[2] != 8 || flags&flagsReserved != 0 {
		return errHeader
	}
	if flags&flagExtra != 0 {
		if length := h.bytes(2); h.err == nil {
			h.bytes(int(binary.LittleEndian.Uint16(length)))
		}
	}
	for _, text := range []byte{flagName, flagComment} {
		if flags&text != 0 {
			h.text()
		}
	}
	if sum := h.sum; flags&flagHeaderCRC != 0 {
		if check := h.bytes(2); h.err == nil && binary.LittleEndian.Uint16(check) != uint16(sum) {
			return errHeader
		}
	}
	return h.err
}

// A header reads a header, up to the first error, and sums it up.
type header struct {
	in  *bufio.Reader
	sum uint32
	err error
}

// bytes are the next n, zeros where there are not so many.
func (h *header) bytes(n int) []byte {
	b := make([]byte, n)
	if h.err == nil {
		_, h.err = io.ReadFull(h.in, b)
		h.sum = crc32.Update(h.sum, crc32.IEEETable, b)
	}
	return b
}

// maxText is the most bytes of a name or a comment; names of files are shorter.
const maxText = 64 << 10

// text passes over a text, which a zero ends.
func (h *header) text() {
	for range maxText {
		if h.bytes(1)[0] == 0 {
			return
		}
	}
	if h.err == nil {
		h.err = errHeader
	}
}

func early(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Read returns what is decompressed.
func (z *GzipReader) Read(p []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	n, err := z.deflate.Read(p)
	z.sum = crc32.Update(z.sum, crc32.IEEETable, p[:n])
	z.size += uint32(n)
	if err == io.EOF {
		err = z.trailer()
	}
	z.err = err
	return n, err
}

// trailer compares what was decompressed with what was to be, and returns io.EOF
// where that is the same.
func (z *GzipReader) trailer() error {
	var end [8]byte
	if _, err := io.ReadFull(z.in, end[:]); err != nil {
		return early(err)
	}
	if binary.LittleEndian.Uint32(end[:4]) != z.sum || binary.LittleEndian.Uint32(end[4:]) != z.size {
		return errSum
	}
	return io.EOF
}
