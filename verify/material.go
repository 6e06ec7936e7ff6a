package verify

import (
	"crypto/rsa"
	"fmt"
	"slices"

	"github.com/ProtonMail/go-crypto/openpgp/ecdsa"
	"github.com/ProtonMail/go-crypto/openpgp/ed25519"
	"github.com/ProtonMail/go-crypto/openpgp/ed448"
	"github.com/ProtonMail/go-crypto/openpgp/eddsa"
)

// A fingerprint is of a packet: it also covers the creation time and the version.
// So one secret key can have any number of fingerprints, and a threshold that
// counted those would be met by one person. It counts key material.

// material names the secret behind k: keys with the same material are used by
// whoever has that one secret, whatever their fingerprints. It is the point of an
// elliptic curve (of P-256 and its kin the first coordinate, since the secret of one
// sign gives that of the other) or the modulus of RSA.
func (k *key) material() string {
	switch public := k.PublicKey.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("rsa %x", public.N)
	case *ecdsa.PublicKey:
		return fmt.Sprintf("ecdsa %s %x", public.GetCurve().GetCurveName(), public.X)
	case *eddsa.PublicKey: // version 4's older form of the two below
		return fmt.Sprintf("eddsa %x", public.X)
	case *ed25519.PublicKey:
		return fmt.Sprintf("eddsa %x", public.Point)
	case *ed448.PublicKey:
		return fmt.Sprintf("eddsa %x", public.Point)
	}
	return "key " + string(k.fpr) // signs nothing that counts
}

// A SharedKeyError says that two certificates hold the same key material, so that
// one person can sign for both. It matches ErrUntrusted.
type SharedKeyError struct{ First, Second Fingerprint } // primary keys

func (e *SharedKeyError) Error() string {
	return fmt.Sprintf("keys %s and %s are one key under two fingerprints: they have the same secret", e.First, e.Second)
}

func (e *SharedKeyError) Is(target error) bool { return target == ErrUntrusted }

// Distinct returns a *SharedKeyError if two certificates of k share the material of
// a primary key or of a subkey that signs.
func (k *Keyring) Distinct() error {
	owners := map[string]Fingerprint{}
	for _, c := range k.certs {
		for _, key := range c.keys() {
			if key != c.primary && !c.pinned[key.fpr] && !c.describe(key).Signs {
				continue
			}
			m := key.material()
			if owner, taken := owners[m]; taken && owner != c.primary.fpr {
				return &SharedKeyError{owner, c.primary.fpr}
			}
			owners[m] = c.primary.fpr
		}
	}
	return nil
}

// An accepted signature is a signer with what it signed by.
type accepted struct {
	Signer
	materials []string // of the primary key, and of the key that signed
}

// accept is the signature of signer, which c made.
func (c candidate) accept(signer Signer) accepted {
	return accepted{signer, []string{c.cert.primary.material(), c.key.material()}}
}

// repeated says of each primary key whose signature is good, but not among those
// that count, why.
func repeated(good []accepted, count []Signer) (rules []string) {
	for _, a := range good {
		if !slices.ContainsFunc(count, func(s Signer) bool { return s.Primary == a.Primary }) {
			rules = append(rules, fmt.Sprintf("by key %s: it counts once, with another key that has the same secret", a.Key))
		}
	}
	return rules
}

// once keeps of signers that share key material the first: what a threshold counts.
// Those that share none with each other, but each with a third, count once too.
func once(all []accepted) (signers []Signer) {
	group := make([]int, len(all)) // the first signer that each belongs to
	for i := range all {
		group[i] = i
	}
	for i := range all {
		for j := range i {
			shares := all[i].Primary == all[j].Primary || slices.ContainsFunc(all[i].materials, func(m string) bool { return slices.Contains(all[j].materials, m) })
			if old, first := max(group[i], group[j]), min(group[i], group[j]); shares && old != first {
				for n := range group {
					if group[n] == old {
						group[n] = first
					}
				}
			}
		}
	}
	for i, a := range all {
		if group[i] == i {
			signers = append(signers, a.Signer)
		}
	}
	return signers
}
