package inflate

import "math/bits"

// A code is decoded by a table with a main part and subtables. The next bits of the
// input are an index into the main part; an entry for longer codes links to a
// subtable. The bits of an entry, lowest first:
//
//	0 to 5    number of input bits to consume, including the extra bits of a length
//	          or distance
//	6 to 9    number of those that belong to the code; for a link, the number of
//	          bits that index the subtable
//	10 to 13  kind: literal, subtable, endOfBlock or invalid; none of them for a
//	          length or distance
//	16 to 31  the literal, the base length or distance, or the start of the subtable
const (
	literal    = 1 << 10
	subtable   = 1 << 11
	endOfBlock = 1 << 12
	invalid    = 1 << 13
	special    = subtable | endOfBlock | invalid

	bitsMask      = 1<<6 - 1
	codeBitsShift = 6
	valueShift    = 16

	maxSymbols = 288
)

// The sizes of the main part, in bits of its index, and of the whole table, in
// entries, for any code of at most 15 bits. Source: zlib's program enough.
const (
	litBits, litSize   = 11, 2342 // of 288 symbols
	distBits, distSize = 8, 402   // of 32 symbols
	lenBits, lenSize   = 7, 128   // of 19 symbols of at most 7 bits
)

const maxCodeBits = 15

// buildTable fills the table of a canonical code (RFC 1951, section 3.2.2). lengths
// holds the code length of each symbol, and entries its table entry without the
// bits of its code. firstBits is the index size of the main part. The code must be
// complete, except that with allowSingle it may have a single symbol of one bit, or
// no symbol, in which case any use of it is corrupt.
func buildTable(table []uint32, firstBits int, lengths []uint8, entries []uint32, allowSingle bool) error {
	var count, offsets [maxCodeBits + 2]int
	for _, l := range lengths {
		count[l]++
	}
	longest := maxCodeBits
	for longest > 0 && count[longest] == 0 {
		longest--
	}
	available := 1
	for l := 1; l <= longest; l++ {
		if available = available<<1 - count[l]; available < 0 {
			return errCorrupt
		}
	}
	if available > 0 {
		if longest > 1 || longest == 1 && !allowSingle {
			return errCorrupt
		}
		for i := range 1 << firstBits {
			table[i] = invalid | 1
		}
	}
	offsets[1] = 0
	for l := 1; l <= maxCodeBits; l++ {
		offsets[l+1] = offsets[l] + count[l]
	}
	var sorted [maxSymbols]uint16
	for symbol, l := range lengths {
		if l > 0 {
			sorted[offsets[l]] = uint16(symbol)
			offsets[l]++
		}
	}
	code, nextFree := 0, 1<<firstBits // the next code, and the next unused table entry
	subStart, subBits := 0, 0         // start and index size of the last subtable
	prefix := -1                      // index of the link to it
	for i, length := 0, 1; length <= longest; length++ {
		for ; count[length] > 0; i, count[length], code = i+1, count[length]-1, code+1 {
			e := entries[sorted[i]] + uint32(length)
			reversed := int(bits.Reverse16(uint16(code)) >> (16 - length))
			if length <= firstBits {
				for index := reversed; index < 1<<firstBits; index += 1 << length {
					table[index] = e | uint32(length)<<codeBitsShift
				}
				continue
			}
			if low := reversed & (1<<firstBits - 1); low != prefix {
				prefix, subStart, subBits = low, nextFree, length-firstBits
				for available := 1 << subBits; firstBits+subBits < longest; subBits++ {
					if available -= count[firstBits+subBits]; available <= 0 {
						break
					}
					available <<= 1
				}
				nextFree += 1 << subBits
				table[low] = subtable | uint32(firstBits) | uint32(subBits)<<codeBitsShift | uint32(subStart)<<valueShift
			}
			e -= uint32(firstBits) // the link consumes those
			for index := reversed >> firstBits; index < 1<<subBits; index += 1 << (length - firstBits) {
				table[subStart+index] = e | uint32(length-firstBits)<<codeBitsShift
			}
		}
		code <<= 1
	}
	return nil
}

