package verify

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	_ "crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"sync"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/ed448"
)

// This file writes keys and signatures octet by octet, with the arithmetic of the
// standard library. It is a second implementation, which can also make invalid ones.

// forger is a key pair that can make any packet, valid or not.
type forger struct {
	version int
	algo    byte
	made    time.Time
	public  []byte // key packet body
	secret  crypto.Signer
	fpr     Fingerprint
}

var (
	rsaKeys   = map[int]*rsa.PrivateKey{}
	rsaKeysMu sync.Mutex
)

// rsaKey returns a key of that size. It makes each size only once, because large keys
// take long.
func rsaKey(bits int) *rsa.PrivateKey {
	rsaKeysMu.Lock()
	defer rsaKeysMu.Unlock()
	if rsaKeys[bits] == nil {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		rsaKeys[bits] = key
	}
	return rsaKeys[bits]
}

func newForger(version int, algo byte, secret crypto.Signer, made time.Time) *forger {
	var material []byte
	switch public := secret.Public().(type) {
	case ed25519.PublicKey:
		material = public
		if algo == 22 {
			material = append([]byte{9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1}, mpi(append([]byte{0x40}, public...))...)
		}
	case ed448.PublicKey:
		material = public.Point
	case *rsa.PublicKey:
		material = append(mpi(public.N.Bytes()), mpi(big.NewInt(int64(public.E)).Bytes())...)
	case *ecdsa.PublicKey:
		oid := map[elliptic.Curve][]byte{
			elliptic.P256(): {0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7},
			elliptic.P384(): {0x2b, 0x81, 4, 0, 34},
			elliptic.P521(): {0x2b, 0x81, 4, 0, 35},
		}[public.Curve]
		point, err := public.Bytes()
		if err != nil {
			panic(err)
		}
		material = append(append([]byte{byte(len(oid))}, oid...), mpi(point)...)
	default:
		panic(fmt.Sprintf("%T", public))
	}
	body := binary.BigEndian.AppendUint32([]byte{byte(version)}, uint32(made.Unix()))
	body = append(body, algo)
	if version == 6 {
		body = binary.BigEndian.AppendUint32(body, uint32(len(material)))
	}
	s := &forger{version: version, algo: algo, made: made, public: append(body, material...), secret: secret}
	s.editPublicKey(func([]byte) {})
	return s
}

// editPublicKey changes the key packet and updates the fingerprint.
func (s *forger) editPublicKey(change func(public []byte)) {
	change(s.public)
	if s.version == 6 {
		sum := sha256.Sum256(s.hashedKey())
		s.fpr = fingerprint(sum[:])
	} else {
		sum := sha1.Sum(s.hashedKey())
		s.fpr = fingerprint(sum[:])
	}
}

// newEd25519Key makes a version 4 key with the older Ed25519 algorithm, which every
// OpenPGP program supports.
func newEd25519Key(made time.Time) *forger { return newForger(4, 22, edSecret(), made) }

func edSecret() ed25519.PrivateKey {
	_, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return secret
}

func ecSecret(curve elliptic.Curve) *ecdsa.PrivateKey {
	secret, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return secret
}

// ed448Signer implements crypto.Signer for the library's Ed448 key.
type ed448Signer struct{ *ed448.PrivateKey }

func (s ed448Signer) Public() crypto.PublicKey { return s.PublicKey }

func (s ed448Signer) Sign(_ io.Reader, sum []byte, _ crypto.SignerOpts) ([]byte, error) {
	return ed448.Sign(s.PrivateKey, sum)
}

func ed448Secret() crypto.Signer {
	secret, err := ed448.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return ed448Signer{secret}
}

// hashedKey returns the key as signatures hash it.
func (s *forger) hashedKey() []byte {
	if s.version == 6 {
		return append(binary.BigEndian.AppendUint32([]byte{0x9b}, uint32(len(s.public))), s.public...)
	}
	return append(binary.BigEndian.AppendUint16([]byte{0x99}, uint16(len(s.public))), s.public...)
}

func (s *forger) keyID() []byte {
	id, ok := new(big.Int).SetString(s.fpr.keyID(), 16)
	if !ok {
		panic(s.fpr)
	}
	return id.FillBytes(make([]byte, 8))
}

