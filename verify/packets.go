package verify

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Packet types. RFC 9580, section 5.
const (
	tagSignature     = 2
	tagSecretKey     = 5
	tagPublicKey     = 6
	tagSecretSubkey  = 7
	tagMarker        = 10
	tagTrust         = 12
	tagUserID        = 13
	tagPublicSubkey  = 14
	tagUserAttr      = 17
	tagPadding       = 21
	firstNoncritical = 40 // types from here on may be ignored
)

// rawPacket is one packet whose body has not been parsed.
type rawPacket struct {
	tag  int
	body []byte
}

// splitPackets splits data into at most limit packets with definite lengths, in
// either header format. It refuses partial and indeterminate lengths, which are
// for data packets only, and anything that is not a packet. RFC 9580, section 4.2.
func splitPackets(data []byte, limit int) ([]rawPacket, error) {
	var packets []rawPacket
	for len(data) > 0 {
		if len(packets) == limit {
			return nil, fmt.Errorf("more than %d packets", limit)
		}
		tag, header, length, err := packetHeader(data)
		if err != nil {
			return nil, err
		}
		if length > uint64(len(data)-header) {
			return nil, errors.New("a packet is longer than the data that holds it")
		}
		end := header + int(length)
		packets = append(packets, rawPacket{tag, data[header:end:end]})
		data = data[end:]
	}
	return packets, nil
}

// packetHeader reads the header at the start of data, which must not be empty.
func packetHeader(data []byte) (tag, size int, length uint64, err error) {
	first := data[0]
	if first&0x80 == 0 {
		return 0, 0, 0, errors.New("not an OpenPGP packet")
	}
	octets := func(at, n int) uint64 {
		if len(data) < at+n {
			err = errors.New("a packet header is cut short")
			return 0
		}
		var b [8]byte
		copy(b[8-n:], data[at:at+n])
		return binary.BigEndian.Uint64(b[:])
	}
	if first&0x40 == 0 {
		tag = int(first >> 2 & 0xf)
		if first&3 == 3 {
			return 0, 0, 0, errors.New("a packet has an indeterminate length")
		}
		n := 1 << (first & 3)
		length = octets(1, n)
		return tag, 1 + n, length, err
	}
	tag = int(first & 0x3f)
	switch l := octets(1, 1); {
	case err != nil:
		return 0, 0, 0, err
	case l < 192:
		return tag, 2, l, nil
	case l < 224:
		length = (l-192)<<8 + octets(2, 1) + 192
		return tag, 3, length, err
	case l < 255:
		return 0, 0, 0, errors.New("a packet has a partial length")
	default:
		length = octets(2, 4)
		return tag, 6, length, err
	}
}

// appendTo appends the packet to b, with a header in the current format.
func (p rawPacket) appendTo(b []byte) []byte {
	b = append(b, 0xc0|byte(p.tag))
	switch n := len(p.body); {
	case n < 192:
		b = append(b, byte(n))
	case n < 8384:
		b = append(b, byte((n-192)>>8)+192, byte(n-192))
	default:
		b = append(b, 255)
		b = binary.BigEndian.AppendUint32(b, uint32(n))
	}
	return append(b, p.body...)
}

func joinPackets(packets []rawPacket) []byte {
	var b []byte
	for _, p := range packets {
		b = p.appendTo(b)
	}
	return b
}
