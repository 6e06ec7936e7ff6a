package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
)

// Signature subpackets that count here. RFC 9580, section 5.2.3.7.
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

// known are the subpackets that may be marked critical, with their length, or 0
// where it varies. Those without a name here change nothing for this package.
var known = map[byte]int{
	subCreated: 4, subExpires: 4, 4: 1, 5: 2, 6: 0, 7: 1, subKeyExpires: 4, 11: 0, 12: 0, subIssuer: 8,
	subNotation: 0, 21: 0, 22: 0, 23: 0, 24: 0, subPrimaryID: 1, 26: 0, subFlags: 0, 28: 0, subReason: 0,
	30: 0, subEmbedded: 0, subFingerprint: 0, 35: 0, 39: 0,
}

// flagSign is the key flag for signing data. RFC 9580, section 5.2.3.29.
const flagSign = 0x02

// subpackets reads one of the two areas. RFC 9580, section 5.2.3.7.
func (s *signature) subpackets(area []byte, hashed, mayEmbed bool) error {
	r := &cursor{rest: area}
	for len(r.rest) > 0 {
		n := uint64(r.byte())
		switch {
		case n >= 255:
			n = r.uint(4)
		case n >= 192:
			n = (n-192)<<8 + uint64(r.byte()) + 192
		}
		content := r.take(n)
		if r.short || len(content) == 0 {
			return errors.New("a subpacket is cut short")
		}
		kind, critical, value := content[0]&0x7f, content[0]&0x80 != 0, content[1:]
		switch {
		case kind == subEmbedded:
			if mayEmbed && s.back == nil {
				s.back, _ = parseNested(value, false) // judged where a subkey needs it
			}
		case hashed:
			s.subpacket(kind, critical, value)
		case kind == subIssuer && len(value) == 8, kind == subFingerprint && isFingerprint(value):
			s.hints = append(s.hints, string(fingerprint(value[len(value)&1:]))) // a fingerprint without its version
		}
	}
	return nil
}

// subpacket reads one of the hashed area: of the other, anyone could have written
// the rest.
func (s *signature) subpacket(kind byte, critical bool, value []byte) {
	size, ok := known[kind]
	switch {
	case !ok && critical:
		s.flaws("it has a critical subpacket of unknown type %d", kind)
		return
	case size > 0 && len(value) != size:
		s.flaws("a subpacket of type %d in it is malformed", kind)
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
			s.flaws("it names its key by a key ID, which version 6 does not")
		}
		s.keyIDs = append(s.keyIDs, string(fingerprint(value)))
	case subFingerprint:
		if !isFingerprint(value) {
			s.flaws("its issuer fingerprint is malformed")
			return
		}
		s.issuers = append(s.issuers, fingerprint(value[1:]))
	case subNotation:
		if len(value) < 8 || len(value) != 8+int(binary.BigEndian.Uint16(value[4:]))+int(binary.BigEndian.Uint16(value[6:])) {
			s.flaws("a notation in it is malformed")
		} else if name := value[8 : 8+binary.BigEndian.Uint16(value[4:])]; critical {
			s.flaws("it has a critical notation %q, which is unknown", name)
		}
	case subPrimaryID:
		s.primaryID = value[0] != 0
	case subFlags:
		var first byte
		if len(value) > 0 {
			first = value[0]
		}
		if s.flags != nil && *s.flags != first {
			s.flaws("it states two sets of key flags")
		}
		s.flags = &first
	case subReason:
		if len(value) == 0 || s.reason != nil && *s.reason != value[0] {
			s.flaws("its reason for revocation is empty or stated twice, and differently")
			return
		}
		s.reason = &value[0]
	}
}

// isFingerprint reports whether value is the version of a key with its
// fingerprint. RFC 9580, section 5.2.3.35.
func isFingerprint(value []byte) bool {
	return len(value) == 21 && value[0] == 4 || len(value) == 33 && value[0] == 6
}

// setSeconds sets a time that may be stated once; the same again is harmless.
func (s *signature) setSeconds(field **uint32, value []byte) {
	seconds := binary.BigEndian.Uint32(value)
	if *field != nil && **field != seconds {
		s.flaws("it states a time twice, and differently")
		return
	}
	*field = &seconds
}

// A cursor reads octets in order and remembers when there were too few.
type cursor struct {
	rest  []byte
	short bool
}

func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.short, c.rest = true, nil
		return nil
	}
	taken := c.rest[:n]
	c.rest = c.rest[n:]
	return taken
}

func (c *cursor) byte() byte {
	if b := c.take(1); b != nil {
		return b[0]
	}
	return 0
}

// number reads a multiprecision integer and returns it as it should be written;
// exact is false where it is not written so. RFC 9580, section 3.2.
func (c *cursor) number() (written []byte, exact bool) {
	stated := c.uint(2)
	given := c.take((stated + 7) / 8)
	digits := bytes.TrimLeft(given, "\x00")
	size := 0
	if len(digits) > 0 {
		size = 8*(len(digits)-1) + bits.Len8(digits[0])
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(size)), digits...), uint64(size) == stated
}

func (c *cursor) uint(size int) (n uint64) {
	for _, b := range c.take(uint64(size)) {
		n = n<<8 | uint64(b)
	}
	return n
}
