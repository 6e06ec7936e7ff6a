package rust

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A catalog is one proved channel manifest.
type catalog struct {
	channel  string
	url      string // of the channel's own manifest; other URLs are relative to it
	name     releaseName
	manifest *channelManifest
	bytes    []byte // the manifest as proved; must not be changed
	mark     verify.Mark
	evidence verify.Evidence
}

func newCatalog(s Source, n releaseName, m *channelManifest, d verify.Document) *catalog {
	c := &catalog{channel: s.Channel, url: s.URL, name: n, manifest: m, bytes: d.View(), evidence: d.Evidence()}
	issued, _ := time.Parse(time.DateOnly, m.Date) // checked by parse
	c.mark = verify.Mark{Channel: s.Channel, Line: n.Channel, Issued: issued, Digest: verify.DigestOf(c.bytes)}
	if n.fixed() {
		c.mark.Line, c.mark.Fixed = "", true
	}
	c.evidence.Mark = &c.mark
	c.evidence.Notes = append(slices.Clone(c.evidence.Notes), noExpiry)
	return c
}

// Mark returns the manifest's date and digest, on the line of its name.
func (c *catalog) Mark() verify.Mark { return c.mark }

// version returns the release's version: nightly-<day> for a nightly, otherwise its
// number.
func (c *catalog) version() string {
	if strings.HasSuffix(c.manifest.Number, "-nightly") {
		return "nightly-" + c.manifest.Date
	}
	return c.manifest.Number
}

// labels returns the other names of the release.
func (c *catalog) labels() []string {
	if n := c.name.String(); n != c.version() && !manifests.MatchesVersion(n, c.version()) {
		return []string{n}
	}
	return nil
}

// Versions lists the one release of the manifest.
func (c *catalog) Versions(tool string) []manifests.Version {
	if tool != "" && tool != Tool {
		return nil
	}
	return []manifests.Version{{Tool: Tool, Version: c.version(), Labels: c.labels(), Date: c.mark.Issued}}
}

// Resolve returns the part of the release that r requests: the components of its
// profile (minimal by default), its other components and the standard library of its
// targets. It returns the errors of manifests.Catalog.
func (c *catalog) Resolve(r manifests.Request) (manifests.Release, error) {
	if r.Tool != Tool {
		return manifests.Release{}, &manifests.UnknownToolError{Channel: c.channel, Tool: r.Tool, Near: []string{Tool}}
	}
	r.Version, _ = manifests.ExactVersion(r.Version)
	if asked, ok := parseName(r.Version); r.Version != "" && r.Version != "latest" && r.Version != c.version() && (!ok || asked != c.name) {
		return manifests.Release{}, fmt.Errorf("rust %s: only %s was requested and proved", r.Version, c.name)
	}
	if r.Profile == "" {
		r.Profile = minimal
	}
	if r.Below != "" { // a manifest holds one version
		return manifests.Release{}, &manifests.UnknownVersionError{Channel: c.channel, Tool: Tool, Version: r.Version, Near: []string{c.version()}}
	}
	t, err := c.toolchain(r.Platform)
	if err != nil {
		return manifests.Release{}, err
	}
	parts, err := t.choose(r)
	if err != nil {
		return manifests.Release{}, err
	}
	required, err := t.profile(minimal)
	if err != nil {
		required = parts // the manifest does not say what is optional
	}
	out := manifests.Release{
		Channel: c.channel, Tool: Tool, Version: c.version(), Labels: c.labels(), Platform: r.Platform, Released: c.mark.Issued,
		Profile: r.Profile, Commands: []string{"bin/*"}, Evidence: c.evidence,
	}
	if r.Platform.OS == "windows" {
		out.Commands = []string{"bin/*.exe"}
	}
	// Files that programs made for rustup look for.
	list := manifests.Listing{Path: rustlib + "components", Items: map[string]string{}}
	config := manifests.Listing{Path: rustlib + "multirust-config.toml", Head: "config_version = \"1\"\n", Items: map[string]string{}}
	out.Files = []manifests.File{
		{Path: rustlib + "rust-installer-version", Data: []byte("3")},
		{Path: rustlib + "multirust-channel-manifest.toml", Data: c.bytes},
	}
	for _, part := range parts {
		a, err := c.artifact(t, part)
		if err != nil {
			return manifests.Release{}, err
		}
		out.Components = append(out.Components, a.Component)
		out.Artifacts = append(out.Artifacts, a)
		list.Items[a.Component] = part.fullName() + "\n"
		config.Items[a.Component] = fmt.Sprintf("\n[[components]]\npkg = %q\ntarget = %q\nis_extension = false\n", part.pkg, part.target)
		if !slices.ContainsFunc(required, part.equal) {
			out.Optional = append(out.Optional, a.Component)
		}
	}
	out.Listings = []manifests.Listing{list, config}
	return out, nil
}

const (
	minimal = "minimal" // the profile with only the required components
	rustlib = "lib/rustlib/"
)

// fullName returns the name of a component in rust-installer and rustup.
func (c component) fullName() string {
	if c.target == "*" {
		return c.pkg
	}
	return c.pkg + "-" + c.target
}

