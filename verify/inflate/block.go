package inflate

import (
	"encoding/binary"
	"io"
)

// decodeBlock decodes a compressed block (RFC 1951, section 3.2.3) until the window
// is full or the block ends.
func (r *Reader) decodeBlock() error {
	for r.pos < windowSize && r.inBlock {
		if err := r.decodeFast(); err != nil {
			return err
		}
		if r.pos >= windowSize || !r.inBlock {
			break
		}
		// Fewer than eight bytes are buffered. Load more; at the end of the input,
		// decode one symbol with a check of each read.
		if len(r.buf)-r.used < 8 && !r.ended {
			if err := r.loadBuffer(); err != nil {
				return err
			}
			continue
		}
		if err := r.decodeOne(); err != nil {
			return err
		}
	}
	return nil
}

// decodeFast decodes while at least eight bytes of input are buffered. It keeps its
// state in local variables, for speed.
func (r *Reader) decodeFast() error {
	in, used, bits, nbits := r.buf, r.used, r.bits, r.nbits
	window, pos := r.window, r.pos
	lit, dist := &r.lit, &r.dist
	err := error(nil)
	for used+8 <= len(in) && pos < windowSize {
		// Now bits has 56 or more. Those above nbits are the next input, and are
		// read again with the same value.
		bits |= binary.LittleEndian.Uint64(in[used:]) << (nbits & 63)
		used += int(63-nbits) >> 3
		nbits |= 56
		e := lit[bits&(1<<litBits-1)]
		if e&literal != 0 {
			bits >>= e & bitsMask
			nbits -= uint(e & bitsMask)
			window[pos] = byte(e >> valueShift)
			pos++
			e = lit[bits&(1<<litBits-1)]
			if e&literal != 0 {
				bits >>= e & bitsMask
				nbits -= uint(e & bitsMask)
				window[pos] = byte(e >> valueShift)
				pos++
				e = lit[bits&(1<<litBits-1)]
				if e&literal != 0 {
					bits >>= e & bitsMask
					nbits -= uint(e & bitsMask)
					window[pos] = byte(e >> valueShift)
					pos++
					continue
				}
			}
			if used+8 > len(in) {
				break
			}
			bits |= binary.LittleEndian.Uint64(in[used:]) << (nbits & 63)
			used += int(63-nbits) >> 3
			nbits |= 56
		}
		if e&special != 0 {
			if e&subtable != 0 {
				bits >>= e & bitsMask
				nbits -= uint(e & bitsMask)
				e = lit[e>>valueShift+uint32(bits&(1<<(e>>codeBitsShift&15)-1))]
			}
			if e&literal != 0 {
				bits >>= e & bitsMask
				nbits -= uint(e & bitsMask)
				window[pos] = byte(e >> valueShift)
				pos++
				continue
			}
			if e&invalid != 0 {
				err = errCorrupt
				break
			}
			if e&endOfBlock != 0 {
				bits >>= e & bitsMask
				nbits -= uint(e & bitsMask)
				r.inBlock = false
				break
			}
		}
		length := int(e>>valueShift) + int(bits&(1<<(e&bitsMask)-1)>>(e>>codeBitsShift&15))
		bits >>= e & bitsMask
		nbits -= uint(e & bitsMask)
		e = dist[bits&(1<<distBits-1)]
		if e&special != 0 {
			if e&subtable != 0 {
				bits >>= e & bitsMask
				nbits -= uint(e & bitsMask)
				e = dist[e>>valueShift+uint32(bits&(1<<(e>>codeBitsShift&15)-1))]
			}
			if e&invalid != 0 {
				err = errCorrupt
				break
			}
		}
		from := pos - int(e>>valueShift) - int(bits&(1<<(e&bitsMask)-1)>>(e>>codeBitsShift&15))
		bits >>= e & bitsMask
		nbits -= uint(e & bitsMask)
		if from < 0 {
			err = errCorrupt
			break
		}
		repeat(window, pos, from, length)
		pos += length
	}
	bits &= 1<<(nbits&63) - 1
	r.used, r.bits, r.nbits, r.pos = used, bits, nbits, pos
	return err
}

// repeat copies length bytes from position from to pos. The ranges may overlap, and
// then the copied bytes repeat. It may overwrite up to slack bytes after the copy.
func repeat(window []byte, pos, from, length int) {
	if pos-from < slack {
		for to := pos + length; pos < to; { // each copy doubles the source
			pos += copy(window[pos:to], window[from:pos])
		}
		return
	}
	for to := pos + length; pos < to; pos, from = pos+slack, from+slack {
		*(*[slack]byte)(window[pos:]) = [slack]byte(window[from:])
	}
}

// decodeOne decodes one symbol, with its distance if it is a length. It checks each
// read, so it works up to the end of the input.
func (r *Reader) decodeOne() error {
	e, err := r.nextEntry(r.lit[:], litBits)
	if err != nil {
		return err
	}
	codeBits := uint(e >> codeBitsShift & 15)
	if _, err := r.readBits(codeBits); err != nil {
		return err
	}
	switch {
	case e&literal != 0:
		r.window[r.pos] = byte(e >> valueShift)
		r.pos++
		return nil
	case e&endOfBlock != 0:
		r.inBlock = false
		return nil
	}
	extra, err := r.readBits(uint(e&bitsMask) - codeBits)
	if err != nil {
		return err
	}
	length := int(e>>valueShift + extra)
	if e, err = r.nextEntry(r.dist[:], distBits); err != nil {
		return err
	}
	codeBits = uint(e >> codeBitsShift & 15)
	if _, err := r.readBits(codeBits); err != nil {
		return err
	}
	if extra, err = r.readBits(uint(e&bitsMask) - codeBits); err != nil {
		return err
	}
	from := r.pos - int(e>>valueShift+extra)
	if from < 0 {
		return errCorrupt
	}
	repeat(r.window, r.pos, from, length)
	r.pos += length
	return nil
}

// nextEntry returns the table entry of the next symbol. If that is in a subtable,
// the bits of the link to it are already consumed.
func (r *Reader) nextEntry(table []uint32, firstBits uint) (uint32, error) {
	if err := r.refill(); err != nil {
		return 0, err
	}
	e := table[r.bits&(1<<firstBits-1)]
	if e&subtable != 0 {
		if _, err := r.readBits(uint(e & bitsMask)); err != nil {
			return 0, err
		}
		e = table[e>>valueShift+uint32(r.bits&(1<<(e>>codeBitsShift&15)-1))]
	}
	if e&invalid != 0 {
		return 0, errCorrupt
	}
	return e, nil
}

// storedHeader reads the header of a stored block (RFC 1951, section 3.2.4).
func (r *Reader) storedHeader() error {
	if _, err := r.readBits(r.nbits % 8); err != nil {
		return err
	}
	length, err := r.readBits(16)
	if err != nil {
		return err
	}
	check, err := r.readBits(16)
	if err != nil {
		return err
	}
	if length != ^check&0xffff {
		return errCorrupt
	}
	r.stored = int(length)
	return nil
}

// copyStored copies bytes of a stored block to the window.
func (r *Reader) copyStored() error {
	r.release()
	n, err := r.in.Read(r.window[r.pos:min(r.pos+r.stored, windowSize)])
	r.pos += n
	r.stored -= n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
