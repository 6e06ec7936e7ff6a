package verify

import (
	"fmt"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Foresee refuses a block of detached signatures that could prove no content at
// all: too few of them are by keys that could have made them when they did. It
// spares a download whose proof is bound to fail, and proves nothing itself. A
// refusal is a *SignatureError.
func (p Policy) Foresee(name string, sig []byte) error {
	packets, err := signatureBlock(sig)
	if err != nil {
		return p.refuse(name, nil, err.Error())
	}
	if p.Keys == nil {
		return p.refuse(name, nil, "there is no keyring to check against")
	}
	var could []accepted
	var rules []string
	for _, raw := range packets {
		a := p.prepare(raw, packet.SigTypeBinary)
		rule := a.rule
		for _, c := range a.candidates {
			signer, why := p.judge(c, a.sig)
			if why == "" {
				could, rule = append(could, c.accept(signer)), ""
				break
			}
			rule = fmt.Sprintf("by key %s: %s", c.key.fpr, why)
		}
		if rule != "" {
			rules = append(rules, rule)
		}
	}
	if len(once(could)) < p.Threshold {
		return p.refuse(name, nil, rules...)
	}
	return nil
}

// distrust says why s never counts, whoever pins the key that made it.
func (s *signature) distrust() string {
	for fpr, reason := range distrustedKeys {
		if s.issuerIs(fpr) {
			return fmt.Sprintf("that is %s (%s), and nothing that it signed counts", reason, fpr)
		}
	}
	return ""
}
