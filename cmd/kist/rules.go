package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/verify"
)

// This file applies the rules of this machine's policy files to a channel. It is the
// only place that selects the keys by which a channel is verified.

// rules reads the policy files: the machine's and the user's. If one cannot be read,
// it returns an error, so that nothing is allowed.
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

// bind returns the origin of an added channel with the keys ring, if the rules allow
// it. The origin records the keys and threshold that the user chose, and verifies by
// those that the rules leave.
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

// admit returns a function that limits a built-in channel's keys to those that the
// rules allow.
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
