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

// signatureBlock splits a block of signatures into packets. The block is binary,
// or one armor block with nothing around it but white space.
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

// isBinary reports whether block is packets without armor. The first octet of a
// packet has its highest bit set (RFC 9580, section 4.2); that of armor has not.
func isBinary(block []byte) bool { return len(block) > 0 && block[0]&0x80 != 0 }

// AppendSignature returns one armored block with the signatures of block and
// more, each of which may be armored or binary. Duplicates are dropped. A result
// over the limits is an error.
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

// Claim is what one signature states about itself. Nothing in it is proved.
type Claim struct {
	Issuer  Fingerprint `json:"issuer,omitempty"` // of the key that made it, empty if it states only a key ID
	KeyID   string      `json:"key_id,omitempty"` // 16 hex digits, empty if it names no key
	Created time.Time   `json:"created"`
	Fits    bool        `json:"fits"` // the data's digest begins with the two octets that the packet carries
}

// NamesKeyOf reports whether c claims to be by a primary key or a signing subkey of ring.
func (c Claim) NamesKeyOf(ring *Keyring) bool { return slices.ContainsFunc(ring.Pins(), c.Names) }

// Names reports whether c claims to be by the primary key or a signing subkey of p.
func (c Claim) Names(p Pin) bool {
	return slices.ContainsFunc(append([]Fingerprint{p.Primary}, p.Subkeys...), func(f Fingerprint) bool {
		return c.Issuer == f || c.Issuer == "" && c.KeyID == f.keyID()
	})
}

// Claims returns what each signature of a block of detached signatures of data
// states, without checking any by a key. Publishers use it to identify signatures
// that they were given. A signature that can't be read is an error.
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
		case len(s.unhashedIssuers) > 0:
			if claim.KeyID = s.unhashedIssuers[0]; len(s.unhashedIssuers[0]) > 16 {
				claim.Issuer = Fingerprint(s.unhashedIssuers[0])
				claim.KeyID = claim.Issuer.keyID()
			}
		}
		if s.kind == packet.SigTypeBinary {
			h := s.newHash()
			h.Write(data)
			_, claim.Fits = s.finishHash(h)
		}
		claims = append(claims, claim)
	}
	return claims, nil
}
