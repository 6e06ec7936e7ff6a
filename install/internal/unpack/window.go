package unpack

import (
	"bufio"
)

// maxWindow is the largest window or dictionary of zstd and xz, in bytes.
// Rust's archives use all of it.
const maxWindow = 128 << 20

// smallWindow is what the other decoders need, and the least that is reserved for xz and
// zstd.
const smallWindow = 1 << 20

// window returns the size in bytes of the window that the header of the stream in buf
// states, without consuming input. If the header is malformed, it returns smallWindow and
// leaves the error to the decoder.
func window(codec string, buf *bufio.Reader) (int64, error) {
	need := int64(smallWindow)
	switch codec {
	case "xz":
		need = max(need, xzWindow(buf))
	case "zst":
		need = max(need, zstdWindow(buf))
	}
	if need > maxWindow {
		return 0, refuse(RuleCeiling, "", "its decoder needs a window of %d bytes; the limit is %d", need, int64(maxWindow))
	}
	return need, nil
}

// xzWindow returns the dictionary size of the first block (The .xz File Format 1.2.0,
// sections 3.1 and 5.3.1), which the last of its filters, LZMA2, states.
func xzWindow(buf *bufio.Reader) int64 {
	const start, lzma2 = 12, 0x21 // start is the length of the stream header
	head, _ := buf.Peek(start + 1)
	if len(head) <= start {
		return 0
	}
	head, _ = buf.Peek(start + 4*(int(head[start])+1))
	head = head[min(len(head), start):]
	if len(head) < 2 {
		return 0
	}
	flags, head := head[1], head[2:]
	number := func() (v uint64) {
		for shift := 0; len(head) > 0; shift += 7 {
			b := head[0]
			head = head[1:]
			v |= uint64(b&0x7f) << min(shift, 63)
			if b&0x80 == 0 {
				break
			}
		}
		return v
	}
	for _, size := range []byte{0x40, 0x80} { // skip the sizes that are present
		if flags&size != 0 {
			number()
		}
	}
	for range flags&3 + 1 {
		id, size := number(), number()
		if id == lzma2 && size == 1 && len(head) > 0 {
			bits := head[0]
			if bits > 39 {
				return 1 << 32
			}
			return int64(2|bits&1) << (bits/2 + 11)
		}
		head = head[min(size, uint64(len(head))):]
	}
	return 0
}

// zstdWindow returns the window size of the frame, or its content size if it is a single
// segment (RFC 8878, section 3.1.1.1).
func zstdWindow(buf *bufio.Reader) int64 {
	head, _ := buf.Peek(4 + 1 + 8)
	if len(head) < 6 {
		return 0
	}
	descriptor, rest := head[4], head[5:]
	if descriptor>>5&1 == 0 {
		log := rest[0]>>3 + 10
		return int64(1)<<log + int64(rest[0]&7)<<(log-3)
	}
	if descriptor&3 != 0 {
		return 0 // needs a dictionary, which the decoder refuses
	}
	var size uint64
	for i, n := 0, []int{1, 2, 4, 8}[descriptor>>6]; i < n && i < len(rest); i++ {
		size |= uint64(rest[i]) << (8 * i)
	}
	return int64(min(size, 1<<40))
}
