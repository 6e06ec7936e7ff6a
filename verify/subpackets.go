package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
)

// The signature subpackets that this package reads. RFC 9580, section 5.2.3.7.
const (
	subCreated     = 2
	subExpires     = 3
	subKeyExpires  = 9
	subIssuer      = 16
	subNotation    = 20
	subPrimaryID   = 25
	subFlags       = 27
	subReason      = 29
	subEmbedded    = 32
	subFingerprint = 33
)

// subpacketSizes holds the subpackets that may be marked critical, with their
// length in octets, or 0 if it varies. This package ignores those without a name.
var subpacketSizes = map[byte]int{
	subCreated: 4, subExpires: 4, 4: 1, 5: 2, 6: 0, 7: 1, subKeyExpires: 4, 11: 0, 12: 0, subIssuer: 8,
	subNotation: 0, 21: 0, 22: 0, 23: 0, 24: 0, subPrimaryID: 1, 26: 0, subFlags: 0, 28: 0, subReason: 0,
	30: 0, subEmbedded: 0, subFingerprint: 0, 35: 0, 39: 0,
}

// flagSign is the key flag for signing data. RFC 9580, section 5.2.3.29.
const flagSign = 0x02

// readSubpackets reads one of the two subpacket areas. RFC 9580, section 5.2.3.7.
func (s *signature) readSubpackets(area []byte, hashed, mayEmbed bool) error {
	r := &cursor{rest: area}
	for len(r.rest) > 0 {
		n := uint64(r.byte())
		switch {
		case n >= 255:
			n = r.uint(4)
		case n >= 192:
			n = (n-192)<<8 + uint64(r.byte()) + 192
		}
		content := r.next(n)
		if r.short || len(content) == 0 {
			return errors.New("a subpacket is cut short")
		}
		kind, critical, value := content[0]&0x7f, content[0]&0x80 != 0, content[1:]
		switch {
		case kind == subEmbedded:
			if mayEmbed && s.backSignature == nil {
				s.backSignature, _ = parseNested(value, false) // checked by stateAt
			}
		case hashed:
			s.readSubpacket(kind, critical, value)
		case kind == subIssuer && len(value) == 8, kind == subFingerprint && isFingerprint(value):
			s.unhashedIssuers = append(s.unhashedIssuers, string(fingerprint(value[len(value)&1:]))) // without the version octet of a fingerprint
		}
	}
	return nil
}

// readSubpacket reads a subpacket of the hashed area. Anyone can change the other
// area, so only issuers and back-signatures are read from it.
func (s *signature) readSubpacket(kind byte, critical bool, value []byte) {
	size, ok := subpacketSizes[kind]
	switch {
	case !ok && critical:
		s.addFlaw("it has a critical subpacket of unknown type %d", kind)
		return
	case size > 0 && len(value) != size:
		s.addFlaw("a subpacket of type %d in it is malformed", kind)
		return
	}
	switch kind {
	case subCreated:
		s.setSeconds(&s.createdAt, value)
	case subExpires:
		s.setSeconds(&s.lifetime, value)
	case subKeyExpires:
		s.setSeconds(&s.keyLifetime, value)
	case subIssuer:
		if s.version == 6 {
			s.addFlaw("it names its key by a key ID, which version 6 does not allow")
		}
		s.keyIDs = append(s.keyIDs, string(fingerprint(value)))
	case subFingerprint:
		if !isFingerprint(value) {
			s.addFlaw("its issuer fingerprint is malformed")
			return
		}
		s.issuers = append(s.issuers, fingerprint(value[1:]))
	case subNotation:
		if len(value) < 8 || len(value) != 8+int(binary.BigEndian.Uint16(value[4:]))+int(binary.BigEndian.Uint16(value[6:])) {
			s.addFlaw("a notation in it is malformed")
		} else if name := value[8 : 8+binary.BigEndian.Uint16(value[4:])]; critical {
			s.addFlaw("it has a critical notation %q, which is unknown", name)
		}
	case subPrimaryID:
		s.primaryID = value[0] != 0
	case subFlags:
		var first byte
		if len(value) > 0 {
			first = value[0]
		}
		if s.flags != nil && *s.flags != first {
			s.addFlaw("it states two sets of key flags")
		}
		s.flags = &first
	case subReason:
		if len(value) == 0 || s.reason != nil && *s.reason != value[0] {
			s.addFlaw("its reason for revocation is empty, or stated twice with different values")
			return
		}
		s.reason = &value[0]
	}
}

// isFingerprint reports whether value is a key version followed by a fingerprint of
// that version. RFC 9580, section 5.2.3.35.
func isFingerprint(value []byte) bool {
	return len(value) == 21 && value[0] == 4 || len(value) == 33 && value[0] == 6
}

// setSeconds sets a time field. Stating it twice with different values is a flaw.
func (s *signature) setSeconds(field **uint32, value []byte) {
	seconds := binary.BigEndian.Uint32(value)
	if *field != nil && **field != seconds {
		s.addFlaw("it states a time twice with different values")
		return
	}
	*field = &seconds
}

// cursor reads octets in order.
type cursor struct {
	rest  []byte
	short bool // a read went past the end
}

// next returns the next n octets. If there are fewer it returns nil and sets short.
func (c *cursor) next(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.short, c.rest = true, nil
		return nil
	}
	octets := c.rest[:n]
	c.rest = c.rest[n:]
	return octets
}

func (c *cursor) byte() byte {
	if b := c.next(1); b != nil {
		return b[0]
	}
	return 0
}

// number reads a multiprecision integer and returns its canonical encoding. exact
// reports whether it was encoded so. RFC 9580, section 3.2.
func (c *cursor) number() (canonical []byte, exact bool) {
	stated := c.uint(2)
	given := c.next((stated + 7) / 8)
	digits := bytes.TrimLeft(given, "\x00")
	size := 0
	if len(digits) > 0 {
		size = 8*(len(digits)-1) + bits.Len8(digits[0])
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(size)), digits...), uint64(size) == stated
}

// uint reads an integer of size octets, most significant first.
func (c *cursor) uint(size int) (n uint64) {
	for _, b := range c.next(uint64(size)) {
		n = n<<8 | uint64(b)
	}
	return n
}
