package verify

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A signature is one signature packet, which this file reads. The library gets
// its numbers alone, to compute with. Everything but the issuer hints and the
// back-signature comes from the hashed area.
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
	back        *signature    // embedded primary key binding signature
	salt        []byte        // of version 6, hashed before the content
	trailer     []byte        // hashed after the content
	tag         []byte        // the two octets of the digest that the packet carries
	// flaw is why s can't be relied on though it may be genuine, such as a
	// critical notation, which nobody here knows. A revocation counts all the
	// same: what takes trust away may be worded in any way.
	flaw    string
	numbers *packet.Signature
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
	switch s.version {
	case 3:
		s.readVersion3(r)
	case 4, 6:
		if err := s.read(r, mayEmbed); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("signature packets of version %d are not accepted", s.version)
	}
	if r.short {
		return nil, errors.New("the packet is cut short")
	}
	if s.createdAt == nil {
		return nil, errors.New("it has no creation time")
	}
	s.created = time.Unix(int64(*s.createdAt), 0).UTC()
	if digests[s.hash].hash == 0 {
		return nil, fmt.Errorf("its digest is %s, which is refused", hashName(s.hash))
	}
	if s.version == 6 && len(s.salt) != digests[s.hash].salt {
		return nil, errors.New("its salt is longer or shorter than its digest wants")
	}
	return s, s.readNumbers(r)
}

// read reads the fields before the numbers. RFC 9580, section 5.2.3.
func (s *signature) read(r *cursor, mayEmbed bool) error {
	lengthSize := 2
	if s.version == 6 {
		lengthSize = 4
	}
	s.kind = packet.SignatureType(r.byte())
	s.algorithm = packet.PublicKeyAlgorithm(r.byte())
	s.hash = r.byte()
	hashed := r.take(r.uint(lengthSize))
	signed := s.body[:len(s.body)-len(r.rest)]
	s.trailer = append(bytes.Clone(signed), byte(s.version), 0xff)
	s.trailer = binary.BigEndian.AppendUint32(s.trailer, uint32(len(signed)))
	unhashed := r.take(r.uint(lengthSize))
	s.tag = r.take(2)
	if s.version == 6 {
		s.salt = r.take(uint64(r.byte()))
	}
	if err := s.subpackets(hashed, true, mayEmbed); err != nil {
		return err
	}
	return s.subpackets(unhashed, false, mayEmbed)
}

// readVersion3 reads the fields of a version 3 packet before the numbers. No
// such signature is accepted, but keys were revoked with them. RFC 9580,
// section 5.2.2.
func (s *signature) readVersion3(r *cursor) {
	s.flaws("signature packets of version 3 are not accepted")
	r.take(1)
	s.trailer = bytes.Clone(r.take(5))
	fields := &cursor{rest: s.trailer}
	s.kind = packet.SignatureType(fields.byte())
	created := uint32(fields.uint(4))
	s.createdAt = &created
	s.keyIDs = []string{string(fingerprint(r.take(8)))}
	s.algorithm = packet.PublicKeyAlgorithm(r.byte())
	s.hash = r.byte()
	s.tag = r.take(2)
}

// flaws notes the first flaw.
func (s *signature) flaws(format string, args ...any) {
	if s.flaw == "" {
		s.flaw = fmt.Sprintf(format, args...)
	}
}

// readNumbers reads what the arithmetic is about, and hands it to the library as
// a signature without anything else. One signature has one spelling: a number
// whose stated length is not its own, and octets after the numbers, are flaws.
// RFC 9580, section 3.2.
func (s *signature) readNumbers(r *cursor) error {
	var count int
	var numbers []byte
	switch s.algorithm {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
		count = 1
	case packet.PubKeyAlgoDSA, packet.PubKeyAlgoECDSA, packet.PubKeyAlgoEdDSA:
		count = 2
	case packet.PubKeyAlgoEd25519:
		numbers = r.take(64)
	case packet.PubKeyAlgoEd448:
		numbers = r.take(114)
	default:
		return fmt.Errorf("its key algorithm %d is not accepted", s.algorithm)
	}
	for range count {
		number, exact := r.number()
		if !exact {
			s.flaws("it has a number of a length other than stated")
		}
		numbers = append(numbers, number...)
	}
	if r.short {
		return errors.New("the packet is longer or shorter than its signature")
	}
	if len(r.rest) > 0 {
		s.flaws("the packet is longer or shorter than its signature")
	}

	bare := []byte{4, byte(s.kind), byte(s.algorithm), 8, 0, 6, 5, subCreated, 0, 0, 0, 0, 0, 0, 0, 0}
	parsed, err := packet.Read(bytes.NewReader(rawPacket{tagSignature, append(bare, numbers...)}.appendTo(nil)))
	if err != nil {
		return fmt.Errorf("the packet is malformed (%v)", err)
	}
	var ok bool
	if s.numbers, ok = parsed.(*packet.Signature); !ok {
		return errors.New("the packet is malformed")
	}
	s.numbers.Hash = digests[s.hash].hash
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
func (s *signature) newHash() hash.Hash {
	h := digests[s.hash].hash.New()
	h.Write(s.salt)
	return h
}

// sum ends the digest that s signs. h is used up. Fits reports whether it begins
// with the two octets that the packet carries. They prove nothing, and so count
// for data only, of whose signatures every octet shall. RFC 9580, section 5.2.4.
func (s *signature) sum(h hash.Hash) (sum []byte, fits bool) {
	h.Write(s.trailer)
	sum = h.Sum(nil)
	return sum, bytes.Equal(sum[:2], s.tag)
}

// check reports whether key made s over the content with that digest. Versions
// and algorithms must agree; version 3 is from the days of version 4 keys.
func (s *signature) check(key *packet.PublicKey, sum []byte) bool {
	return (s.version == key.Version || s.version == 3 && key.Version == 4) && s.algorithm == key.PubKeyAlgo &&
		key.VerifySignature(finishedHash(sum), s.numbers) == nil
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
	h := s.newHash()
	for _, key := range over {
		if key.SerializeForHash(h) != nil {
			return false
		}
	}
	if userID != nil {
		h.Write(binary.BigEndian.AppendUint32([]byte{0xb4}, uint32(len(userID))))
		h.Write(userID)
	}
	sum, _ := s.sum(h)
	return s.check(by, sum)
}

// weak reports whether s counts, as a signature over keys, only where a pin makes
// up for its digest.
func (s *signature) weak() bool { return s.hash == weakHash }

// revokes reports whether s takes trust from a key.
func (s *signature) revokes() bool {
	return s.kind == packet.SigTypeKeyRevocation || s.kind == packet.SigTypeSubkeyRevocation
}
