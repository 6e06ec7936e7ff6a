package trust

import (
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

// FailingKeys returns what is wrong with the keys of a channel, or will be within keyNotice, if
// then fewer keys are valid than must sign; else nothing. err is why the channel cannot be
// used at all. Nothing is asked.
func (d *Desk) FailingKeys(name string) (findings []verify.Finding, err error) {
	if IsBuiltinChannel(name) {
		u, _ := upstreams.Lookup(name)
		for _, o := range u.Origins {
			if o.Keyring == "" {
				continue
			}
			ring, err := keyrings.Lookup(o.Keyring)
			if err == nil {
				ring, err = d.Renewed(ring)
			}
			if err != nil {
				return nil, err
			}
			findings = append(findings, d.failing(ring, o.Threshold)...)
		}
		return findings, nil
	}
	c, err := d.Added(name)
	if err != nil {
		return nil, err
	}
	b, err := d.Bind(c)
	if err != nil {
		return nil, err
	}
	if _, err := d.State.Mark(b.Channel); err != nil {
		return nil, err
	}
	_, threshold := c.Trusted()
	return d.failing(b.Keys, threshold), nil
}

// failing returns the findings about the keys of ring if fewer than threshold have none.
func (d *Desk) failing(ring *verify.Keyring, threshold int) []verify.Finding {
	findings := verify.LintWithin(ring, d.Now, keyNotice)
	bad := map[verify.Fingerprint]bool{}
	for _, f := range findings {
		bad[f.Primary] = true
	}
	if len(ring.Pins())-len(bad) >= max(threshold, 1) {
		return nil
	}
	return findings
}

// Places returns the URLs at which a channel is asked: as they are, and without users,
// passwords and queries. A channel that is asked through another program's settings has
// none.
func (d *Desk) Places(name string) (urls, shown []string) {
	if !IsBuiltinChannel(name) {
		c, err := d.Added(name)
		if err != nil {
			return nil, nil
		}
		return []string{c.URL}, []string{c.Redacted()}
	}
	for _, o := range d.describeBuiltin(name).Origins {
		for _, at := range append(o.URLs, o.Suites...) {
			urls, shown = append(urls, at), append(shown, channels.Channel{URL: at}.Redacted())
		}
	}
	return urls, shown
}
