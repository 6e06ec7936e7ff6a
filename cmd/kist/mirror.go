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

// bindFormat returns the origin of an added channel with the keys ring.
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
	source, err := upstreams.Mirror{
		Channel: c.Name, Format: c.Format, Base: c.URL, Tools: c.Tools, Keys: ring, Threshold: c.Threshold,
	}.Source()
	if err != nil {
		return origin{}, err
	}
	// Added is false: it makes a missing mark an error, and these formats have no marks.
	return origin{Channel: install.Channel{Name: c.Name, Source: source}, added: &c, keys: ring}, nil
}

// proofs returns the requests that a channel must answer before it is added: for its
// manifest, or for each of its tools a signed list or, if each file is signed, a file
// for host with an acceptable signature.
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

// locateChannel checks the format and the tools of a channel to be added, and sets
// its URL.
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
	if !slices.Contains(upstreams.MirrorFormats(), c.Format) {
		return &formatError{c.Format}
	}
	known := upstreams.MirrorTools(c.Format)
	if len(c.Tools) == 0 {
		return usage("channel add: use --tools to name the upstream tool that it mirrors: %s", strings.Join(known, ", "))
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

// locateRust sets the URL of the manifest that a bare name means: where itself, or
// the stable manifest in that directory.
func locateRust(c *channels.Channel, where, cwd string) (err error) {
	if len(c.Tools) == 0 {
		c.Tools = []string{rust.Tool}
	}
	if !c.Grants(rust.Tool, isBuiltin) {
		return usage("channel add: a channel of format rust only offers %s", rust.Tool)
	}
	if c.URL, err = manifests.Locate(where, cwd, ""); err == nil && !rust.IsManifest(path.Base(c.URL)) {
		c.URL, err = manifests.Locate(where, cwd, rust.ManifestName)
	}
	return err
}