// artifact returns the artifact of a component. Its alternatives are the other archives
// that hold it, in the manifest's order.
func (c *catalog) artifact(t *toolchain, part component) (manifests.Artifact, error) {
	built, _ := c.manifest.find(part) // checked by parse
	if !built.available {
		return manifests.Artifact{}, &manifests.UnknownPartError{Tool: Tool, Version: c.version(), Part: "component", Name: t.componentName(part), Platform: part.target}
	}
	var all []manifests.Artifact
	for _, one := range built.archives {
		ref, err := c.locate(one)
		if err != nil {
			return manifests.Artifact{}, fmt.Errorf("channel %s: %w", c.channel, &manifests.FormatError{Where: "pkg." + part.pkg + ".target." + part.target, Rule: err.Error()})
		}
		all = append(all, manifests.Artifact{
			Name: path.Base(one.url.Path), Component: t.componentName(part), Refs: []string{ref},
			Integrity: manifests.Integrity{Digest: one.digest},
			Layout: manifests.Layout{Format: one.format, Strip: 1, Installer: &manifests.Installer{
				Dirs:     slices.Compact([]string{part.fullName(), part.pkg}),
				Manifest: rustlib + "manifest-" + part.fullName(),
			}},
		})
	}
	all[0].Alternatives = all[1:]
	return all[0], nil
}

// locate maps a URL of the Rust project's own host to this channel's host.
func (c *catalog) locate(a archive) (string, error) {
	if a.url.Scheme == "https" && a.url.Host == "static.rust-lang.org" {
		if below, ok := strings.CutPrefix(a.url.Path, "/dist/"); ok {
			return manifests.Join(c.url, below)
		}
	}
	return a.url.String(), nil
}

// A toolchain is the part of a manifest for one host.
type toolchain struct {
	*catalog
	host  string // its triple
	parts []component
	names map[string]component // by every accepted name
}

// toolchain returns the toolchain for a host.
func (c *catalog) toolchain(p manifests.Platform) (*toolchain, error) {
	t := &toolchain{catalog: c, host: triple(p), names: map[string]component{}}
	if _, ok := c.manifest.host[t.host]; !ok || !c.manifest.packages["rust"][t.host].available {
		e := &manifests.UnsupportedPlatformError{Tool: Tool, Version: c.version(), Platform: p}
		for _, known := range platforms() {
			if c.manifest.packages["rust"][known.triple].available {
				e.Have = append(e.Have, known.Platform)
			}
		}
		return nil, e
	}
	t.parts = c.manifest.host[t.host]
	for _, part := range t.parts {
		for _, name := range []string{part.pkg, t.shortName(part.pkg)} {
			if part.target == "*" || part.target == t.host {
				t.names[name] = part
			}
			if part.target != "*" {
				t.names[name+"-"+part.target] = part
			}
		}
	}
	return t, nil
}

// shortName returns the short name of a package, which people use.
func (c *catalog) shortName(pkg string) string {
	for _, short := range slices.Sorted(maps.Keys(c.manifest.renames)) {
		if c.manifest.renames[short] == pkg {
			return short
		}
	}
	return pkg
}

// componentName returns the name of a component in a release: its package's short name,
// with the target if it is not the host.
func (t *toolchain) componentName(part component) string {
	if part.target == "*" || part.target == t.host {
		return t.shortName(part.pkg)
	}
	return t.shortName(part.pkg) + "-" + part.target
}

// choose returns the components that r requests, each once, by name.
func (t *toolchain) choose(r manifests.Request) ([]component, error) {
	chosen, err := t.profile(r.Profile)
	if err != nil {
		return nil, err
	}
	for _, name := range r.Components {
		part, ok := t.names[name]
		if !ok {
			return nil, &manifests.UnknownPartError{Tool: Tool, Version: t.version(), Part: "component", Name: name, Platform: t.host,
				Near: manifests.Near(name, t.componentNames())}
		}
		chosen = append(chosen, part)
	}
	for _, name := range r.Targets {
		part := component{pkg: "rust-std", target: name}
		i := slices.IndexFunc(t.parts, part.equal)
		if i < 0 {
			return nil, &manifests.UnknownPartError{Tool: Tool, Version: t.version(), Part: "target", Name: name, Near: manifests.Near(name, t.targets())}
		}
		chosen = append(chosen, t.parts[i])
	}
	slices.SortFunc(chosen, func(a, b component) int { return strings.Compare(t.componentName(a), t.componentName(b)) })
	return slices.CompactFunc(chosen, component.equal), nil
}

func (c component) equal(other component) bool { return c.pkg == other.pkg && c.target == other.target }

// profile returns the components of a profile that exist for the host. Manifests from
// before profiles have one set for all of them.
func (t *toolchain) profile(name string) ([]component, error) {
	own := func(part component) bool { return part.target == t.host || part.target == "*" }
	var chosen []component
	if len(t.manifest.profiles) == 0 {
		for _, part := range t.parts {
			if own(part) && !part.optional {
				chosen = append(chosen, part)
			}
		}
		return chosen, nil
	}
	packages, ok := t.manifest.profiles[name]
	if !ok {
		known := slices.Sorted(maps.Keys(t.manifest.profiles))
		return nil, &manifests.UnknownPartError{Tool: Tool, Version: t.version(), Part: "profile", Name: name, Near: manifests.Near(name, known)}
	}
	for _, part := range t.parts {
		if own(part) && slices.Contains(packages, part.pkg) {
			chosen = append(chosen, part)
		}
	}
	return chosen, nil
}

// componentNames returns the names of the components for the host.
func (t *toolchain) componentNames() (names []string) {
	for _, part := range t.parts {
		names = append(names, t.componentName(part))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (t *toolchain) targets() (triples []string) {
	for _, part := range t.parts {
		if part.pkg == "rust-std" {
			triples = append(triples, part.target)
		}
	}
	slices.Sort(triples)
	return slices.Compact(triples)
}
