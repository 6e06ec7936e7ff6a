package inflate

import "math/bits"

// A code is decoded by a table: the next bits of the input, as many as its first
// part has, are an index of it. An entry there is, from the lowest bit on:
//
//	0 to 5    how many bits it takes, those of a number that follows included
//	6 to 9    how many of them are the code's; of a link, how many bits behind
//	          it are the index of the part it leads to
//	10 to 14  what it is: literal, link, end, invalid; a length or distance is none
//	16 to 31  the literal, the least length or distance, or where a link leads
const (
	literal = 1 << 10
	link    = 1 << 11
	end     = 1 << 12
	invalid = 1 << 13
	special = link | end | invalid

	takes   = 1<<6 - 1
	ownBits = 6
	value   = 16

	maxSymbols = 288
)

// The sizes of tables: of their first parts, in bits, and of all that a code of
// at most 15 bits can need besides. Source: zlib's program enough.
const (
	litBits, litSize   = 11, 2342 // of 288 symbols
	distBits, distSize = 8, 402   // of 32 symbols
	preBits, preSize   = 7, 128   // of 19 symbols of at most 7 bits
)

const longestCode = 15

// build makes the table of a code: lengths are those of the symbols' codes (RFC
// 1951, section 3.2.2), of which the shortest come first and equals in order,
// and entries describe the symbols but for their codes. A code must have room
// for no symbol more, unless lone allows that there is only one, of one bit; what
// has no code at all cannot be used.
func build(table []uint32, first int, lengths []uint8, entries []uint32, lone bool) error {
	var count, at [longestCode + 2]int
	for _, l := range lengths {
		count[l]++
	}
	longest := longestCode
	for longest > 0 && count[longest] == 0 {
		longest--
	}
	room := 1
	for l := 1; l <= longest; l++ {
		if room = room<<1 - count[l]; room < 0 {
			return ErrCorrupt
		}
	}
	if room > 0 {
		if longest > 1 || longest == 1 && !lone {
			return ErrCorrupt
		}
		for i := range 1 << first {
			table[i] = invalid | 1
		}
	}
	at[1] = 0
	for l := 1; l <= longestCode; l++ {
		at[l+1] = at[l] + count[l]
	}
	var sorted [maxSymbols]uint16
	for symbol, l := range lengths {
		if l > 0 {
			sorted[at[l]] = uint16(symbol)
			at[l]++
		}
	}
	code, free := 0, 1<<first // the next code, and entry of the table
	start, size := 0, 0       // of the last link's part, in entries and bits
	prefix := -1              // that leads there
	for i, length := 0, 1; length <= longest; length++ {
		for ; count[length] > 0; i, count[length], code = i+1, count[length]-1, code+1 {
			e := entries[sorted[i]] + uint32(length)
			reversed := int(bits.Reverse16(uint16(code)) >> (16 - length))
			if length <= first {
				for at := reversed; at < 1<<first; at += 1 << length {
					table[at] = e | uint32(length)<<ownBits
				}
				continue
			}
			if low := reversed & (1<<first - 1); low != prefix {
				prefix, start, size = low, free, length-first
				for room := 1 << size; first+size < longest; size++ {
					if room -= count[first+size]; room <= 0 {
						break
					}
					room <<= 1
				}
				free += 1 << size
				table[low] = link | uint32(first) | uint32(size)<<ownBits | uint32(start)<<value
			}
			e -= uint32(first) // the link takes those
			for at := reversed >> first; at < 1<<size; at += 1 << (length - first) {
				table[start+at] = e | uint32(length-first)<<ownBits
			}
		}
		code <<= 1
	}
	return nil
}

// entriesOf describes symbols that stand for numbers: extra bits follow each, and
// the least numbers follow from them.
func lengthEntries() (e [maxSymbols]uint32) {
	for symbol := range 256 {
		e[symbol] = literal | uint32(symbol)<<value
	}
	e[256] = end
	least := uint32(3)
	for i := range 28 {
		extra := uint32(max(0, i/4-1))
		e[257+i] = extra | least<<value
		least += 1 << extra
	}
	e[285] = longest << value
	e[286], e[287] = invalid, invalid
	return e
}

func distanceEntries() (e [32]uint32) {
	least := uint32(1)
	for i := range 30 {
		extra := uint32(max(0, i/2-1))
		e[i] = extra | least<<value
		least += 1 << extra
	}
	e[30], e[31] = invalid, invalid
	return e
}

func plainEntries() (e [19]uint32) {
	for i := range e {
		e[i] = uint32(i) << value
	}
	return e
}

// order is that of the lengths of the code that lengths are written in (section
// 3.2.7).
var order = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// fixedCodes are those of section 3.2.6.
func (r *Reader) fixedCodes() error {
	var lengths [maxSymbols]uint8
	for symbol := range lengths {
		switch {
		case symbol < 144:
			lengths[symbol] = 8
		case symbol < 256:
			lengths[symbol] = 9
		case symbol < 280:
			lengths[symbol] = 7
		default:
			lengths[symbol] = 8
		}
	}
	var distances [32]uint8
	for symbol := range distances {
		distances[symbol] = 5
	}
	return r.build(lengths[:], distances[:])
}

func (r *Reader) build(lengths, distances []uint8) error {
	lengthSymbols, distanceSymbols := lengthEntries(), distanceEntries()
	if err := build(r.lit[:], litBits, lengths, lengthSymbols[:], true); err != nil {
		return err
	}
	return build(r.dist[:], distBits, distances, distanceSymbols[:], true)
}

// dynamicCodes reads the codes that a block begins with (section 3.2.7).
func (r *Reader) dynamicCodes() error {
	head, err := r.take(14)
	if err != nil {
		return err
	}
	lengths, distances, written := int(head&31)+257, int(head>>5&31)+1, int(head>>10)+4
	if lengths > 286 || distances > 30 {
		return ErrCorrupt
	}
	var pre [19]uint8
	for _, symbol := range order[:written] {
		l, err := r.take(3)
		if err != nil {
			return err
		}
		pre[symbol] = uint8(l)
	}
	var table [preSize]uint32
	plainSymbols := plainEntries()
	if err := build(table[:], preBits, pre[:], plainSymbols[:], false); err != nil {
		return err
	}
	var all [286 + 30]uint8
	for i := 0; i < lengths+distances; {
		symbol, err := r.symbol(&table)
		if err != nil {
			return err
		}
		if symbol < 16 {
			all[i] = uint8(symbol)
			i++
			continue
		}
		var what uint8
		least, extra := 3, uint(2)
		switch symbol {
		case 16:
			if i == 0 {
				return ErrCorrupt
			}
			what = all[i-1]
		case 17:
			extra = 3
		case 18:
			least, extra = 11, 7
		}
		more, err := r.take(extra)
		if err != nil {
			return err
		}
		for range least + int(more) {
			if i == lengths+distances {
				return ErrCorrupt
			}
			all[i] = what
			i++
		}
	}
	if all[256] == 0 {
		return ErrCorrupt // the block could not end
	}
	return r.build(all[:lengths], all[lengths:lengths+distances])
}

// symbol reads one of the code that lengths are written in.
func (r *Reader) symbol(table *[preSize]uint32) (uint32, error) {
	if err := r.refill(); err != nil {
		return 0, err
	}
	e := table[r.bits&(preSize-1)]
	if e&invalid != 0 {
		return 0, ErrCorrupt
	}
	_, err := r.take(uint(e & takes))
	return e >> value, err
}