func (s *forger) fprOctets() []byte {
	size := 20
	if s.version == 6 {
		size = 32
	}
	n, ok := new(big.Int).SetString(string(s.fpr), 16)
	if !ok {
		panic(s.fpr)
	}
	return n.FillBytes(make([]byte, size))
}

func mpi(octets []byte) []byte {
	n := new(big.Int).SetBytes(octets)
	return append(binary.BigEndian.AppendUint16(nil, uint16(n.BitLen())), n.Bytes()...)
}

// signatureDraft is the contents of a signature that is still to be made.
type signatureDraft struct {
	version          int
	kind, hash       byte
	made             time.Time
	content          []byte
	hashed, unhashed [][]byte
	noTime, noIssuer bool
	badTag           bool
	salt             int // length in version 6, 0: the length that the digest requires
}

type change func(*signatureDraft)

func subpacket(kind byte, critical bool, value ...byte) []byte {
	if critical {
		kind |= 0x80
	}
	body := append([]byte{kind}, value...)
	switch n := len(body); {
	case n < 192:
		return append([]byte{byte(n)}, body...)
	default:
		return append(binary.BigEndian.AppendUint32([]byte{255}, uint32(n)), body...)
	}
}

func seconds(d time.Duration) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(d/time.Second))
}

func withHash(id byte) change   { return func(m *signatureDraft) { m.hash = id } }
func withVersion(v int) change  { return func(m *signatureDraft) { m.version = v } }
func withKind(k byte) change    { return func(m *signatureDraft) { m.kind = k } }
func madeAt(t time.Time) change { return func(m *signatureDraft) { m.made = t } }
func withHashed(subs ...[]byte) change {
	return func(m *signatureDraft) { m.hashed = append(m.hashed, subs...) }
}
func withUnhashed(subs ...[]byte) change {
	return func(m *signatureDraft) { m.unhashed = append(m.unhashed, subs...) }
}
func withFlags(f byte) change { return withHashed(subpacket(subFlags, true, f)) }
func keyExpires(d time.Duration) change {
	return withHashed(subpacket(subKeyExpires, true, seconds(d)...))
}
func sigExpires(d time.Duration) change {
	return withHashed(subpacket(subExpires, true, seconds(d)...))
}
func withSalt(n int) change           { return func(m *signatureDraft) { m.salt = n } }
func withWrongTag(m *signatureDraft)  { m.badTag = true }
func withoutIssuer(m *signatureDraft) { m.noIssuer = true }

// onlyKeyID names the issuer by an unhashed key ID only, as Google's real signatures
// of Go do.
func (s *forger) onlyKeyID(m *signatureDraft) {
	m.noIssuer = true
	m.unhashed = append(m.unhashed, subpacket(subIssuer, false, s.keyID()...))
}

func (s *forger) issuerSubpacket() []byte {
	return subpacket(subFingerprint, false, append([]byte{byte(s.version)}, s.fprOctets()...)...)
}

