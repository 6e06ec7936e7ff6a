package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// This file holds added channels of format debian.

// debianOrigin returns the origin of a distribution's archive that the user added.
func (a *app) debianOrigin(s *session, c channels.Channel, ring *verify.Keyring) (origin, error) {
	suites, codename, err := debian.At(c.URL)
	if err != nil {
		return origin{}, err
	}
	o := origin{added: &c, keys: ring, indices: a.indices(s, c.Name)}
	o.Channel = install.Channel{Name: c.Name, Added: true, Source: debian.Source{
		Channel: c.Name, Codename: codename, Suites: suites, Policy: verify.Policy{Keys: ring, Threshold: c.Threshold},
		Tools: c.Tools, Cache: o.indices, Tell: func(text string) { a.warn("%s", text) },
	}}
	return o, nil
}

// locateDebian sets c.URL to the InRelease file of a suite. where names the file or
// the suite's directory.
func locateDebian(c *channels.Channel, where, cwd string) (err error) {
	if len(c.Tools) == 0 {
		c.Tools = debian.Names()
	}
	for _, tool := range c.Tools {
		if !slices.Contains(debian.Names(), tool) {
			return usage("channel add: kist makes no tool %q of packages, only %s", tool, strings.Join(debian.Names(), ", "))
		}
	}
	if c.URL, err = manifests.Locate(where, cwd, debian.ReleaseFile); err == nil {
		_, _, err = debian.At(c.URL)
	}
	return err
}

// builtinKeys returns kist's own copies of the certificates of the distribution that a
// channel of format debian mirrors. ok is false for any other channel.
func builtinKeys(c channels.Channel) (files [][]byte, ok bool, err error) {
	if c.Format != "debian" {
		return nil, false, nil
	}
	_, codename, err := debian.At(c.URL)
	if err != nil {
		return nil, false, err
	}
	ring, ok, err := upstreams.DistroKeys(codename)
	if !ok || err != nil {
		return nil, ok, err
	}
	return ring.Export(), true, nil
}

// isDebian reports whether an installed release is made of a distribution's packages:
// whether a package index named it.
func isDebian(h record.Head) bool { return debian.IsIndex(h.Evidence.Name) }

// packages proves the files of a distribution's packages: the proved lists must state
// each by its name and digest.
func (r *reproof) packages(lists []verify.Document) error {
	stated, err := debian.PackagesIn(lists)
	if err != nil {
		return err
	}
	for _, a := range r.head.Artifacts {
		if a.Evidence.Kind != verify.ByDigest || !stated(a.Component, a.Evidence.Digest) || a.Evidence.Digest != a.Digest {
			return fmt.Errorf("%s: %w: the proved lists do not state its digest for package %s", a.Name, verify.ErrUntrusted, a.Component)
		}
	}
	return nil
}
