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

// A fingerprint also covers the creation time and the version of a key packet, so
// one secret key can have any number of fingerprints. If a threshold counted
// fingerprints, one person could meet it; it counts key material instead.

// material identifies the secret behind k. Keys with the same material can all be
// used by the owner of that one secret, whatever their fingerprints. It is the
// public point of an elliptic curve key (for the NIST curves the X coordinate
// only, because the secret for one sign of Y gives that for the other) or the
// modulus of an RSA key.
func (k *key) material() string {
	switch public := k.PublicKey.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("rsa %x", public.N)
	case *ecdsa.PublicKey:
		return fmt.Sprintf("ecdsa %s %x", public.GetCurve().GetCurveName(), public.X)
	case *eddsa.PublicKey: // the older version 4 form of the next two
		return fmt.Sprintf("eddsa %x", public.X)
	case *ed25519.PublicKey:
		return fmt.Sprintf("eddsa %x", public.Point)
	case *ed448.PublicKey:
		return fmt.Sprintf("eddsa %x", public.Point)
	}
	return "key " + string(k.fpr) // no accepted signing algorithm
}

// Distinct returns an error that matches ErrUntrusted if two certificates of k share the
// material of a primary key or of a signing subkey.
func (k *Keyring) Distinct() error {
	owners := map[string]Fingerprint{}
	for _, c := range k.certs {
		for _, key := range c.keys() {
			if key != c.primary && !c.pinned[key.fpr] && !c.describe(key).Signs {
				continue
			}
			m := key.material()
			if owner, taken := owners[m]; taken && owner != c.primary.fpr {
				return Untrusted("keys %s and %s are one key under two fingerprints: they have the same secret", owner, c.primary.fpr)
			}
			owners[m] = c.primary.fpr
		}
	}
	return nil
}

// acceptedSignature is the signer of an accepted signature with its key material.
type acceptedSignature struct {
	Signer
	materials []string // of the primary key, and of the key that signed
}

// acceptedAs returns the accepted signature that c made as signer.
func (c candidate) acceptedAs(signer Signer) acceptedSignature {
	return acceptedSignature{signer, []string{c.cert.primary.material(), c.key.material()}}
}

// duplicateRules explains for each accepted signature that was not counted that
// another key with the same secret was.
func duplicateRules(accepted []acceptedSignature, counted []Signer) (rules []string) {
	for _, a := range accepted {
		if !slices.ContainsFunc(counted, func(s Signer) bool { return s.Primary == a.Primary }) {
			rules = append(rules, fmt.Sprintf("by key %s: it shares its secret with another key, and both count once", a.Key))
		}
	}
	return rules
}

// distinctSigners returns the signers that a threshold counts: the first of each
// group that shares key material. Two signers that share none with each other, but
// each with a third, are in one group.
func distinctSigners(all []acceptedSignature) (signers []Signer) {
	group := make([]int, len(all)) // index of the first signer of its group
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
