package verify

import "time"

// A Key describes one key of a certificate as its newest self-signatures do,
// for people to read: whether it may sign is for a Policy to say.
type Key struct {
	Fingerprint Fingerprint `json:"fingerprint"`
	Algorithm   string      `json:"algorithm"` // such as "RSA-4096"
	Created     time.Time   `json:"created"`
	Expires     time.Time   `json:"expires,omitzero"` // zero: never
	Signs       bool        `json:"signs"`            // it has the flag for signing data
	Revoked     string      `json:"revoked,omitempty"`
	Distrusted  string      `json:"distrusted,omitempty"`
	Pinned      bool        `json:"pinned,omitempty"`
	// Weak says that SHA-1 signatures bind the key, so that it counts only
	// where it is pinned.
	Weak bool `json:"weak,omitempty"`
}

// A Certificate describes one certificate of a keyring: its primary key and
// the subkeys that sign.
type Certificate struct {
	Key
	UserID  string `json:"user_id,omitempty"`
	Subkeys []Key  `json:"subkeys,omitempty"`
}

// Certificates describes every certificate of the ring, in the order in which
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

// describe reads the newest self-signatures of any strength.
func (c *certificate) describe(k *key) Key {
	end := time.Unix(1<<33, 0) // after every time that a version 4 or 6 packet can state
	trusting := *c
	trusting.pinned = map[Fingerprint]bool{k.fpr: true}
	state, broken := trusting.state(k, clock{end, end})
	facts := Key{
		Fingerprint: k.fpr, Algorithm: algorithmName(k.PublicKey), Created: k.CreationTime.UTC(),
		Expires: state.expires, Signs: broken.kind == allowed && state.maySign,
		Distrusted: distrustedKeys[k.fpr], Pinned: c.pinned[k.fpr], Weak: state.weak,
	}
	facts.Revoked = k.revoked(end).rule
	return facts
}
