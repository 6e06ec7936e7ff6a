package trust

import (
	"errors"
	"fmt"

	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

// This file binds kist's own channel, which publishes kist itself. It is built in: its
// URL, its keys and its threshold come with kist. Otherwise it is a native channel like
// any other, so its keys rotate, and the newest ones are stored with the settings of the
// channels that the user added.

// An OwnToolError is returned for kist itself where a toolchain is wanted.
type OwnToolError struct{}

func (*OwnToolError) Error() string {
	return "kist itself is not a toolchain: kist does not install, list or run it as one"
}
func (*OwnToolError) Kind() string { return "usage" }

// A NoReleaseKeysError reports that this kist was built with placeholders instead of
// release keys, so that it can prove no release of kist. It matches verify.ErrUntrusted.
type NoReleaseKeysError struct{ Channel string }

func (e *NoReleaseKeysError) Error() string {
	return fmt.Sprintf("channel %s: this build of kist has no release keys", e.Channel)
}

func (e *NoReleaseKeysError) Unwrap() error { return verify.ErrUntrusted }

// isOwn reports whether r means kist itself.
func (r Ref) isOwn() bool {
	return r.Channel == upstreams.OwnChannel || r.Channel == "" && r.Name == upstreams.OwnTool
}

// Own returns kist's own channel, bound to the newest of its keys that were stored.
// Errors include *NoReleaseKeysError.
func (d *Desk) Own() (Binding, error) {
	c, ring, err := d.ownSettings()
	if err != nil {
		return Binding{}, err
	}
	if len(keyrings.Placeholders(ring)) > 0 {
		return Binding{}, &NoReleaseKeysError{c.Name}
	}
	return d.bind(c, ring)
}

// ownSettings returns the settings of kist's own channel and the keys that they trust.
// Stored settings count only if they continue the built-in ones: another kist may have had
// others. A key that the channel has revoked never counts again.
func (d *Desk) ownSettings() (channels.Channel, *verify.Keyring, error) {
	ring, err := d.OwnKeys()
	if err != nil {
		return channels.Channel{}, nil, err
	}
	c := channels.Channel{
		Name: upstreams.OwnChannel, URL: upstreams.OwnURL, Format: "native", Threshold: upstreams.OwnThreshold,
		Tools: []string{upstreams.OwnTool}, Pins: ring.Pins(), Added: d.Now,
	}
	if err := c.Validate(); err != nil { // as with fewer keys than must sign
		return c, nil, fmt.Errorf("channel %s: %w", c.Name, err)
	}
	st, err := d.store()
	if err != nil {
		return c, nil, err
	}
	stored, err := st.Get(c.Name)
	if _, unknown := errors.AsType[*channels.UnknownChannelError](err); unknown {
		return c, ring, nil
	}
	if err != nil {
		return c, nil, err
	}
	if !stored.Equal(c) {
		return c, ring, notRevoked(stored, ring)
	}
	ring, err = st.Keyring(stored)
	return stored, ring, err
}
