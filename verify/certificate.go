package verify

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// maxSelfSignatures bounds the public key operations one certificate can cause.
const maxSelfSignatures = 1024

// certificate is a primary key with its self-signatures, user IDs and subkeys,
// merged from any number of copies. Signatures that the primary key did not make
// are dropped.
type certificate struct {
	primary *key
	subkeys []*key
	userIDs []*userID
	pinned  map[Fingerprint]bool // keys whose weak self-signatures are accepted
}

// key is a primary key or subkey.
type key struct {
	*packet.PublicKey
	raw         rawPacket
	fpr         Fingerprint
	direct      []*signature // direct-key signatures of a primary, bindings of a subkey
	revocations []*signature
}

// userID is a user ID with the primary key's certifications of it.
type userID struct {
	id             []byte
	certifications []*signature
	revocations    []*signature
}

func fingerprint(sum []byte) Fingerprint {
	return Fingerprint(strings.ToUpper(hex.EncodeToString(sum)))
}

// keyID returns the part of a fingerprint that older signatures name their key
// by. RFC 9580, section 5.5.4.
func (f Fingerprint) keyID() string {
	if len(f) == 40 {
		return string(f[24:])
	}
	return string(f[:min(16, len(f))])
}

// parseKey reads a public key packet. The library must write back exactly the
// octets that it read, and the numbers must have their canonical encoding. Then
// every implementation computes the same fingerprint, from these octets only.
func parseKey(raw rawPacket) (*key, error) {
	in := bytes.NewReader(raw.appendTo(nil))
	parsed, err := packet.Read(in)
	if err != nil {
		return nil, err
	}
	public, ok := parsed.(*packet.PublicKey)
	if !ok || public.Version != 4 && public.Version != 6 {
		return nil, errors.New("not a public key of version 4 or 6")
	}
	var out bytes.Buffer
	if err := public.Serialize(&out); err != nil {
		return nil, err
	}
	again, err := splitPackets(out.Bytes(), 1)
	if err != nil || !bytes.Equal(again[0].body, raw.body) {
		return nil, errors.New("the key packet is malformed")
	}
	if !exactNumbers(public, raw.body) {
		return nil, errors.New("the key packet has a number of a length other than stated")
	}
	return &key{PublicKey: public, raw: raw, fpr: fingerprint(public.Fingerprint)}, nil
}

// exactNumbers reports whether the multiprecision integers of a signing key have
// their canonical encoding. RFC 9580, section 5.5.2.
func exactNumbers(public *packet.PublicKey, body []byte) bool {
	r := &cursor{rest: body}
	r.next(6) // version, creation time, algorithm
	if public.Version == 6 {
		r.next(4) // length of the key material
	}
	switch public.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
	case packet.PubKeyAlgoECDSA, packet.PubKeyAlgoEdDSA:
		r.next(uint64(r.byte())) // name of the curve
	default:
		return true
	}
	for len(r.rest) > 0 {
		if _, exact := r.number(); !exact {
			return false
		}
	}
	return !r.short
}

// parseCertificate reads the packets of one certificate, the primary key first.
// It ignores parts that this package doesn't know and signatures that the primary
// key did not make: they change nothing.
func parseCertificate(packets []rawPacket) (*certificate, error) {
	primary, err := parseKey(packets[0])
	if err != nil {
		return nil, err
	}
	c := &certificate{primary: primary, pinned: map[Fingerprint]bool{}}
	var misplaced []*signature // revocations of a subkey that don't follow that subkey
	var sub *key
	var id *userID
	count := 0
	for _, raw := range packets[1:] {
		switch raw.tag {
		case tagPublicSubkey:
			id, sub = nil, nil
			if k, err := parseKey(raw); err == nil && k.Version == primary.Version {
				sub = k
				c.subkeys = append(c.subkeys, sub)
			}
		case tagUserID:
			sub, id = nil, &userID{id: raw.body}
			c.userIDs = append(c.userIDs, id)
		case tagUserAttr:
			sub, id = nil, nil
		case tagSignature:
			s, err := parseSignature(raw.body)
			if err != nil || !s.revokesKey() && !s.issuerIs(primary.fpr) && len(s.issuers)+len(s.keyIDs)+len(s.unhashedIssuers) > 0 {
				continue
			}
			if count++; count > maxSelfSignatures {
				return nil, fmt.Errorf("key %s has more than %d self-signatures", primary.fpr, maxSelfSignatures)
			}
			if !c.addSignature(s, sub, id) && s.kind == packet.SigTypeSubkeyRevocation {
				misplaced = append(misplaced, s)
			}
		}
	}
	for _, s := range misplaced {
		for _, k := range c.subkeys {
			if s.verifyKeys(primary.PublicKey, nil, primary.PublicKey, k.PublicKey) {
				k.revocations = append(k.revocations, s)
			}
		}
	}
	c.normalize()
	return c, nil
}

