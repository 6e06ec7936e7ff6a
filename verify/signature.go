package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math/bits"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A signature is one signature packet, read twice: by this file, which decides
// what it claims, and by the library, which computes. Everything but the issuer
// hints and the back-signature comes from the hashed area.
type signature struct {
	body        []byte
	version     int
	kind        packet.SignatureType
	algorithm   packet.PublicKeyAlgorithm
	hash        byte // RFC 9580, section 9.5
	created     time.Time
	createdAt   *uint32 // the same as stated
	lifetime    *uint32 // seconds; nil or 0: for ever
	keyLifetime *uint32 // seconds from the key's creation; 0: for ever
	flags       *byte   // first octet of the key flags
	primaryID   bool
	reason      *byte         // for revocation
	issuers     []Fingerprint // hashed issuer fingerprints: binding
	keyIDs      []string      // hashed issuer key IDs, 16 hex digits: binding
	hints       []string      // unhashed fingerprints and key IDs: only for finding candidates
	critical    string        // a critical notation, which nobody here knows
	back        *signature    // embedded primary key binding signature
	lib         *packet.Signature
}

// parseSignature reads the body of a signature packet. An error is a sentence
// that says why it can't be judged; such a signature is worth nothing.
func parseSignature(body []byte) (*signature, error) {
	return parseNested(body, true)
}

func parseNested(body []byte, mayEmbed bool) (*signature, error) {
	s := &signature{body: body}
	r := &cursor{rest: body}
	s.version = int(r.byte())
	lengthSize := 2
	switch s.version {
	case 4:
	case 6:
		lengthSize = 4
	default:
		return nil, fmt.Errorf("signature packets of version %d are not accepted", s.version)
	}
	s.kind = packet.SignatureType(r.byte())
	s.algorithm = packet.PublicKeyAlgorithm(r.byte())
	s.hash = r.byte()
	hashed := r.take(r.uint(lengthSize))
	unhashed := r.take(r.uint(lengthSize))
	r.take(2) // left 16 bits of the digest
	if s.version == 6 {
		r.take(uint64(r.byte())) // salt
	}
	if r.short {
		return nil, errors.New("the packet is cut short")
	}
	if err := s.subpackets(hashed, true, mayEmbed); err != nil {
		return nil, err
	}
	if err := s.subpackets(unhashed, false, mayEmbed); err != nil {
		return nil, err
	}
	if s.createdAt == nil {
		return nil, errors.New("it has no creation time")
	}
	s.created = time.Unix(int64(*s.createdAt), 0).UTC()
	if _, ok := hashNames[s.hash]; !ok && s.hash != weakHash {
		return nil, fmt.Errorf("its digest is %s, which is refused", hashName(s.hash))
	}
	if err := checkNumbers(s.algorithm, r.rest); err != nil {
		return nil, err
	}

	in := bytes.NewReader(rawPacket{tagSignature, body}.appendTo(nil))
	parsed, err := packet.Read(in)
	if err != nil {
		return nil, fmt.Errorf("the packet is malformed (%v)", err)
	}
	lib, ok := parsed.(*packet.Signature)
	if !ok || in.Len() != 0 {
		return nil, errors.New("the packet is malformed")
	}
	s.lib = lib
	return s, nil
}

// checkNumbers refuses multiprecision integers whose stated length is not their
// own, and anything before or after them, so that one signature has one
// spelling. RFC 9580, section 3.2.
func checkNumbers(algorithm packet.PublicKeyAlgorithm, data []byte) error {
	r := &cursor{rest: data}
	var count int
	switch algorithm {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
		count = 1
	case packet.PubKeyAlgoDSA, packet.PubKeyAlgoECDSA, packet.PubKeyAlgoEdDSA:
		count = 2
	case packet.PubKeyAlgoEd25519:
		r.take(64)
	case packet.PubKeyAlgoEd448:
		r.take(114)
	default:
		return fmt.Errorf("its key algorithm %d is not accepted", algorithm)
	}
	for range count {
		stated := r.uint(2)
		number := r.take((stated + 7) / 8)
		if len(number) > 0 && bits.Len8(number[0]) != int(stated-1)%8+1 {
			return errors.New("it has a number of a length other than stated")
		}
	}
	if r.short || len(r.rest) > 0 {
		return errors.New("the packet is longer or shorter than its signature")
	}
	return nil
}

// expires returns when s ceases to count, or the zero time.
func (s *signature) expires() time.Time {
	if s.lifetime == nil || *s.lifetime == 0 {
		return time.Time{}
	}
	return s.created.Add(time.Duration(*s.lifetime) * time.Second)
}

func (s *signature) expiredAt(t time.Time) bool {
	expires := s.expires()
	return !expires.IsZero() && !t.Before(expires)
}

// issuerIs reports whether s may have been made by the key: a hashed issuer
// must name it, and without one a hint must. With nothing of the kind, no.
func (s *signature) issuerIs(fpr Fingerprint) bool {
	id := fpr.keyID()
	for _, issuer := range s.issuers {
		if issuer != fpr {
			return false
		}
	}
	for _, issuer := range s.keyIDs {
		if issuer != id {
			return false
		}
	}
	if len(s.issuers)+len(s.keyIDs) > 0 {
		return true
	}
	for _, hint := range s.hints {
		if hint == string(fpr) || hint == id {
			return true
		}
	}
	return false
}

// issuer names who s claims to be by, for messages.
func (s *signature) issuer() string {
	switch {
	case len(s.issuers) > 0:
		return "key " + string(s.issuers[0])
	case len(s.keyIDs) > 0:
		return "key ID " + s.keyIDs[0]
	case len(s.hints) > 0:
		return "key ID " + s.hints[0]
	}
	return "an unnamed key"
}

// newHash starts the digest that s signs; it holds the salt of version 6.
func (s *signature) newHash() (hash.Hash, error) { return s.lib.PrepareVerify() }

// check reports whether key made s over the content that h has taken in. h is
// used up. Versions and algorithms must agree, and the two octets of the digest
// that the packet carries must be right. RFC 9580, section 5.2.4.
func (s *signature) check(key *packet.PublicKey, h hash.Hash) bool {
	h.Write(s.lib.HashSuffix)
	return s.checkSum(key, h.Sum(nil))
}

func (s *signature) checkSum(key *packet.PublicKey, sum []byte) bool {
	return s.version == key.Version && s.algorithm == key.PubKeyAlgo &&
		bytes.Equal(sum[:2], s.lib.HashTag[:]) &&
		key.VerifySignature(finishedHash(sum), s.lib) == nil
}

// A finishedHash hands a computed digest to the library, which would otherwise
// use up a hash for every candidate key.
type finishedHash []byte

func (finishedHash) Write(p []byte) (int, error) { return len(p), nil }
func (f finishedHash) Sum(b []byte) []byte       { return append(b, f...) }
func (finishedHash) Reset()                      {}
func (f finishedHash) Size() int                 { return len(f) }
func (finishedHash) BlockSize() int              { return 1 }

// checkKeys is check for the signatures of a certificate, over the keys and,
// where there is one, the user ID.
func (s *signature) checkKeys(by *packet.PublicKey, userID []byte, over ...*packet.PublicKey) bool {
	h, err := s.newHash()
	if err != nil {
		return false
	}
	for _, key := range over {
		if key.SerializeForHash(h) != nil {
			return false
		}
	}
	if userID != nil {
		h.Write(binary.BigEndian.AppendUint32([]byte{0xb4}, uint32(len(userID))))
		h.Write(userID)
	}
	return s.check(by, h)
}

func (s *signature) weak() bool { return s.hash == weakHash }
