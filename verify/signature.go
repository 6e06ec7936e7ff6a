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

// signature is one signature packet. This package parses it; the library gets
// only the numbers, for the arithmetic. Everything but unhashedIssuers and
// backSignature comes from the hashed area.
type signature struct {
	body            []byte
	version         int
	kind            packet.SignatureType
	algorithm       packet.PublicKeyAlgorithm
	hash            byte // RFC 9580, section 9.5
	created         time.Time
	createdAt       *uint32 // created as stated, in Unix seconds; nil: not stated
	lifetime        *uint32 // seconds; nil or 0: unlimited
	keyLifetime     *uint32 // seconds from the key's creation; nil: not stated, 0: unlimited
	flags           *byte   // first octet of the key flags
	primaryID       bool
	reason          *byte         // reason for revocation; nil: not stated
	issuers         []Fingerprint // hashed issuer fingerprints
	keyIDs          []string      // hashed issuer key IDs, 16 hex digits
	unhashedIssuers []string      // unhashed fingerprints and key IDs: only to find candidates
	backSignature   *signature    // embedded primary key binding signature
	salt            []byte        // of version 6, hashed before the content
	trailer         []byte        // hashed after the content
	digestPrefix    []byte        // the two octets of the digest that the packet carries
	// flaw is why s is not accepted even if it is genuine, such as an unknown
	// critical notation. A revocation counts in spite of a flaw, because it only
	// removes trust.
	flaw    string
	numbers *packet.Signature // for the library
}

// parseSignature reads the body of a signature packet. Its error is a sentence
// about why the signature can't be checked; such a signature never counts.
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
		return nil, errors.New("its salt does not have the length that its digest requires")
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
	hashed := r.next(r.uint(lengthSize))
	signed := s.body[:len(s.body)-len(r.rest)]
	s.trailer = append(bytes.Clone(signed), byte(s.version), 0xff)
	s.trailer = binary.BigEndian.AppendUint32(s.trailer, uint32(len(signed)))
	unhashed := r.next(r.uint(lengthSize))
	s.digestPrefix = r.next(2)
	if s.version == 6 {
		s.salt = r.next(uint64(r.byte()))
	}
	if err := s.readSubpackets(hashed, true, mayEmbed); err != nil {
		return err
	}
	return s.readSubpackets(unhashed, false, mayEmbed)
}

// readVersion3 reads the fields of a version 3 packet before the numbers. Version
// 3 is accepted only for revocations. RFC 9580, section 5.2.2.
func (s *signature) readVersion3(r *cursor) {
	s.addFlaw("signature packets of version 3 are not accepted")
	r.next(1)
	s.trailer = bytes.Clone(r.next(5))
	fields := &cursor{rest: s.trailer}
	s.kind = packet.SignatureType(fields.byte())
	created := uint32(fields.uint(4))
	s.createdAt = &created
	s.keyIDs = []string{string(fingerprint(r.next(8)))}
	s.algorithm = packet.PublicKeyAlgorithm(r.byte())
	s.hash = r.byte()
	s.digestPrefix = r.next(2)
}

// addFlaw sets the flaw of s, unless it already has one.
func (s *signature) addFlaw(format string, args ...any) {
	if s.flaw == "" {
		s.flaw = fmt.Sprintf(format, args...)
	}
}

// readNumbers reads the numbers of the signature and passes them to the library in
// a minimal signature packet. A signature has one encoding: a number with a wrong
// stated length, and octets after the numbers, are flaws. RFC 9580, section 3.2.
func (s *signature) readNumbers(r *cursor) error {
	var count int
	var numbers []byte
	switch s.algorithm {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
		count = 1
	case packet.PubKeyAlgoDSA, packet.PubKeyAlgoECDSA, packet.PubKeyAlgoEdDSA:
		count = 2
	case packet.PubKeyAlgoEd25519:
		numbers = r.next(64)
	case packet.PubKeyAlgoEd448:
		numbers = r.next(114)
	default:
		return fmt.Errorf("its key algorithm %d is not accepted", s.algorithm)
	}
	for range count {
		number, exact := r.number()
		if !exact {
			s.addFlaw("it has a number of a length other than stated")
		}
		numbers = append(numbers, number...)
	}
	if r.short {
		return errors.New("the packet is longer or shorter than its signature")
	}
	if len(r.rest) > 0 {
		s.addFlaw("the packet is longer or shorter than its signature")
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

// expires returns when s expires, or the zero time if it never does.
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

// issuerIs reports whether the key with that fingerprint may have made s: every
// hashed issuer must name it or, if there are none, an unhashed one must.
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
	for _, hint := range s.unhashedIssuers {
		if hint == string(fpr) || hint == id {
			return true
		}
	}
	return false
}

// issuerName returns the key that s claims to be made by, for messages.
func (s *signature) issuerName() string {
	switch {
	case len(s.issuers) > 0:
		return "key " + string(s.issuers[0])
	case len(s.keyIDs) > 0:
		return "key ID " + s.keyIDs[0]
	case len(s.unhashedIssuers) > 0:
		return "key ID " + s.unhashedIssuers[0]
	}
	return "an unnamed key"
}

// newHash returns the hash that s signs, begun with the salt of version 6.
func (s *signature) newHash() hash.Hash {
	h := digests[s.hash].hash.New()
	h.Write(s.salt)
	return h
}

// finishHash returns the digest that s signs, and whether it begins with the two
// octets that the packet carries. h can't be used afterwards. The two octets prove
// nothing; they are checked for signatures over data only, so that no octet of
// those can be changed. RFC 9580, section 5.2.4.
func (s *signature) finishHash(h hash.Hash) (sum []byte, prefixMatches bool) {
	h.Write(s.trailer)
	sum = h.Sum(nil)
	return sum, bytes.Equal(sum[:2], s.digestPrefix)
}

// verifyDigest reports whether key made s over the content with that digest. The
// algorithm and the version must be those of the key; version 4 keys also made
// version 3 signatures.
func (s *signature) verifyDigest(key *packet.PublicKey, sum []byte) bool {
	return (s.version == key.Version || s.version == 3 && key.Version == 4) && s.algorithm == key.PubKeyAlgo &&
		key.VerifySignature(finishedHash(sum), s.numbers) == nil
}

// finishedHash passes a computed digest to the library as a hash.Hash. The library
// finishes the hash that it gets, so each candidate key would need its own.
type finishedHash []byte

func (finishedHash) Write(p []byte) (int, error) { return len(p), nil }
func (f finishedHash) Sum(b []byte) []byte       { return append(b, f...) }
func (finishedHash) Reset()                      {}
func (f finishedHash) Size() int                 { return len(f) }
func (finishedHash) BlockSize() int              { return 1 }

// verifyKeys reports whether signer made s over the given keys and, unless it is
// nil, the user ID. It is for the signatures within a certificate.
func (s *signature) verifyKeys(signer *packet.PublicKey, userID []byte, over ...*packet.PublicKey) bool {
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
	sum, _ := s.finishHash(h)
	return s.verifyDigest(signer, sum)
}

// weak reports whether s, as a signature over keys, counts only if the key is
// pinned, because of its digest.
func (s *signature) weak() bool { return s.hash == weakHash }

// revokesKey reports whether s revokes a primary key or a subkey.
func (s *signature) revokesKey() bool {
	return s.kind == packet.SigTypeKeyRevocation || s.kind == packet.SigTypeSubkeyRevocation
}
