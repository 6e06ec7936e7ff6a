package verify

import (
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Stronger returns k without the RSA keys of fewer than rsaBits bits, a demand on
// top of every Policy's. A weak primary key removes its whole certificate, which
// it vouches for; a weak subkey only itself. If nothing remains, the error matches
// ErrUntrusted.
func (k *Keyring) Stronger(rsaBits int) (*Keyring, error) {
	isWeak := func(key *key) bool {
		bits, _ := measure(key.PublicKey)
		switch key.PubKeyAlgo {
		case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
			return bits < rsaBits
		}
		return false
	}
	strong := &Keyring{}
	for _, c := range k.certs {
		if isWeak(c.primary) {
			continue
		}
		stronger := *c
		stronger.subkeys = nil
		for _, sub := range c.subkeys {
			if !isWeak(sub) {
				stronger.subkeys = append(stronger.subkeys, sub)
			}
		}
		strong.certs = append(strong.certs, &stronger)
	}
	if len(strong.certs) == 0 {
		return nil, keyringError("every key is weaker than RSA-%d", rsaBits)
	}
	return strong, nil
}