// addSignature adds s to the key or user ID that it is about, and reports whether
// it did: the primary key must have made s. A key revocation counts even if it has
// a flaw, and that of the primary key at any position.
func (c *certificate) addSignature(s *signature, sub *key, id *userID) bool {
	primary := c.primary.PublicKey
	switch s.kind {
	case packet.SigTypeKeyRevocation:
		if s.verifyKeys(primary, nil, primary) {
			c.primary.revocations = append(c.primary.revocations, s)
			return true
		}
	case packet.SigTypeDirectSignature:
		if s.flaw == "" && s.verifyKeys(primary, nil, primary) {
			c.primary.direct = append(c.primary.direct, s)
			return true
		}
	case packet.SigTypeSubkeyBinding, packet.SigTypeSubkeyRevocation:
		if sub == nil || !s.verifyKeys(primary, nil, primary, sub.PublicKey) {
			return false
		}
		if s.kind == packet.SigTypeSubkeyRevocation {
			sub.revocations = append(sub.revocations, s)
		} else if s.flaw == "" {
			sub.direct = append(sub.direct, s)
		}
		return true
	case packet.SigTypeGenericCert, packet.SigTypePersonaCert, packet.SigTypeCasualCert,
		packet.SigTypePositiveCert, packet.SigTypeCertificationRevocation:
		if id == nil || s.flaw != "" || !s.verifyKeys(primary, id.id, primary) {
			return false
		}
		if s.kind == packet.SigTypeCertificationRevocation {
			id.revocations = append(id.revocations, s)
		} else {
			id.certifications = append(id.certifications, s)
		}
		return true
	}
	return false
}

// normalize merges user IDs and subkeys that occur more than once, as they do
// after copies were joined, and sorts signatures by time.
func (c *certificate) normalize() {
	var ids []*userID
	for _, id := range c.userIDs {
		if i := slices.IndexFunc(ids, func(k *userID) bool { return bytes.Equal(k.id, id.id) }); i < 0 {
			ids = append(ids, id)
		} else {
			ids[i].certifications = append(ids[i].certifications, id.certifications...)
			ids[i].revocations = append(ids[i].revocations, id.revocations...)
		}
	}
	var subkeys []*key
	for _, k := range c.subkeys {
		if i := slices.IndexFunc(subkeys, func(j *key) bool { return j.fpr == k.fpr }); i < 0 {
			subkeys = append(subkeys, k)
		} else {
			subkeys[i].direct = append(subkeys[i].direct, k.direct...)
			subkeys[i].revocations = append(subkeys[i].revocations, k.revocations...)
		}
	}
	c.userIDs, c.subkeys = ids, subkeys
	for _, id := range c.userIDs {
		id.certifications, id.revocations = sortUnique(id.certifications), sortUnique(id.revocations)
	}
	for _, k := range c.keys() {
		k.direct, k.revocations = sortUnique(k.direct), sortUnique(k.revocations)
	}
}

// sortUnique sorts list by creation time, oldest first, and removes duplicates.
func sortUnique(list []*signature) []*signature {
	slices.SortFunc(list, func(a, b *signature) int {
		return cmp.Or(a.created.Compare(b.created), bytes.Compare(a.body, b.body))
	})
	return slices.CompactFunc(list, func(a, b *signature) bool { return bytes.Equal(a.body, b.body) })
}

// keys returns the primary key, then the subkeys.
func (c *certificate) keys() []*key { return append([]*key{c.primary}, c.subkeys...) }

// key returns the key of c with the given fingerprint, or nil.
func (c *certificate) key(fpr Fingerprint) *key {
	for _, k := range c.keys() {
		if k.fpr == fpr {
			return k
		}
	}
	return nil
}

// packets returns c as a transferable public key. RFC 9580, section 10.1.
func (c *certificate) packets() []rawPacket {
	var out []rawPacket
	add := func(lists ...[]*signature) {
		for _, list := range lists {
			for _, s := range list {
				out = append(out, rawPacket{tagSignature, s.body})
			}
		}
	}
	out = append(out, rawPacket{tagPublicKey, c.primary.raw.body})
	add(c.primary.revocations, c.primary.direct)
	for _, id := range c.userIDs {
		out = append(out, rawPacket{tagUserID, id.id})
		add(id.revocations, id.certifications)
	}
	for _, k := range c.subkeys {
		out = append(out, rawPacket{tagPublicSubkey, k.raw.body})
		add(k.revocations, k.direct)
	}
	return out
}
