package verify

import (
	"crypto/rsa"
	_ "crypto/sha3" // registers SHA3-256 and SHA3-512
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// hashNames are the digests that a signature over data may use, by their
// number in RFC 9580, section 9.5. SHA-1, MD5, RIPEMD-160 and SHA-224 are not
// among them. weakHash is what a pin can make up for, in key signatures only.
var hashNames = map[byte]string{
	8: "SHA-256", 9: "SHA-384", 10: "SHA-512", 12: "SHA3-256", 14: "SHA3-512",
}

// refusedHashes gives the refused ones their name in messages.
var refusedHashes = map[byte]string{
	1: "MD5", weakHash: "SHA-1", 3: "RIPEMD-160", 11: "SHA-224",
}

const weakHash = 2

func hashName(id byte) string {
	if name, ok := hashNames[id]; ok {
		return name
	}
	if name, ok := refusedHashes[id]; ok {
		return name
	}
	return fmt.Sprintf("digest %d", id)
}

// An algorithmRule is one row of what keys may sign with, and until when. The
// end is judged against the signature's time, and for a Manifest also against
// the clock: see Policy.
type algorithmRule struct {
	algorithm packet.PublicKeyAlgorithm
	curve     packet.Curve // "" where the algorithm has only one, or none
	name      string
	minBits   int       // RSA only
	until     time.Time // zero: no end in sight
}

// RSA keys that are accepted for good, and until the end of 2029.
const (
	minRSABits = 3072
	oldRSABits = 2048
	maxRSABits = 16384
)

var endOfOldRSA = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// No RSA key under 2048 or over 16384 bits; under 3072 not after 2029, as
// NIST SP 800-57 part 1 and Sequoia's policy have it. DSA, ElGamal, secp256k1,
// Brainpool and the composite post-quantum algorithms are not in the table.
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

// algorithmName says what a key is: "RSA-4096", "Ed25519", or, where the table
// does not hold it, the number of its algorithm.
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

// checkAlgorithm returns why pk could not sign at that time, and since when, or "".
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

// measure returns the size of an RSA modulus, counted and not as the packet
// states it, or the curve of a key that has one.
func measure(pk *packet.PublicKey) (bits int, curve packet.Curve) {
	if key, ok := pk.PublicKey.(*rsa.PublicKey); ok {
		return key.N.BitLen(), ""
	}
	if curve, err := pk.Curve(); err == nil {
		return 0, curve
	}
	stated, _ := pk.BitLength() // of DSA, for its name only
	return int(stated), ""
}
