package trust

import (
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/rust"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// This file knows the formats of added channels: kist's own, and those of the upstreams
// that a channel may mirror.

// bindFormat binds an added channel to the keys and threshold of policy.
func (d *Desk) bindFormat(c channels.Channel, policy verify.Policy) (Binding, error) {
	b := Binding{Channel: manifests.Channel{Name: c.Name, Added: true}}
	switch c.Format {
	case "native":
		b.Source = nativeSource(c, policy)
	case "debian":
		suites, codename, err := debian.At(c.URL)
		if err != nil {
			return Binding{}, err
		}
		b.indices = d.cachedIndices(c.Name)
		b.Source = debian.Source{Channel: c.Name, Codename: codename, Suites: suites, Policy: policy, Tools: c.Tools, Cache: b.indices, Tell: d.Warn}
	case "rust":
		b.Source = rust.Source{Channel: c.Name, URL: c.URL, Policy: policy}
	default:
		source, err := upstreams.Mirror{
			Channel: c.Name, Format: c.Format, Base: c.URL, Tools: c.Tools, Keys: policy.Keys, Threshold: policy.Threshold,
		}.Source()
		if err != nil {
			return Binding{}, err
		}
		b.Source, b.Added = source, false // Added makes a missing mark an error, and these formats have no marks
	}
	return b, nil
}

func nativeSource(c channels.Channel, policy verify.Policy) native.Source {
	provided := upstreams.Provided() // once: a manifest may hold 70,000 releases
	builtin := func(tool string) bool {
		_, ok := provided[tool]
		return ok
	}
	s := native.Source{
		Channel: c.Name, URL: c.URL, Policy: policy,
		Granted: func(tool string) bool { return c.Grants(tool, builtin) },
	}
	if c.Rotation != nil {
		s.Edition = c.Rotation.Edition
	}
	return s
}

// proofs returns the requests that a channel must answer to be proved. A built-in
// upstream proves one release. An added channel proves its manifest, or for each of its
// tools a signed list or, if each file is signed, a file for host with an acceptable
// signature.
func (b Binding) proofs(host manifests.Request) (requests []manifests.Request) {
	if b.Settings == nil {
		host.Tool = b.tool
		return []manifests.Request{host}
	}
	switch b.Settings.Format {
	case "native":
		return []manifests.Request{{}}
	case "rust":
		return []manifests.Request{{Tool: rust.Tool}}
	case "debian":
		return []manifests.Request{{Platform: host.Platform, List: true}}
	}
	for _, tool := range b.Settings.Tools {
		q := manifests.Request{Tool: tool}
		if b.Settings.Format == "detached" {
			q.Platform, q.Distro = host.Platform, host.Distro
		}
		requests = append(requests, q)
	}
	return requests
}

// locate checks the format and the tools of a channel to be added, and sets its URL. where
// is what the user typed: a URL, or a path relative to cwd.
func locate(c *channels.Channel, where, cwd string) (err error) {
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
		return &FormatError{c.Format}
	}
	known := upstreams.MirrorTools(c.Format)
	if len(c.Tools) == 0 {
		return invalid("use --tools to name the upstream tool that it mirrors: %s", strings.Join(known, ", "))
	}
	for _, tool := range c.Tools {
		if !slices.Contains(known, tool) {
			return invalid("no upstream of format %s has a tool %q, only %s", c.Format, tool, strings.Join(known, ", "))
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
	if !c.Grants(rust.Tool, IsBuiltin) {
		return invalid("a channel of format rust only offers %s", rust.Tool)
	}
	if c.URL, err = manifests.Locate(where, cwd, ""); err == nil && !rust.IsManifest(path.Base(c.URL)) {
		c.URL, err = manifests.Locate(where, cwd, rust.ManifestName)
	}
	return err
}

// locateDebian sets c.URL to the InRelease file of a suite. where names the file or
// the suite's directory.
func locateDebian(c *channels.Channel, where, cwd string) (err error) {
	if len(c.Tools) == 0 {
		c.Tools = debian.Names()
	}
	for _, tool := range c.Tools {
		if !slices.Contains(debian.Names(), tool) {
			return invalid("kist makes no tool %q of packages, only %s", tool, strings.Join(debian.Names(), ", "))
		}
	}
	if c.URL, err = manifests.Locate(where, cwd, debian.ReleaseFile); err == nil {
		_, _, err = debian.At(c.URL)
	}
	return err
}

// builtinKeys returns kist's own copies of the keys of the distribution that a channel of
// format debian mirrors. ok is false for any other channel.
func builtinKeys(c channels.Channel) (ring *verify.Keyring, ok bool, err error) {
	if c.Format != "debian" {
		return nil, false, nil
	}
	_, codename, err := debian.At(c.URL)
	if err != nil {
		return nil, false, err
	}
	return upstreams.DistroKeys(codename)
}
