package main

import (
	"context"
	"fmt"
	"os"

	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

// renewed returns a built-in keyring with the newer copies of its keys that channel
// refresh stored.
func (s *session) renewed(ring *verify.Keyring) (*verify.Keyring, error) {
	st, ok, err := s.store()
	if !ok || err != nil {
		return ring, err
	}
	return st.Renewed(ring)
}

// renewBuiltin returns a built-in channel with newer copies of its keys, and those
// copies. The pins do not change: a new subkey must be bound by a signature that is
// strong enough by itself.
func (a *app) renewBuiltin(ctx context.Context, s *session, name string, keyFiles []string) (origin, *verify.Keyring, error) {
	newer, err := openKeys(keyFiles)
	if err != nil {
		return origin{}, nil, err
	}
	u, _ := upstreams.Lookup(name)
	for _, o := range u.Origins {
		if o.Keyring == "" {
			continue
		}
		ring, err := keyrings.Lookup(o.Keyring)
		if err == nil {
			_, err = ring.Merge(newer)
		}
		if err != nil {
			return origin{}, nil, fmt.Errorf("channel %s: %w", name, err)
		}
	}
	o, err := a.builtinOrigin(ctx, s, name, newer)
	return o, newer, err
}

// rememberBuiltin stores newer copies of the keys of a built-in channel.
func (s *session) rememberBuiltin(ctx context.Context, newer *verify.Keyring) error {
	root, err := s.Config(true)
	if err != nil {
		return err
	}
	return s.locked(ctx, func() error { return channels.Store{Root: root}.Renew(newer) })
}

// ownSettings returns a function that reports whether a file of the settings
// directory is kist's.
func ownSettings(config *os.Root) (owns func(name string) (bool, error), err error) {
	var primaries []verify.Fingerprint
	for _, name := range upstreams.Names() {
		u, _ := upstreams.Lookup(name)
		for _, o := range u.Origins {
			if o.Keyring == "" {
				continue
			}
			ring, err := keyrings.Lookup(o.Keyring)
			if err != nil {
				return nil, fmt.Errorf("channel %s: %w", name, err)
			}
			for _, pin := range ring.Pins() {
				primaries = append(primaries, pin.Primary)
			}
		}
	}
	return channels.Store{Root: config}.Owns(primaries)
}
