package trust

import (
	"fmt"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/rust"
	"github.com/kist-tools/kist/manifests/upstreams"
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

// bind binds an added channel, or kist's own, to the keys in ring, if the rules allow it.
// The Binding records the keys and threshold of the settings, and verifies by those that
// the rules leave.
func (d *Desk) bind(c channels.Channel, ring *verify.Keyring) (Binding, error) {
	_, threshold := c.Trusted()
	url := c.URL
	if c.Name == upstreams.OwnChannel {
		url = "" // it is built in
	}
	strong, threshold, err := d.Limit(c.Name, url, ring, threshold)
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
	if f, ok := ring.FirstIn(c.Rotation.Revoked); ok {
		return fmt.Errorf("channel %s: %w: it has revoked key %s", c.Name, verify.ErrUntrusted, f.Spaced())
	}
	return nil
}

// bindFormat binds an added channel to the keys and threshold of policy.
func (d *Desk) bindFormat(c channels.Channel, policy verify.Policy) (Binding, error) {
	b := Binding{Channel: manifests.Channel{Name: c.Name, Added: true}}
	switch c.Format {
	case "native":
		b.Source = nativeSource(c, policy)
		if c.Name == upstreams.OwnChannel {
			b.Added = c.Rotation != nil // before its first use it has neither settings nor a mark
		}
	case "debian":
		suites, codename, err := debian.At(c.URL)
		if err != nil {
			return Binding{}, err
		}
		b.indices = d.cachedIndices(c.Name)
		b.Source = debian.Source{Channel: c.Name, Codename: codename, Suites: suites, Policy: policy, Tools: c.Tools, Cache: d.indexCache(b.indices), Tell: d.Warn}
	case "rust":
		b.Source = rust.Source{Channel: c.Name, URL: c.URL, Policy: policy}
	default:
		source, err := upstreams.Mirror{
			Channel: c.Name, Format: c.Format, Base: c.URL, Tools: c.Tools, Keys: policy.Keys, Threshold: policy.Threshold,
		}.Source()
		if err != nil {
			return Binding{}, err
		}
		b.Source, b.Added = source, false // Added makes a missing mark an error, and these formats have no marks
	}
	return b, nil
}

// nativeSource returns the source of a native channel.
func nativeSource(c channels.Channel, policy verify.Policy) native.Source {
	provided := upstreams.Provided() // once: a manifest may hold 70,000 releases
	builtin := func(tool string) bool { return provided[tool] != "" }
	s := native.Source{
		Channel: c.Name, URL: c.URL, Policy: policy,
		Granted: func(tool string) bool { return c.Grants(tool, builtin) },
	}
	if c.Rotation != nil {
		s.Edition = c.Rotation.Edition
	}
	return s
}