// sign makes a signature packet body.
func (s *forger) sign(kind byte, made time.Time, content []byte, changes ...change) []byte {
	m := signatureDraft{version: s.version, kind: kind, hash: 10, made: made, content: content}
	for _, c := range changes {
		c(&m)
	}
	var hashed, unhashed []byte
	if !m.noTime {
		hashed = subpacket(subCreated, true, binary.BigEndian.AppendUint32(nil, uint32(m.made.Unix()))...)
	}
	if !m.noIssuer {
		hashed = append(hashed, s.issuerSubpacket()...)
		if s.version == 4 { // as GnuPG writes it, which can't do without
			unhashed = subpacket(subIssuer, false, s.keyID()...)
		}
	}
	hashed = append(hashed, bytes.Join(m.hashed, nil)...)
	unhashed = append(unhashed, bytes.Join(m.unhashed, nil)...)

	id := map[byte]crypto.Hash{1: crypto.MD5, 2: crypto.SHA1, 8: crypto.SHA256, 9: crypto.SHA384, 10: crypto.SHA512,
		11: crypto.SHA224, 12: crypto.SHA3_256, 14: crypto.SHA3_512}[m.hash]
	saltSize := map[byte]int{8: 16, 9: 24, 10: 32, 11: 16, 12: 16, 14: 32}[m.hash]
	if m.salt > 0 {
		saltSize = m.salt
	}
	h := id.New()
	size := func(b []byte, n int) []byte {
		if m.version == 6 {
			return binary.BigEndian.AppendUint32(b, uint32(n))
		}
		return binary.BigEndian.AppendUint16(b, uint16(n))
	}
	head := size([]byte{byte(m.version), m.kind, s.algo, m.hash}, len(hashed))
	head = append(head, hashed...)
	salt := bytes.Repeat([]byte{7}, saltSize)
	if m.version == 6 {
		h.Write(salt)
	}
	h.Write(m.content)
	h.Write(head)
	h.Write(binary.BigEndian.AppendUint32([]byte{byte(m.version), 0xff}, uint32(len(head))))
	sum := h.Sum(nil)

	body := append(size(head, len(unhashed)), unhashed...)
	body = append(body, sum[0], sum[1])
	if m.badTag {
		body[len(body)-1] ^= 1
	}
	if m.version == 6 {
		body = append(append(body, byte(saltSize)), salt...)
	}
	return append(body, s.signatureNumbers(sum, id)...)
}

// signVersion3 makes a signature packet body of version 3, with SHA-256.
func (s *forger) signVersion3(kind byte, made time.Time, content []byte) []byte {
	signed := binary.BigEndian.AppendUint32([]byte{kind}, uint32(made.Unix()))
	sum := sha256.Sum256(append(bytes.Clone(content), signed...))
	body := append(append([]byte{3, 5}, signed...), s.keyID()...)
	body = append(body, s.algo, 8, sum[0], sum[1])
	return append(body, s.signatureNumbers(sum[:], crypto.SHA256)...)
}

// signatureNumbers signs a digest and encodes the result as the algorithm requires.
func (s *forger) signatureNumbers(sum []byte, id crypto.Hash) []byte {
	switch secret := s.secret.(type) {
	case ed25519.PrivateKey:
		sig := ed25519.Sign(secret, sum)
		if s.algo == 22 {
			return append(mpi(sig[:32]), mpi(sig[32:])...)
		}
		return sig
	case ed448Signer:
		sig, err := secret.Sign(nil, sum, nil)
		if err != nil {
			panic(err)
		}
		return sig
	case *rsa.PrivateKey:
		sig, err := rsa.SignPKCS1v15(nil, secret, id, sum)
		if err != nil {
			panic(err)
		}
		return mpi(sig)
	case *ecdsa.PrivateKey:
		r, t, err := ecdsa.Sign(rand.Reader, secret, sum)
		if err != nil {
			panic(err)
		}
		return append(mpi(r.Bytes()), mpi(t.Bytes())...)
	}
	panic(fmt.Sprintf("%T", s.secret))
}

func signaturePacket(body []byte) rawPacket { return rawPacket{tagSignature, body} }

// detached signs data, a day after the key was made.
func (s *forger) detached(data []byte, changes ...change) []byte {
	return signaturePacket(s.sign(0, s.made.Add(24*time.Hour), data, changes...)).appendTo(nil)
}

// keyPacket and subkeyPacket return the public key as a primary key and as a subkey.
func (s *forger) keyPacket() rawPacket    { return rawPacket{tagPublicKey, s.public} }
func (s *forger) subkeyPacket() rawPacket { return rawPacket{tagPublicSubkey, s.public} }

func userIDPacket(id string) rawPacket { return rawPacket{tagUserID, []byte(id)} }

// certify signs a user ID, by default with the flags for certifying and signing.
func (s *forger) certify(id string, changes ...change) rawPacket {
	content := append(s.hashedKey(), binary.BigEndian.AppendUint32([]byte{0xb4}, uint32(len(id)))...)
	return signaturePacket(s.sign(0x13, s.made, append(content, id...), withDefaultFlags(3, changes)...))
}

// revokeUserID revokes the certification of a user ID, signed by signer: the key
// itself or another one.
func (s *forger) revokeUserID(id string, at time.Time, signer *forger) rawPacket {
	content := append(s.hashedKey(), binary.BigEndian.AppendUint32([]byte{0xb4}, uint32(len(id)))...)
	return signaturePacket(signer.sign(0x30, at, append(content, id...)))
}

