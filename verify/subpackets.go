package verify

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
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

// knownCritical are the subpackets that may be marked critical.
var knownCritical = map[byte]bool{
	subCreated: true, subExpires: true, 4: true, 5: true, 6: true, subKeyExpires: true, 11: true,
	subIssuer: true, subNotation: true, 21: true, 22: true, 23: true, 24: true, subPrimaryID: true,
	26: true, subFlags: true, 28: true, subReason: true, 30: true, subEmbedded: true,
	subFingerprint: true, 35: true, 39: true,
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
		if hashed && critical && !knownCritical[kind] {
			return fmt.Errorf("it has a critical subpacket of unknown type %d", kind)
		}
		if err := s.subpacket(kind, critical, value, hashed, mayEmbed); err != nil {
			return err
		}
	}
	return nil
}

func (s *signature) subpacket(kind byte, critical bool, value []byte, hashed, mayEmbed bool) error {
	switch kind {
	case subIssuer:
		if len(value) != 8 {
			return errors.New("its issuer key ID is malformed")
		}
		id := strings.ToUpper(hex.EncodeToString(value))
		if hashed {
			s.keyIDs = append(s.keyIDs, id)
		} else {
			s.hints = append(s.hints, id)
		}
		return nil
	case subFingerprint:
		if !(len(value) == 21 && value[0] == 4 || len(value) == 33 && value[0] == 6) {
			return errors.New("its issuer fingerprint is malformed")
		}
		fpr := fingerprint(value[1:])
		if hashed {
			s.issuers = append(s.issuers, fpr)
		} else {
			s.hints = append(s.hints, string(fpr))
		}
		return nil
	case subEmbedded:
		if !mayEmbed {
			return errors.New("a signature within a signature within it")
		}
		if s.back == nil {
			s.back, _ = parseNested(value, false) // judged where a subkey needs it
		}
		return nil
	}
	if !hashed {
		return nil // anyone could have written it
	}

	switch kind {
	case subCreated:
		return setSeconds(&s.createdAt, value)
	case subExpires:
		return setSeconds(&s.lifetime, value)
	case subKeyExpires:
		return setSeconds(&s.keyLifetime, value)
	case subNotation:
		if len(value) < 8 || len(value) != 8+int(binary.BigEndian.Uint16(value[4:]))+int(binary.BigEndian.Uint16(value[6:])) {
			return errors.New("a notation in it is malformed")
		}
		if name := value[8 : 8+binary.BigEndian.Uint16(value[4:])]; critical {
			s.critical = fmt.Sprintf("it has a critical notation %q, which is unknown", name)
		}
	case subPrimaryID:
		s.primaryID = len(value) == 1 && value[0] != 0
	case subFlags:
		var first byte
		if len(value) > 0 {
			first = value[0]
		}
		if s.flags != nil && *s.flags != first {
			return errors.New("it states two sets of key flags")
		}
		s.flags = &first
	case subReason:
		if len(value) == 0 {
			return errors.New("its reason for revocation is empty")
		}
		s.reason = &value[0]
	}
	return nil
}

// setSeconds sets a time that may be stated once; the same again is harmless.
func setSeconds(field **uint32, value []byte) error {
	if len(value) != 4 {
		return errors.New("a time in it is malformed")
	}
	seconds := binary.BigEndian.Uint32(value)
	if *field != nil && **field != seconds {
		return errors.New("it states a time twice, and differently")
	}
	*field = &seconds
	return nil
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

func (c *cursor) uint(size int) (n uint64) {
	for _, b := range c.take(uint64(size)) {
		n = n<<8 | uint64(b)
	}
	return n
}
