package verify

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Ceilings for a block of signatures, before armor and after.
const (
	maxSignatureBlock   = 64 << 10 // bytes
	maxSignaturePackets = 16
)

// signatureBlock frames a block of signatures: binary packets, or one armor
// block with nothing around it but white space.
func signatureBlock(block []byte) ([]rawPacket, error) {
	if len(block) > maxSignatureBlock {
		return nil, fmt.Errorf("the signature is over the limit of %d bytes", maxSignatureBlock)
	}
	if isBlank(block) {
		return nil, errors.New("the signature is empty")
	}
	if !isBinary(block) {
		decoded, rest, err := dearmor(armorSignature, bytes.TrimLeft(block, " \t\r\n"))
		if err != nil {
			return nil, fmt.Errorf("the signature is malformed: %w", err)
		}
		if !isBlank(rest) {
			return nil, errors.New("something follows the signature's armor")
		}
		block = decoded
	}
	packets, err := splitPackets(block, maxSignaturePackets)
	if err != nil {
		return nil, fmt.Errorf("the signature is malformed: %w", err)
	}
	if len(packets) == 0 {
		return nil, errors.New("the signature is empty")
	}
	for _, raw := range packets {
		if raw.tag != tagSignature {
			return nil, fmt.Errorf("a packet of type %d stands among the signatures", raw.tag)
		}
	}
	return packets, nil
}

// isBinary reports whether block is packets without armor: their first octet has
// its highest bit set (RFC 9580, section 4.2), which no armor begins with.
func isBinary(block []byte) bool { return len(block) > 0 && block[0]&0x80 != 0 }

// AppendSignature returns one armored block that holds the signatures of block
// and those of more, which may be armored or binary. A signature in both is
// written once. A block over the limits is an error.
func AppendSignature(block, more []byte) ([]byte, error) {
	var all []rawPacket
	for _, part := range [][]byte{block, more} {
		packets, err := signatureBlock(part)
		if err != nil {
			return nil, err
		}
		for _, raw := range packets {
			if !slices.ContainsFunc(all, func(have rawPacket) bool { return bytes.Equal(have.body, raw.body) }) {
				all = append(all, raw)
			}
		}
	}
	joined := enarmor(armorSignature, joinPackets(all))
	if _, err := signatureBlock(joined); err != nil {
		return nil, err
	}
	return joined, nil
}

// SplitSignatures returns each signature of block as an armored block of its own.
func SplitSignatures(block []byte) (singles [][]byte, err error) {
	packets, err := signatureBlock(block)
	if err != nil {
		return nil, err
	}
	for _, raw := range packets {
		singles = append(singles, enarmor(armorSignature, joinPackets([]rawPacket{raw})))
	}
	return singles, nil
}

// A Claim is what one signature says about itself. Nothing in it is proved.
type Claim struct {
	Issuer  Fingerprint `json:"issuer,omitempty"` // of the key that made it, empty where it gives only a key ID
	KeyID   string      `json:"key_id,omitempty"` // 16 hex digits, empty where it names no key
	Created time.Time   `json:"created"`
	Fits    bool        `json:"fits"` // the two octets of the digest that it carries are those of the data
}

// Claims reads a block of detached signatures as a publisher does who was handed
// it and wants to know what it is, without any keys. A signature that can't be
// read is an error.
func Claims(block, data []byte) ([]Claim, error) {
	packets, err := signatureBlock(block)
	if err != nil {
		return nil, err
	}
	var claims []Claim
	for i, raw := range packets {
		s, err := parseSignature(raw.body)
		if err != nil {
			return nil, fmt.Errorf("signature %d: %w", i+1, err)
		}
		claim := Claim{Created: s.created}
		switch {
		case len(s.issuers) > 0:
			claim.Issuer, claim.KeyID = s.issuers[0], s.issuers[0].keyID()
		case len(s.keyIDs) > 0:
			claim.KeyID = s.keyIDs[0]
		case len(s.hints) > 0:
			if claim.KeyID = s.hints[0]; len(s.hints[0]) > 16 {
				claim.Issuer = Fingerprint(s.hints[0])
				claim.KeyID = claim.Issuer.keyID()
			}
		}
		if s.kind == packet.SigTypeBinary {
			h := s.newHash()
			h.Write(data)
			_, claim.Fits = s.sum(h)
		}
		claims = append(claims, claim)
	}
	return claims, nil
}
