package main

import (
	"fmt"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

// shownOrigin is one place that a built-in channel fetches from, and how its files are
// proved.
type shownOrigin struct {
	Name      string     `json:"name"`
	Proof     string     `json:"proof"`
	Threshold int        `json:"threshold,omitempty"`
	Keys      []shownKey `json:"keys,omitempty"`
	Database  string     `json:"database,omitempty"` // verifier key of a checksum database
	Suites    []string   `json:"suites,omitempty"`   // URLs of a distribution's suites, on the mirror that this machine uses
}

func (o shownOrigin) text(p *term.Page) {
	field(p, "origin", o.Name)
	field(p, "  proof", o.Proof)
	field(p, "  database", o.Database)
	for _, suite := range o.Suites {
		field(p, "  suite", suite)
	}
	if o.Threshold > 0 {
		field(p, "  signatures", fmt.Sprintf("%d of %d keys", o.Threshold, len(o.Keys)))
	}
	keysText(p, o.Keys)
}

// describeBuiltin describes a built-in channel.
func (a *app) describeBuiltin(s *session, name string) shownChannel {
	if name == system.Channel {
		return shownChannel{Name: name, Builtin: true, Format: "the commands on PATH, as they are", Tools: system.Names(), Keys: []shownKey{}}
	}
	u, _ := upstreams.Lookup(name)
	shown := shownChannel{Name: name, Builtin: true, Format: "built in", Tools: u.Tools()}
	for _, o := range u.Origins {
		one := shownOrigin{Name: o.Name, Threshold: o.Threshold}
		switch {
		case o.ChecksumDB != "":
			one.Proof, one.Database = "the signed tree of a checksum database", o.ChecksumDB
		case o.Debian != nil:
			one.Proof = "an OpenPGP signature around the list of each suite"
			for _, suite := range o.Debian.Mirror(a.Platform.Arch, a.AptSources()) {
				one.Suites = append(one.Suites, suite.URL())
			}
			if len(one.Suites) == 0 {
				shown.Problem = "the apt sources of this machine name no mirror that has it"
			}
		case o.Rust != "":
			one.Proof = "a detached OpenPGP signature of each manifest"
		case o.Site != nil && len(o.Site().Lists) > 0:
			one.Proof = "an OpenPGP signature of each version's list of digests"
		default:
			one.Proof = "a detached OpenPGP signature of each file"
		}
		if ring, err := keyrings.Lookup(o.Keyring); o.Keyring != "" && err == nil {
			if newer, err := s.desk.Renewed(ring); err != nil {
				shown.Problem = err.Error()
			} else {
				ring = newer
			}
			one.Keys = describeKeys(ring)
			for i, k := range one.Keys {
				one.Keys[i].Source = keyrings.Source(o.Keyring, k.Primary)
			}
			shown.Keys = append(shown.Keys, one.Keys...)
		}
		shown.Origins = append(shown.Origins, one)
	}
	return shown
}

// shownRotation describes how a channel's keys changed from those the user gave.
type shownRotation struct {
	Version uint64               `json:"version"`
	Issued  time.Time            `json:"issued"`
	Expires time.Time            `json:"expires"`
	Taken   time.Time            `json:"taken"` // when kist first saw it
	Joined  []verify.Fingerprint `json:"joined,omitempty"`
	Retired []verify.Fingerprint `json:"retired,omitempty"`
	Revoked []verify.Fingerprint `json:"revoked,omitempty"`
}

// describeRotation returns nil if the channel has published no keys document.
func describeRotation(c channels.Channel) *shownRotation {
	r := c.Rotation
	if r == nil {
		return nil
	}
	shown := &shownRotation{Version: r.Version, Issued: r.Issued, Expires: r.Expires, Taken: r.Taken, Revoked: r.Revoked}
	for _, pin := range r.Pins {
		if !trust.Pinned(c.Pins, pin.Primary) {
			shown.Joined = append(shown.Joined, pin.Primary)
		}
	}
	revoked := map[verify.Fingerprint]bool{}
	for _, f := range r.Revoked {
		revoked[f] = true
	}
	for _, f := range r.Retired {
		if !revoked[f] {
			shown.Retired = append(shown.Retired, f)
		}
	}
	return shown
}

func (r shownRotation) text(p *term.Page) {
	field(p, "keys", fmt.Sprintf("version %d of %s, valid until %s, taken %s", r.Version, day(r.Issued), day(r.Expires), day(r.Taken)))
	for _, f := range r.Joined {
		field(p, "  joined", f.Spaced())
	}
	for _, f := range r.Retired {
		field(p, "  retired", f.Spaced())
	}
	for _, f := range r.Revoked {
		field(p, "  revoked", f.Spaced())
	}
}
