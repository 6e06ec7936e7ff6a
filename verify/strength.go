package verify

import (
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Stronger returns k without RSA keys of fewer bits than are demanded, beyond
// what every Policy demands. A certificate goes whole with its primary key, which
// speaks for all of it; a subkey by itself. An empty result matches ErrUntrusted.
func (k *Keyring) Stronger(rsaBits int) (*Keyring, error) {
	weak := func(key *key) bool {
		bits, _ := measure(key.PublicKey)
		switch key.PubKeyAlgo {
		case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSASignOnly:
			return bits < rsaBits
		}
		return false
	}
	strong := &Keyring{}
	for _, c := range k.certs {
		if weak(c.primary) {
			continue
		}
		left := *c
		left.subkeys = nil
		for _, sub := range c.subkeys {
			if !weak(sub) {
				left.subkeys = append(left.subkeys, sub)
			}
		}
		strong.certs = append(strong.certs, &left)
	}
	if len(strong.certs) == 0 {
		return nil, keyringError("every key is weaker than RSA-%d", rsaBits)
	}
	return strong, nil
}
