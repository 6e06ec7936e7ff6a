package verify

import "time"

// Key describes one key of a certificate by its newest self-signatures, for
// display. Whether it may sign is a Policy's decision.
type Key struct {
	Fingerprint Fingerprint `json:"fingerprint"`
	Algorithm   string      `json:"algorithm"` // such as "RSA-4096"
	Created     time.Time   `json:"created"`
	Expires     time.Time   `json:"expires,omitzero"` // zero: never
	Signs       bool        `json:"signs"`            // it has the flag for signing data
	Revoked     string      `json:"revoked,omitempty"`
	Distrusted  string      `json:"distrusted,omitempty"`
	Pinned      bool        `json:"pinned,omitempty"`
	// Weak reports that SHA-1 signatures bind the key, so that it counts only if
	// it is pinned.
	Weak bool `json:"weak,omitempty"`
}

// Certificate describes one certificate of a keyring: its primary key and its
// signing subkeys.
type Certificate struct {
	Key
	UserID  string `json:"user_id,omitempty"`
	Subkeys []Key  `json:"subkeys,omitempty"`
}

// Certificates describes every certificate of the keyring, in the order in which
// they were read or pinned.
func (k *Keyring) Certificates() []Certificate {
	var out []Certificate
	for _, c := range k.certs {
		described := Certificate{Key: c.describe(c.primary), UserID: c.name()}
		for _, sub := range c.subkeys {
			if facts := c.describe(sub); facts.Signs {
				described.Subkeys = append(described.Subkeys, facts)
			}
		}
		out = append(out, described)
	}
	return out
}

// describe describes k by its newest self-signatures, weak ones included.
func (c *certificate) describe(k *key) Key {
	end := time.Unix(1<<33, 0) // later than any time that a packet can state
	trusting := *c
	trusting.pinned = map[Fingerprint]bool{k.fpr: true}
	state, broken := trusting.stateAt(k, checkTime{end, end})
	facts := Key{
		Fingerprint: k.fpr, Algorithm: algorithmName(k.PublicKey), Created: k.CreationTime.UTC(),
		Expires: state.expires, Signs: broken.kind == allowed && state.maySign,
		Distrusted: distrustedKeys[k.fpr], Pinned: c.pinned[k.fpr], Weak: state.weak,
	}
	facts.Revoked = k.checkRevocations(end).rule
	return facts
}
