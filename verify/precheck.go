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
	if p.Keys == nil {
		return p.refusal(name, nil, "there is no keyring to check against")
	}
	var possible []acceptedSignature
	var rules []string
	for _, raw := range packets {
		a := p.startCheck(raw, packet.SigTypeBinary)
		rule := a.refused
		for _, c := range a.candidates {
			signer, why := p.checkSigner(c, a.sig)
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
