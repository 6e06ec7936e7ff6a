package verify

import (
	"fmt"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Precheck refuses a block of detached signatures that cannot prove any content,
// because too few of them name a key that could sign at the stated time. It avoids
// a download that is certain to fail, and proves nothing. A refusal is a
// *SignatureError.
func (p Policy) Precheck(name string, sig []byte) error {
	packets, err := signatureBlock(sig)
	if err != nil {
		return p.refusal(name, nil, err.Error())
	}
	if err := p.check(name); err != nil {
		return err
	}
	var possible []acceptedSignature
	var rules []string
	for _, raw := range packets {
		a := p.startCheck(raw, packet.SigTypeBinary)
		rule := a.refused
		for _, c := range a.candidates {
			signer, why := p.checkSigner(c, a.sig.created, hashName(a.sig.hash))
			if why == "" {
				possible, rule = append(possible, c.acceptedAs(signer)), ""
				break
			}
			rule = fmt.Sprintf("by key %s: %s", c.key.fpr, why)
		}
		if rule != "" {
			rules = append(rules, rule)
		}
	}
	if len(distinctSigners(possible)) < p.Threshold {
		return p.refusal(name, nil, rules...)
	}
	return nil
}

// Recheck applies the rules about keys again to signers that p, or an earlier policy, found
// for the content called name. It reads neither the content nor its signatures: it can
// refute an earlier proof, for instance because a key was revoked since, and proves nothing
// by itself. A refusal is a *SignatureError.
func (p Policy) Recheck(name string, signers []Signer) error {
	if err := p.check(name); err != nil {
		return err
	}
	var accepted []acceptedSignature
	var rules []string
	for _, s := range signers {
		rule := "the key is not among those that may sign"
		if c, ok := p.Keys.candidate(s); ok {
			var again Signer
			if again, rule = p.checkSigner(c, s.Created, s.Hash); rule == "" {
				accepted = append(accepted, c.acceptedAs(again))
				continue
			}
		}
		rules = append(rules, fmt.Sprintf("by key %s: %s", s.Key, rule))
	}
	if signers := distinctSigners(accepted); len(signers) < p.Threshold {
		return p.refusal(name, signers, rules...)
	}
	return nil
}

// candidate returns the key that s names.
func (k *Keyring) candidate(s Signer) (candidate, bool) {
	for _, c := range k.certs {
		if key := c.key(s.Key); key != nil && c.primary.fpr == s.Primary {
			return candidate{c, key}, true
		}
	}
	return candidate{}, false
}
