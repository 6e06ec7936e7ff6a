package inflate

import (
	"encoding/binary"
	"io"
)

// inflate decodes a compressed block (RFC 1951, section 3.2.3) until the window is
// full or the block ends.
func (r *Reader) inflate() error {
	for r.pos < full && r.block {
		if err := r.quickly(); err != nil {
			return err
		}
		if r.pos >= full || !r.block {
			break
		}
		// The input visible ends soon: one step, that looks at each bit before it
		// uses it, if more cannot be had.
		if len(r.buf)-r.at < 8 && !r.ended {
			if err := r.load(); err != nil {
				return err
			}
			continue
		}
		if err := r.step(); err != nil {
			return err
		}
	}
	return nil
}

// quickly decodes as long as eight bytes of input are visible. All it does is in
// registers, for speed.
func (r *Reader) quickly() error {
	in, at, bits, n := r.buf, r.at, r.bits, r.n
	window, pos := r.window, r.pos
	lit, dist := &r.lit, &r.dist
	err := error(nil)
	for at+8 <= len(in) && pos < full {
		// 56 bits or more; those above n are what comes next, and are put there again.
		bits |= binary.LittleEndian.Uint64(in[at:]) << (n & 63)
		at += int(63-n) >> 3
		n |= 56
		e := lit[bits&(1<<litBits-1)]
		if e&literal != 0 {
			bits >>= e & takes
			n -= uint(e & takes)
			window[pos] = byte(e >> value)
			pos++
			e = lit[bits&(1<<litBits-1)]
			if e&literal != 0 {
				bits >>= e & takes
				n -= uint(e & takes)
				window[pos] = byte(e >> value)
				pos++
				e = lit[bits&(1<<litBits-1)]
				if e&literal != 0 {
					bits >>= e & takes
					n -= uint(e & takes)
					window[pos] = byte(e >> value)
					pos++
					continue
				}
			}
			if at+8 > len(in) {
				break
			}
			bits |= binary.LittleEndian.Uint64(in[at:]) << (n & 63)
			at += int(63-n) >> 3
			n |= 56
		}
		if e&special != 0 {
			if e&link != 0 {
				bits >>= e & takes
				n -= uint(e & takes)
				e = lit[e>>value+uint32(bits&(1<<(e>>ownBits&15)-1))]
			}
			if e&literal != 0 {
				bits >>= e & takes
				n -= uint(e & takes)
				window[pos] = byte(e >> value)
				pos++
				continue
			}
			if e&invalid != 0 {
				err = ErrCorrupt
				break
			}
			if e&end != 0 {
				bits >>= e & takes
				n -= uint(e & takes)
				r.block = false
				break
			}
		}
		length := int(e>>value) + int(bits&(1<<(e&takes)-1)>>(e>>ownBits&15))
		bits >>= e & takes
		n -= uint(e & takes)
		e = dist[bits&(1<<distBits-1)]
		if e&special != 0 {
			if e&link != 0 {
				bits >>= e & takes
				n -= uint(e & takes)
				e = dist[e>>value+uint32(bits&(1<<(e>>ownBits&15)-1))]
			}
			if e&invalid != 0 {
				err = ErrCorrupt
				break
			}
		}
		from := pos - int(e>>value) - int(bits&(1<<(e&takes)-1)>>(e>>ownBits&15))
		bits >>= e & takes
		n -= uint(e & takes)
		if from < 0 {
			err = ErrCorrupt
			break
		}
		repeat(window, pos, from, length)
		pos += length
	}
	bits &= 1<<(n&63) - 1
	r.at, r.bits, r.n, r.pos = at, bits, n, pos
	return err
}

// repeat appends at pos the length bytes from from on, some of which it may only
// just have written. It writes up to slack bytes more.
func repeat(window []byte, pos, from, length int) {
	if pos-from < slack {
		for to := pos + length; pos < to; { // twice as much each time
			pos += copy(window[pos:to], window[from:pos])
		}
		return
	}
	for to := pos + length; pos < to; pos, from = pos+slack, from+slack {
		*(*[slack]byte)(window[pos:]) = [slack]byte(window[from:])
	}
}

// step decodes one symbol, and a distance behind it, from what is left of the
// input.
func (r *Reader) step() error {
	e, err := r.coded(r.lit[:], litBits)
	if err != nil {
		return err
	}
	own := uint(e >> ownBits & 15)
	if _, err := r.take(own); err != nil {
		return err
	}
	switch {
	case e&literal != 0:
		r.window[r.pos] = byte(e >> value)
		r.pos++
		return nil
	case e&end != 0:
		r.block = false
		return nil
	}
	more, err := r.take(uint(e&takes) - own)
	if err != nil {
		return err
	}
	length := int(e>>value + more)
	if e, err = r.coded(r.dist[:], distBits); err != nil {
		return err
	}
	own = uint(e >> ownBits & 15)
	if _, err := r.take(own); err != nil {
		return err
	}
	if more, err = r.take(uint(e&takes) - own); err != nil {
		return err
	}
	from := r.pos - int(e>>value+more)
	if from < 0 {
		return ErrCorrupt
	}
	repeat(r.window, r.pos, from, length)
	r.pos += length
	return nil
}

// coded is the entry of the next symbol, of which a link has been followed and
// used.
func (r *Reader) coded(table []uint32, first uint) (uint32, error) {
	if err := r.refill(); err != nil {
		return 0, err
	}
	e := table[r.bits&(1<<first-1)]
	if e&link != 0 {
		if _, err := r.take(uint(e & takes)); err != nil {
			return 0, err
		}
		e = table[e>>value+uint32(r.bits&(1<<(e>>ownBits&15)-1))]
	}
	if e&invalid != 0 {
		return 0, ErrCorrupt
	}
	return e, nil
}

// storedHeader begins a stored block (RFC 1951, section 3.2.4).
func (r *Reader) storedHeader() error {
	if _, err := r.take(r.n % 8); err != nil {
		return err
	}
	length, err := r.take(16)
	if err != nil {
		return err
	}
	check, err := r.take(16)
	if err != nil {
		return err
	}
	if length != ^check&0xffff {
		return ErrCorrupt
	}
	r.stored = int(length)
	return nil
}

func (r *Reader) copyStored() error {
	r.release()
	n, err := r.in.Read(r.window[r.pos:min(r.pos+r.stored, full)])
	r.pos += n
	r.stored -= n
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