// lengthEntries returns the entries of literals, the end of a block, and lengths
// with their extra bits (RFC 1951, section 3.2.5).
func lengthEntries() (e [maxSymbols]uint32) {
	for symbol := range 256 {
		e[symbol] = literal | uint32(symbol)<<valueShift
	}
	e[256] = endOfBlock
	least := uint32(3)
	for i := range 28 {
		extra := uint32(max(0, i/4-1))
		e[257+i] = extra | least<<valueShift
		least += 1 << extra
	}
	e[285] = maxMatch << valueShift
	e[286], e[287] = invalid, invalid
	return e
}

// distanceEntries returns the entries of distances with their extra bits (RFC 1951,
// section 3.2.5).
func distanceEntries() (e [32]uint32) {
	least := uint32(1)
	for i := range 30 {
		extra := uint32(max(0, i/2-1))
		e[i] = extra | least<<valueShift
		least += 1 << extra
	}
	e[30], e[31] = invalid, invalid
	return e
}

// codeLengthEntries returns the entries of the code for code lengths (RFC 1951,
// section 3.2.7).
func codeLengthEntries() (e [19]uint32) {
	for i := range e {
		e[i] = uint32(i) << valueShift
	}
	return e
}

// codeLengthOrder is the order in which the code for code lengths states its own
// lengths (RFC 1951, section 3.2.7).
var codeLengthOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// fixedCodes builds the tables of the fixed codes (RFC 1951, section 3.2.6).
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
	return r.buildTables(lengths[:], distances[:])
}

// buildTables builds the tables of a block from the code lengths of its literals
// and lengths, and of its distances.
func (r *Reader) buildTables(lengths, distances []uint8) error {
	lengthSymbols, distanceSymbols := lengthEntries(), distanceEntries()
	if err := buildTable(r.lit[:], litBits, lengths, lengthSymbols[:], true); err != nil {
		return err
	}
	return buildTable(r.dist[:], distBits, distances, distanceSymbols[:], true)
}

// dynamicCodes reads the codes at the start of a block and builds their tables (RFC
// 1951, section 3.2.7).
func (r *Reader) dynamicCodes() error {
	head, err := r.readBits(14)
	if err != nil {
		return err
	}
	lengths, distances, count := int(head&31)+257, int(head>>5&31)+1, int(head>>10)+4
	if lengths > 286 || distances > 30 {
		return errCorrupt
	}
	var codeLengths [19]uint8
	for _, symbol := range codeLengthOrder[:count] {
		l, err := r.readBits(3)
		if err != nil {
			return err
		}
		codeLengths[symbol] = uint8(l)
	}
	var table [lenSize]uint32
	symbols := codeLengthEntries()
	if err := buildTable(table[:], lenBits, codeLengths[:], symbols[:], false); err != nil {
		return err
	}
	var allLengths [286 + 30]uint8
	for i := 0; i < lengths+distances; {
		symbol, err := r.lengthSymbol(&table)
		if err != nil {
			return err
		}
		if symbol < 16 {
			allLengths[i] = uint8(symbol)
			i++
			continue
		}
		var repeated uint8
		least, extra := 3, uint(2)
		switch symbol {
		case 16:
			if i == 0 {
				return errCorrupt
			}
			repeated = allLengths[i-1]
		case 17:
			extra = 3
		case 18:
			least, extra = 11, 7
		}
		extraValue, err := r.readBits(extra)
		if err != nil {
			return err
		}
		for range least + int(extraValue) {
			if i == lengths+distances {
				return errCorrupt
			}
			allLengths[i] = repeated
			i++
		}
	}
	if allLengths[256] == 0 {
		return errCorrupt // the block could not end
	}
	return r.buildTables(allLengths[:lengths], allLengths[lengths:lengths+distances])
}

// lengthSymbol reads one symbol of the code for code lengths.
func (r *Reader) lengthSymbol(table *[lenSize]uint32) (uint32, error) {
	if err := r.refill(); err != nil {
		return 0, err
	}
	e := table[r.bits&(lenSize-1)]
	if e&invalid != 0 {
		return 0, errCorrupt
	}
	_, err := r.readBits(uint(e & bitsMask))
	return e >> valueShift, err
}