// withDefaultFlags adds the flags to changes, unless one of those sets flags itself.
func withDefaultFlags(flags byte, changes []change) []change {
	var probe signatureDraft
	for _, c := range changes {
		c(&probe)
	}
	for _, sub := range probe.hashed {
		if sub[1]&0x7f == subFlags {
			return changes
		}
	}
	return append(changes[:len(changes):len(changes)], withFlags(flags))
}

// certifyDirectly makes a direct-key signature.
func (s *forger) certifyDirectly(changes ...change) rawPacket {
	return signaturePacket(s.sign(0x1f, s.made, s.hashedKey(), changes...))
}

// bind makes a subkey binding for sub with a back-signature, by default for signing.
func (s *forger) bind(sub *forger, changes ...change) rawPacket {
	return s.bindWith(sub, sub.backSignature(s), changes...)
}

// backSignature makes sub's signature that it belongs to primary.
func (sub *forger) backSignature(primary *forger, changes ...change) []byte {
	return sub.sign(0x19, sub.made, append(primary.hashedKey(), sub.hashedKey()...), changes...)
}

// bindWith is like bind with the given back-signature, or none if it is nil.
func (s *forger) bindWith(sub *forger, back []byte, changes ...change) rawPacket {
	if back != nil {
		changes = append(changes[:len(changes):len(changes)], withUnhashed(subpacket(subEmbedded, false, back...)))
	}
	return signaturePacket(s.sign(0x18, sub.made, append(s.hashedKey(), sub.hashedKey()...), withDefaultFlags(2, changes)...))
}

// revoke revokes the key itself; reason -1 states none.
func (s *forger) revoke(at time.Time, reason int, changes ...change) rawPacket {
	return signaturePacket(s.sign(0x20, at, s.hashedKey(), append(reasonChange(reason), changes...)...))
}

func (s *forger) revokeSubkey(sub *forger, at time.Time, reason int) rawPacket {
	return signaturePacket(s.sign(0x28, at, append(s.hashedKey(), sub.hashedKey()...), reasonChange(reason)...))
}

func reasonChange(reason int) []change {
	if reason < 0 {
		return nil
	}
	return []change{withHashed(subpacket(subReason, false, byte(reason)))}
}

// certificate returns a certificate of the key with one user ID.
func (s *forger) certificate() []byte {
	if s.version == 6 {
		return joinPackets([]rawPacket{s.keyPacket(), s.certifyDirectly(withFlags(3)), userIDPacket("plain"), s.certify("plain")})
	}
	return joinPackets([]rawPacket{s.keyPacket(), userIDPacket("plain"), s.certify("plain")})
}

// cert returns the key followed by packets.
func (s *forger) cert(packets ...rawPacket) []byte {
	return joinPackets(append([]rawPacket{s.keyPacket()}, packets...))
}

// clearsigned writes a message in the cleartext framework around text, which
// must have LF line ends, signed with type 0x01.
func (s *forger) clearsigned(text string, changes ...change) []byte {
	canonical, shown := canonicalText(text)
	sig := signaturePacket(s.sign(1, s.made.Add(24*time.Hour), canonical, changes...)).appendTo(nil)
	return []byte(beginSigned + "\nHash: SHA512\n\n" + shown + "\n" + string(enarmor(armorSignature, sig)))
}

// canonicalText is a reference for splitCleartext that works in the other direction:
// it returns the text as it is hashed and as the message shows it.
func canonicalText(text string) (canonical []byte, shown string) {
	lines := bytes.Split([]byte(text), []byte("\n"))
	var signed, escaped [][]byte
	for _, line := range lines {
		signed = append(signed, bytes.TrimRight(line, " \t"))
		if bytes.HasPrefix(line, []byte("-")) || bytes.HasPrefix(line, []byte("From ")) {
			line = append([]byte("- "), line...)
		}
		escaped = append(escaped, line)
	}
	return bytes.Join(signed, []byte("\r\n")), string(bytes.Join(escaped, []byte("\n")))
}
