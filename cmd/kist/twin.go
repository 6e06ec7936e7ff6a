package main

import (
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/rust"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// bindFormat makes the origin of an added channel, whose keys are ring.
func (a *app) bindFormat(s *session, c channels.Channel, ring *verify.Keyring) (origin, error) {
	switch c.Format {
	case "native":
		return nativeOrigin(c, ring), nil
	case "debian":
		return a.debianOrigin(s, c, ring)
	case "rust":
		source := rust.Source{Channel: c.Name, URL: c.URL, Policy: verify.Policy{Keys: ring, Threshold: c.Threshold}}
		return origin{Channel: install.Channel{Name: c.Name, Source: source, Added: true}, added: &c, keys: ring}, nil
	}
	source, err := upstreams.Twin{
		Channel: c.Name, Format: c.Format, Base: c.URL, Tools: c.Tools, Keys: ring, Threshold: c.Threshold,
	}.Source()
	if err != nil {
		return origin{}, err
	}
	// Added would have a missing mark count as lost; these publish nothing to count by.
	return origin{Channel: install.Channel{Name: c.Name, Source: source}, added: &c, keys: ring}, nil
}

// proofs are the requests that an added channel has to answer before it is
// believed to be one: its manifest, or for each of its tools a signed list or,
// where each file is signed, a file for host with a signature that could count.
func (o origin) proofs(host manifests.Request) (requests []manifests.Request) {
	switch o.added.Format {
	case "native":
		return []manifests.Request{{}}
	case "rust":
		return []manifests.Request{{Tool: rust.Tool}}
	case "debian":
		return []manifests.Request{{Platform: host.Platform, List: true}}
	}
	for _, tool := range o.added.Tools {
		q := manifests.Request{Tool: tool}
		if o.added.Format == "detached" {
			q.Platform, q.Distro = host.Platform, host.Distro
		}
		requests = append(requests, q)
	}
	return requests
}

// locateChannel judges the format, the place and the tools of a channel that is
// to be added.
func locateChannel(c *channels.Channel, where, cwd string) (err error) {
	switch c.Format {
	case "native":
		c.URL, err = manifests.Locate(where, cwd, "channel.toml")
		return err
	case "rust":
		return locateRust(c, where, cwd)
	case "debian":
		return locateDebian(c, where, cwd)
	}
	if !slices.Contains(upstreams.TwinFormats(), c.Format) {
		return &formatError{c.Format}
	}
	known := upstreams.TwinTools(c.Format)
	if len(c.Tools) == 0 {
		return usage("channel add: name with --tools the upstream whose layout it has: %s", strings.Join(known, ", "))
	}
	for _, tool := range c.Tools {
		if !slices.Contains(known, tool) {
			return usage("channel add: no upstream of format %s has a tool %q, only %s", c.Format, tool, strings.Join(known, ", "))
		}
	}
	if c.URL, err = manifests.Locate(where, cwd, ""); err == nil && !strings.HasSuffix(c.URL, "/") {
		c.URL += "/"
	}
	return err
}

// locateRust finds the manifest that a bare name means: the one that where
// names, or the stable one in that directory.
func locateRust(c *channels.Channel, where, cwd string) (err error) {
	if len(c.Tools) == 0 {
		c.Tools = []string{rust.Tool}
	}
	if !c.Grants(rust.Tool, isBuiltin) {
		return usage("channel add: a channel of format rust offers %s alone", rust.Tool)
	}
	if c.URL, err = manifests.Locate(where, cwd, ""); err == nil && !rust.IsManifest(path.Base(c.URL)) {
		c.URL, err = manifests.Locate(where, cwd, rust.ManifestName)
	}
	return err
}
