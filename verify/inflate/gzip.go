package inflate

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// GzipReader decompresses one gzip member.
type GzipReader struct {
	in      *bufio.Reader
	deflate *Reader
	sum     uint32 // CRC-32 of the data so far
	size    uint32 // bytes so far, modulo 2^32 as in the format
	err     error
}

// NewGzipReader returns a GzipReader for the member that in begins with. in must have
// a buffer of at least 16 bytes. The reader returns io.EOF only if the size and CRC
// are right; then the next byte of in is the first one after the member.
func NewGzipReader(in *bufio.Reader) (*GzipReader, error) {
	if err := gzipHeader(in); err != nil {
		return nil, unexpectedEOF(err)
	}
	return &GzipReader{in: in, deflate: NewReader(in)}, nil
}

// Reset makes z decompress the member that in begins with, as NewGzipReader does.
func (z *GzipReader) Reset(in *bufio.Reader) error {
	if err := gzipHeader(in); err != nil {
		z.err = unexpectedEOF(err)
		return z.err
	}
	z.deflate.Reset(in)
	*z = GzipReader{in: in, deflate: z.deflate}
	return nil
}

var (
	errHeader = fmt.Errorf("%w: no gzip header", errCorrupt)
	errSum    = fmt.Errorf("%w: it states another size or checksum than its data has", errCorrupt)
)

// The flags of a header (RFC 1952, section 2.3.1).
const (
	flagHeaderCRC = 1 << 1
	flagExtra     = 1 << 2
	flagName      = 1 << 3
	flagComment   = 1 << 4
	flagsReserved = 0xe0
)

// gzipHeader reads and checks a header. It ignores the fields.
func gzipHeader(in *bufio.Reader) error {
	h := headerReader{in: in}
	fixed := h.read(10)
	if h.err != nil {
		return h.err
	}
	flags := fixed[3]
	if fixed[0] != 0x1f || fixed[1] != 0x8b || fixed[2] != 8 || flags&flagsReserved != 0 {
		return errHeader
	}
	if flags&flagExtra != 0 {
		if length := h.read(2); h.err == nil {
			h.read(int(binary.LittleEndian.Uint16(length)))
		}
	}
	for _, flag := range []byte{flagName, flagComment} {
		if flags&flag != 0 {
			h.skipText()
		}
	}
	if sum := h.sum; flags&flagHeaderCRC != 0 {
		if check := h.read(2); h.err == nil && binary.LittleEndian.Uint16(check) != uint16(sum) {
			return errHeader
		}
	}
	return h.err
}

// headerReader reads a header and computes its checksum.
type headerReader struct {
	in  *bufio.Reader
	sum uint32
	err error // the first error; nothing is read after it
}

// read returns the next n bytes, with zeros for those after an error.
func (h *headerReader) read(n int) []byte {
	b := make([]byte, n)
	if h.err == nil {
		_, h.err = io.ReadFull(h.in, b)
		h.sum = crc32.Update(h.sum, crc32.IEEETable, b)
	}
	return b
}

// maxText is the ceiling on a name or a comment, in bytes.
const maxText = 64 << 10

// skipText reads a text that ends with a zero byte.
func (h *headerReader) skipText() {
	for range maxText {
		if h.read(1)[0] == 0 {
			return
		}
	}
	if h.err == nil {
		h.err = errHeader
	}
}

// unexpectedEOF returns err, or io.ErrUnexpectedEOF for io.EOF.
func unexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Read reads decompressed data.
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

// trailer reads the stated size and checksum, and returns io.EOF if they match the
// decompressed data.
func (z *GzipReader) trailer() error {
	var end [8]byte
	if _, err := io.ReadFull(z.in, end[:]); err != nil {
		return unexpectedEOF(err)
	}
	if binary.LittleEndian.Uint32(end[:4]) != z.sum || binary.LittleEndian.Uint32(end[4:]) != z.size {
		return errSum
	}
	return io.EOF
}
