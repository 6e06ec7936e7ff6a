package trust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

// A WeakKeyError reports a key that cannot be used to sign for a channel. It matches
// verify.ErrUntrusted.
type WeakKeyError struct{ verify.Finding }

func (e *WeakKeyError) Error() string {
	return fmt.Sprintf("key %s cannot be used: %s", e.Primary.Spaced(), e.Problem)
}

func (e *WeakKeyError) Unwrap() error { return verify.ErrUntrusted }

// keyNotice is how long before a channel's key stops being valid a user is warned. A
// publisher, who can act on it, is warned much earlier.
const keyNotice = 60 * 24 * time.Hour

// CheckKeys refuses keys that are not valid today, with a *WeakKeyError, and warns of
// those that soon will not be.
func (d *Desk) CheckKeys(ring *verify.Keyring) error {
	findings := verify.LintWithin(ring, d.Now, keyNotice)
	for _, f := range findings {
		if f.Refuse {
			return &WeakKeyError{f}
		}
	}
	d.warnOfKeys(findings)
	return nil
}

func (d *Desk) warnOfKeys(findings []verify.Finding) {
	for _, f := range findings {
		d.Warn(fmt.Sprintf("%s; its owner should %s", f.Problem, strings.TrimSuffix(f.Remedy, ".")))
	}
}

// Renewed returns a built-in keyring with the newer copies of its keys that Refresh
// stored.
func (d *Desk) Renewed(ring *verify.Keyring) (*verify.Keyring, error) {
	st, err := d.store()
	if err != nil {
		return nil, err
	}
	return st.Renewed(ring)
}

// WithoutSettings returns a desk for proofs in a store whose settings its user may not
// read: it knows kist's own keys and the rules of the machine, and no channel that the
// owner of the store added.
func (d *Desk) WithoutSettings() *Desk {
	return &Desk{State: noSettings{d.State}, MachineRules: d.MachineRules, Now: d.Now, Platform: d.Platform, Warn: d.Warn, Notify: d.Notify}
}

// noSettings is a State whose settings are missing, and cannot be made.
type noSettings struct{ State }

// Config implements State.
func (noSettings) Config(create bool) (*os.Root, error) {
	if create {
		return nil, fs.ErrPermission
	}
	return nil, nil
}

// StoredKey returns the stored copy of one certificate, which may hold revocations that
// were seen since its keyring was read; nil if there is none.
func (d *Desk) StoredKey(primary verify.Fingerprint) ([]byte, error) {
	st, err := d.store()
	if err != nil {
		return nil, err
	}
	data, err := st.Certificate(primary)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// renewBuiltin returns a built-in channel with newer copies of its keys. The pins do not
// change: a new subkey must be bound by a signature that is strong enough by itself.
func (d *Desk) renewBuiltin(ctx context.Context, name string, newer *verify.Keyring) (Binding, error) {
	err := BuiltinKeys(name, func(_ upstreams.Origin, ring *verify.Keyring) error {
		_, err := ring.Merge(newer)
		return err
	})
	if err != nil {
		return Binding{}, err
	}
	return d.bindBuiltin(ctx, name, newer)
}

// BuiltinKeys calls f with each origin of a built-in channel that OpenPGP keys prove, and
// kist's own copy of these keys.
func BuiltinKeys(channel string, f func(upstreams.Origin, *verify.Keyring) error) error {
	u, _ := upstreams.Lookup(channel)
	for _, o := range u.Origins {
		if o.Keyring == "" {
			continue
		}
		ring, err := keyrings.Lookup(o.Keyring)
		if err == nil {
			err = f(o, ring)
		}
		if err != nil {
			return fmt.Errorf("channel %s: %w", channel, err)
		}
	}
	return nil
}

// OwnsSettings returns a function that reports whether a file of the settings directory
// is kist's.
func OwnsSettings(config *os.Root) (owns func(name string) (bool, error), err error) {
	var primaries []verify.Fingerprint
	for _, name := range upstreams.Names() {
		err := BuiltinKeys(name, func(_ upstreams.Origin, ring *verify.Keyring) error {
			for _, pin := range ring.Pins() {
				primaries = append(primaries, pin.Primary)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return channels.Store{Root: config}.Owns(primaries)
}
