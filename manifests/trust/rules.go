package trust

import (
	"fmt"
	"slices"

	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/verify"
)

// This file applies the rules of this machine's policy files to a channel. It is the
// only place that selects the keys by which an added channel is verified.

// Rules returns the rules of the policy files: the machine's and the user's. It reads
// them once. If one cannot be read, it returns an error, so that nothing is allowed.
func (d *Desk) Rules() ([]channels.Rules, error) {
	d.rulesOnce.Do(func() { d.rules, d.rulesErr = d.readRules() })
	return d.rules, d.rulesErr
}

func (d *Desk) readRules() ([]channels.Rules, error) {
	machine, err := d.MachineRules()
	if err != nil {
		return nil, err
	}
	st, err := d.store()
	if err != nil {
		return nil, err
	}
	user, err := st.Rules()
	if err != nil {
		return nil, err
	}
	return append(machine, user...), nil
}

// Limit returns what the rules leave of the keys of a channel, and how many of them must
// have signed. url is that of an added channel, empty for a built-in one. If they do not
// allow the channel, the error is a *channels.RuleError.
func (d *Desk) Limit(name, url string, ring *verify.Keyring, threshold int) (*verify.Keyring, int, error) {
	rules, err := d.Rules()
	if err != nil {
		return nil, 0, err
	}
	for _, r := range rules {
		if err := r.Allows(name, url); err != nil {
			return nil, 0, err
		}
		if url != "" {
			threshold = r.Threshold(threshold)
		}
		if ring, err = r.Keys(name, ring, threshold); err != nil {
			return nil, 0, err
		}
	}
	return ring, threshold, nil
}

// bind binds an added channel to the keys in ring, if the rules allow it. The Binding
// records the keys and threshold that the user chose, and verifies by those that the
// rules leave.
func (d *Desk) bind(c channels.Channel, ring *verify.Keyring) (Binding, error) {
	_, threshold := c.Trusted()
	strong, threshold, err := d.Limit(c.Name, c.URL, ring, threshold)
	if err != nil {
		return Binding{}, err
	}
	if err := notRevoked(c, strong); err != nil {
		return Binding{}, err
	}
	b, err := d.bindFormat(c, verify.Policy{Keys: strong, Threshold: threshold})
	b.Settings, b.Keys = &c, ring
	return b, err
}

// notRevoked returns an error if ring contains a key that the channel has revoked.
func notRevoked(c channels.Channel, ring *verify.Keyring) error {
	if c.Rotation == nil {
		return nil
	}
	for _, pin := range ring.Pins() {
		for _, f := range append([]verify.Fingerprint{pin.Primary}, pin.Subkeys...) {
			if slices.Contains(c.Rotation.Revoked, f) {
				return fmt.Errorf("channel %s: %w: it has revoked key %s", c.Name, verify.ErrUntrusted, f.Spaced())
			}
		}
	}
	return nil
}
