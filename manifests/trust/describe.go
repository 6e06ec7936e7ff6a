package trust

import (
	"slices"
	"time"

	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

// A Description is a channel as it is shown: whose keys may sign it, how many must, for
// which tools it may speak, and how fresh it is.
type Description struct {
	Name      string         `json:"name"`
	Builtin   bool           `json:"builtin,omitempty"`
	URL       string         `json:"url,omitempty"`   // without user, password and query
	Asked     []string       `json:"asked,omitempty"` // where kist asks instead of only at URL: its mirrors, in order
	Format    string         `json:"format"`
	Threshold int            `json:"threshold,omitempty"`
	Tools     []string       `json:"tools"` // granted patterns; empty: every name that is not built in
	Keys      []KeyShown     `json:"keys"`
	Origins   []OriginShown  `json:"origins,omitempty"` // of a built-in channel, in the order kist tries them
	Mark      *verify.Mark   `json:"mark,omitempty"`    // the newest manifest seen
	Rotation  *RotationShown `json:"rotation,omitempty"`
	Problem   string         `json:"problem,omitempty"` // what is wrong with its keys or its mark
	Added     time.Time      `json:"added,omitzero"`
}

// A KeyShown is a key that may sign what a channel publishes.
type KeyShown struct {
	Primary verify.Fingerprint   `json:"primary"`
	Subkeys []verify.Fingerprint `json:"subkeys,omitempty"` // signing subkeys
	UserID  string               `json:"user_id,omitempty"`
	Expires time.Time            `json:"expires,omitzero"`
	// SubkeysExpire maps subkeys to their expiry, as this copy of the key states it.
	SubkeysExpire map[verify.Fingerprint]time.Time `json:"subkeys_expire,omitempty"`
	Revoked       string                           `json:"revoked,omitempty"` // when, and why
	Source        string                           `json:"source,omitempty"`  // where kist's own copy was taken from
	// Weak reports that a self-signature of the key is too weak to count by itself, so
	// that the key is trusted by its pinned fingerprint.
	Weak bool `json:"weak,omitempty"`
}

// An OriginShown is one place that a built-in channel fetches from, and how its files are
// proved.
type OriginShown struct {
	Name      string     `json:"name"`
	URLs      []string   `json:"urls,omitempty"`  // the beginnings of its URLs
	Asked     []string   `json:"asked,omitempty"` // where kist asks instead of only there: its mirrors, in order
	Proof     string     `json:"proof"`
	Threshold int        `json:"threshold,omitempty"`
	Keys      []KeyShown `json:"keys,omitempty"`
	Database  string     `json:"database,omitempty"` // verifier key of a checksum database
	Suites    []string   `json:"suites,omitempty"`   // URLs of a distribution's suites, on the mirror that this machine uses
}

// A RotationShown tells how a channel's keys documents changed the keys that it was added
// with.
type RotationShown struct {
	Version uint64               `json:"version"`
	Issued  time.Time            `json:"issued"`
	Expires time.Time            `json:"expires"`
	Taken   time.Time            `json:"taken"` // when kist first saw it
	Joined  []verify.Fingerprint `json:"joined,omitempty"`
	Retired []verify.Fingerprint `json:"retired,omitempty"`
	Revoked []verify.Fingerprint `json:"revoked,omitempty"`
}

// Describe describes the channel called name. Its errors are those of Added.
func (d *Desk) Describe(name string) (Description, error) {
	if name == upstreams.OwnChannel {
		return d.describeOwn(), nil
	}
	if IsBuiltinChannel(name) {
		return d.describeBuiltin(name), nil
	}
	c, err := d.Added(name)
	if err != nil {
		return Description{}, err
	}
	return d.describeAdded(c), nil
}

// DescribeAll describes every channel, those that the user added first.
func (d *Desk) DescribeAll() ([]Description, error) {
	added, err := d.listChannels()
	if err != nil {
		return nil, err
	}
	list := []Description{}
	for _, c := range added {
		list = append(list, d.describeAdded(c))
	}
	for _, name := range upstreams.Names() {
		list = append(list, d.describeBuiltin(name))
	}
	return append(list, d.describeOwn()), nil
}

// DescribeProved describes p. Unless it existed, its newest manifest has just been proved.
func (d *Desk) DescribeProved(p Proved) Description {
	switch {
	case p.Existed:
		return d.describeAdded(*p.Settings)
	case p.Settings == nil:
		return d.describeBuiltin(p.Name).withMark(p.Mark)
	}
	shown := describeSettings(*p.Settings)
	shown.Keys = describeKeys(p.Keys)
	if p.Name == upstreams.OwnChannel {
		shown.Builtin, shown.Added = true, time.Time{}
	}
	return shown.withMark(p.Mark)
}

// describeAdded describes a channel that the user added.
func (d *Desk) describeAdded(c channels.Channel) Description {
	shown := describeSettings(c)
	shown.Asked = d.Config.Asked(c.Redacted())
	b, err := d.Bind(c)
	var mark verify.Mark
	if err == nil {
		shown.Keys = describeKeys(b.Keys)
		mark, err = d.State.Mark(b.Channel)
	}
	if err != nil {
		shown.Problem = err.Error()
	}
	return shown.withMark(mark)
}

func (c Description) withMark(m verify.Mark) Description {
	if !m.IsZero() {
		c.Mark = &m
	}
	return c
}

// describeSettings describes c by its settings alone.
func describeSettings(c channels.Channel) Description {
	pins, threshold := c.Trusted()
	shown := Description{
		Name: c.Name, URL: c.Redacted(), Format: c.Format, Threshold: threshold, Tools: append([]string{}, c.Tools...), Added: c.Added,
		Rotation: describeRotation(c),
	}
	for _, pin := range pins {
		shown.Keys = append(shown.Keys, KeyShown{Primary: pin.Primary, Subkeys: pin.Subkeys})
	}
	return shown
}

// describeKeys describes each certificate of ring with its pins.
func describeKeys(ring *verify.Keyring) (keys []KeyShown) {
	pins := ring.Pins()
	for i, c := range ring.Certificates() {
		k := KeyShown{Primary: c.Fingerprint, Subkeys: pins[i].Subkeys, UserID: c.UserID, Expires: c.Expires, Revoked: c.Revoked, Weak: c.Weak,
			SubkeysExpire: map[verify.Fingerprint]time.Time{}}
		for _, sub := range c.Subkeys {
			k.Weak = k.Weak || sub.Weak
			if !sub.Expires.IsZero() {
				k.SubkeysExpire[sub.Fingerprint] = sub.Expires
			}
		}
		keys = append(keys, k)
	}
	return keys
}

// describeRotation returns nil if the channel has published no keys document.
func describeRotation(c channels.Channel) *RotationShown {
	r := c.Rotation
	if r == nil {
		return nil
	}
	shown := &RotationShown{Version: r.Version, Issued: r.Issued, Expires: r.Expires, Taken: r.Taken, Revoked: r.Revoked}
	for _, pin := range r.Pins {
		if !Pinned(c.Pins, pin.Primary) {
			shown.Joined = append(shown.Joined, pin.Primary)
		}
	}
	for _, f := range r.Retired {
		if !slices.Contains(r.Revoked, f) {
			shown.Retired = append(shown.Retired, f)
		}
	}
	return shown
}

// describeOwn describes kist's own channel.
func (d *Desk) describeOwn() Description {
	c, ring, err := d.ownSettings()
	if err != nil {
		return Description{Name: upstreams.OwnChannel, Builtin: true, Format: "native", Tools: []string{upstreams.OwnTool}, Keys: []KeyShown{}, Problem: err.Error()}
	}
	shown := describeSettings(c)
	shown.Builtin, shown.Added, shown.Asked, shown.Keys = true, time.Time{}, d.Config.Asked(c.URL), describeKeys(ring)
	for i, k := range shown.Keys {
		shown.Keys[i].Source = keyrings.Source(upstreams.OwnChannel, k.Primary)
	}
	b, err := d.Own()
	var mark verify.Mark
	if err == nil {
		mark, err = d.State.Mark(b.Channel)
	}
	if err != nil {
		shown.Problem = err.Error()
	}
	return shown.withMark(mark)
}

// describeBuiltin describes a built-in channel.
func (d *Desk) describeBuiltin(name string) Description {
	if name == system.Channel {
		return Description{Name: name, Builtin: true, Format: "the commands on PATH, as they are", Tools: system.Names(), Keys: []KeyShown{}}
	}
	u, _ := upstreams.Lookup(name)
	shown := Description{Name: name, Builtin: true, Format: "built in", Tools: u.Tools()}
	for _, o := range u.Origins {
		one := OriginShown{Name: o.Name, URLs: o.URLs(), Proof: proofOf(o), Threshold: o.Threshold, Database: o.ChecksumDB}
		if o.Debian != nil {
			for _, suite := range o.Debian.Mirror(d.Platform.Arch, d.AptSources()) {
				one.Suites = append(one.Suites, suite.URL())
				one.Asked = append(one.Asked, d.Config.Asked(suite.URL())...)
			}
			if len(one.Suites) == 0 {
				shown.Problem = "the apt sources of this machine name no mirror that has it"
			}
		}
		for _, at := range one.URLs {
			one.Asked = append(one.Asked, d.Config.Asked(at)...)
		}
		if ring, err := keyrings.Lookup(o.Keyring); o.Keyring != "" && err == nil {
			if newer, err := d.Renewed(ring); err != nil {
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

// proofOf describes how the files of an origin are proved.
func proofOf(o upstreams.Origin) string {
	switch {
	case o.ChecksumDB != "":
		return "the signed tree of a checksum database"
	case o.Debian != nil:
		return "an OpenPGP signature around the list of each suite"
	case o.Rust != "":
		return "a detached OpenPGP signature of each manifest"
	case o.Site != nil && len(o.Site().Lists) > 0:
		return "an OpenPGP signature of each version's list of digests"
	}
	return "a detached OpenPGP signature of each file"
}
