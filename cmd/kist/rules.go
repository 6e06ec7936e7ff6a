package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/verify"
)

// This file is where the rules of this machine's policy files meet a channel:
// the one place where the keys that a channel is judged by are chosen.

// rules reads the policy files: the machine's, and the user's own. One that
// cannot be read allows nothing.
func (a *app) rules(s *session) (all []channels.Rules, err error) {
	add := func(file string, data []byte) error {
		r, err := channels.ParseRules(file, data)
		all = append(all, r)
		return err
	}
	if a.Dirs.Machine != "" {
		file := filepath.Join(a.Dirs.Machine, channels.RulesFile)
		data, err := readFile(file, channels.MaxRules)
		if _, missing := errors.AsType[*missingFileError](err); !missing {
			if err == nil {
				err = add(file, data)
			} else {
				err = &channels.RulesError{File: file, Err: err}
			}
			if err != nil {
				return nil, err
			}
		}
	}
	root, err := s.Config(false)
	if root == nil || err != nil {
		return all, err
	}
	file := filepath.Join(root.Name(), channels.RulesFile)
	data, err := readIn(root, channels.RulesFile, channels.MaxRules)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, &channels.RulesError{File: file, Err: err}
	}
	return all, add(file, data)
}

// bind makes the origin of an added channel, whose keys are ring, as far as the
// rules allow it. What it remembers is what the user chose; what it judges by is
// what the rules leave of that.
func (a *app) bind(s *session, c channels.Channel, ring *verify.Keyring) (origin, error) {
	rules, err := a.rules(s)
	if err != nil {
		return origin{}, err
	}
	strict, strong := c, ring
	if c.Rotation != nil {
		rotation := *c.Rotation
		strict.Rotation = &rotation
	}
	for _, r := range rules {
		if err := r.Allows(c.Name, c.URL); err != nil {
			return origin{}, err
		}
		strict.Threshold = r.Threshold(strict.Threshold)
		if strict.Rotation != nil {
			strict.Rotation.Threshold = r.Threshold(strict.Rotation.Threshold)
		}
		_, threshold := strict.Trusted()
		if strong, err = r.Keys(c.Name, strong, threshold); err != nil {
			return origin{}, err
		}
	}
	if err := notRevoked(c, strong); err != nil {
		return origin{}, err
	}
	o, err := a.bindFormat(s, strict, strong)
	o.added, o.keys = &c, ring
	return o, err
}

// notRevoked refuses keys that the channel has revoked, however they came back.
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

// admit returns what the rules leave of a built-in channel's keys.
func (a *app) admit(rules []channels.Rules, channel string) func(*verify.Keyring, int) (*verify.Keyring, error) {
	return func(ring *verify.Keyring, threshold int) (*verify.Keyring, error) {
		var err error
		for _, r := range rules {
			if ring, err = r.Keys(channel, ring, threshold); err != nil {
				return nil, err
			}
		}
		return ring, nil
	}
}
