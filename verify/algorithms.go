package verify

import (
	"crypto"
	"crypto/rsa"
	_ "crypto/sha1"   // registers SHA-1
	_ "crypto/sha256" // registers SHA-224 and SHA-256
	_ "crypto/sha3"   // registers SHA3-256 and SHA3-512
	_ "crypto/sha512" // registers SHA-384 and SHA-512
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// digestRule states what a digest algorithm may be used for. hash is 0 for one
// that no signature may use.
type digestRule struct {
	name    string
	hash    crypto.Hash
	salt    int  // bytes of salt that version 6 puts before the content
	forData bool // signatures over data may use it
}

// digests holds the algorithms of RFC 9580, section 9.5. Signatures within a
// certificate may use SHA-224, which old programs did, and SHA-1 if the key is
// pinned. A revocation may use either.
var digests = map[byte]digestRule{
	1:        {name: "MD5"},
	weakHash: {name: "SHA-1", hash: crypto.SHA1},
	3:        {name: "RIPEMD-160"},
	8:        {name: "SHA-256", hash: crypto.SHA256, salt: 16, forData: true},
	9:        {name: "SHA-384", hash: crypto.SHA384, salt: 24, forData: true},
	10:       {name: "SHA-512", hash: crypto.SHA512, salt: 32, forData: true},
	11:       {name: "SHA-224", hash: crypto.SHA224, salt: 16},
	12:       {name: "SHA3-256", hash: crypto.SHA3_256, salt: 16, forData: true},
	14:       {name: "SHA3-512", hash: crypto.SHA3_512, salt: 32, forData: true},
}

const weakHash = 2

func hashName(id byte) string {
	if rule, ok := digests[id]; ok {
		return rule.name
	}
	return fmt.Sprintf("digest %d", id)
}

// algorithmRule is an algorithm that keys may sign with, and until when. The end
// is compared with the signature's time, and for a Manifest also with the current
// time; see Policy.
type algorithmRule struct {
	algorithm packet.PublicKeyAlgorithm
	curve     packet.Curve // "" if the algorithm has only one, or none
	name      string
	minBits   int       // RSA only
	until     time.Time // zero: no end
}

const (
	minRSABits = 3072
	oldRSABits = 2048 // the minimum before endOfOldRSA
	maxRSABits = 16384
)

var endOfOldRSA = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// algorithmRules holds the accepted algorithms. RSA keys have 2048 to 16384 bits,
// and at least 3072 after 2029, following NIST SP 800-57 part 1 and Sequoia's
// policy. DSA, ElGamal, secp256k1, Brainpool and the composite post-quantum
// algorithms are refused.
var algorithmRules = []algorithmRule{
	{packet.PubKeyAlgoRSA, "", "RSA", minRSABits, time.Time{}},
	{packet.PubKeyAlgoRSA, "", "RSA", oldRSABits, endOfOldRSA},
	{packet.PubKeyAlgoRSASignOnly, "", "RSA", minRSABits, time.Time{}},
	{packet.PubKeyAlgoRSASignOnly, "", "RSA", oldRSABits, endOfOldRSA},
	{packet.PubKeyAlgoECDSA, packet.CurveNistP256, "ECDSA P-256", 0, time.Time{}},
	{packet.PubKeyAlgoECDSA, packet.CurveNistP384, "ECDSA P-384", 0, time.Time{}},
	{packet.PubKeyAlgoECDSA, packet.CurveNistP521, "ECDSA P-521", 0, time.Time{}},
	{packet.PubKeyAlgoEdDSA, packet.Curve25519, "Ed25519", 0, time.Time{}},
	{packet.PubKeyAlgoEd25519, "", "Ed25519", 0, time.Time{}},
	{packet.PubKeyAlgoEd448, "", "Ed448", 0, time.Time{}},
}

// algorithmName returns the name of a key's algorithm, such as "RSA-4096" or
// "Ed25519", or its number if algorithmRules lacks it.
func algorithmName(pk *packet.PublicKey) string {
	bits, curve := measure(pk)
	switch pk.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly, packet.PubKeyAlgoRSAEncryptOnly:
		return fmt.Sprintf("RSA-%d", bits)
	case packet.PubKeyAlgoDSA:
		return fmt.Sprintf("DSA-%d", bits)
	}
	for _, rule := range algorithmRules {
		if rule.algorithm == pk.PubKeyAlgo && (rule.curve == "" || rule.curve == curve) {
			return rule.name
		}
	}
	if curve != "" {
		return fmt.Sprintf("algorithm %d with %s", pk.PubKeyAlgo, curve)
	}
	return fmt.Sprintf("algorithm %d", pk.PubKeyAlgo)
}

// checkAlgorithm returns why pk's algorithm is refused at that time, and since when
// (zero: always), or "" if it is accepted.
func checkAlgorithm(pk *packet.PublicKey, at time.Time) (rule string, since time.Time) {
	bits, curve := measure(pk)
	if bits > maxRSABits {
		return fmt.Sprintf("%s is over the limit of %d bits", algorithmName(pk), maxRSABits), time.Time{}
	}
	for _, row := range algorithmRules {
		if row.algorithm != pk.PubKeyAlgo || row.curve != "" && row.curve != curve || bits < row.minBits {
			continue
		}
		if row.until.IsZero() || at.Before(row.until) {
			return "", time.Time{}
		}
		since = row.until
	}
	if !since.IsZero() {
		return fmt.Sprintf("%s is refused from %s on", algorithmName(pk), date(since)), since
	}
	return algorithmName(pk) + " is not an accepted key algorithm", time.Time{}
}

// measure returns the size of an RSA modulus, computed from its value and not read
// from the packet, or the curve of an elliptic curve key.
func measure(pk *packet.PublicKey) (bits int, curve packet.Curve) {
	if key, ok := pk.PublicKey.(*rsa.PublicKey); ok {
		return key.N.BitLen(), ""
	}
	if curve, err := pk.Curve(); err == nil {
		return 0, curve
	}
	stated, _ := pk.BitLength() // for the name of a DSA key only
	return int(stated), ""
}
