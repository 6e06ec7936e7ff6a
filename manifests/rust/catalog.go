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

// A Catalog is one proved channel manifest.
type Catalog struct {
	channel  string
	at       string // URL of the channel's own manifest, beside which everything lies
	name     Name
	manifest *Manifest
	bytes    []byte // of the manifest, as they were proved: not to be changed
	mark     verify.Mark
	evidence verify.Evidence
}

func newCatalog(s Source, n Name, m *Manifest, d verify.Document) *Catalog {
	c := &Catalog{channel: s.Channel, at: s.URL, name: n, manifest: m, bytes: d.View(), evidence: d.Evidence()}
	issued, _ := time.Parse(time.DateOnly, m.Date) // judged by parse
	c.mark = verify.Mark{Channel: s.Channel, Line: n.Channel, Issued: issued, Digest: verify.DigestOf(c.bytes)}
	if n.fixed() {
		c.mark.Line, c.mark.Fixed = "", true
	}
	c.evidence.Mark = &c.mark
	c.evidence.Notes = append(slices.Clone(c.evidence.Notes), NoExpiry)
	return c
}

// Mark is the manifest's date and digest, on the line of its name.
func (c *Catalog) Mark() verify.Mark { return c.mark }

// version is how the release is called: a nightly by its day, any other by its number.
func (c *Catalog) version() string {
	if strings.HasSuffix(c.manifest.Number, "-nightly") {
		return "nightly-" + c.manifest.Date
	}
	return c.manifest.Number
}

// labels are the names of the release besides its version.
func (c *Catalog) labels() []string {
	if n := c.name.String(); n != c.version() && !manifests.MatchesVersion(n, c.version()) {
		return []string{n}
	}
	return nil
}

// Versions lists the one release of the manifest.
func (c *Catalog) Versions(tool string) []manifests.Version {
	if tool != "" && tool != Tool {
		return nil
	}
	return []manifests.Version{{Tool: Tool, Version: c.version(), Labels: c.labels(), Date: c.mark.Issued}}
}

// Resolve names what of the release r asks for: the components of its profile
// (minimal, if it names none), its other components and the standard library of
// its targets. Errors are those of manifests.Catalog, *manifests.UnknownTargetError
// and *manifests.UnknownProfileError.
func (c *Catalog) Resolve(r manifests.Request) (manifests.Release, error) {
	if r.Tool != Tool {
		return manifests.Release{}, &manifests.UnknownToolError{Channel: c.channel, Tool: r.Tool, Near: []string{Tool}}
	}
	r.Version, _ = manifests.ExactVersion(r.Version)
	if asked, ok := ParseName(r.Version); r.Version != "" && r.Version != "latest" && r.Version != c.version() && (!ok || asked != c.name) {
		return manifests.Release{}, fmt.Errorf("rust %s: only %s was asked for and proved", r.Version, c.name)
	}
	if r.Profile == "" {
		r.Profile = minimal
	}
	t, err := c.toolchain(r.Platform)
	if err != nil {
		return manifests.Release{}, err
	}
	parts, err := t.choose(r)
	if err != nil {
		return manifests.Release{}, err
	}
	least, err := t.profile(minimal)
	if err != nil {
		least = parts // nobody says what it can be without
	}
	out := manifests.Release{
		Channel: c.channel, Tool: Tool, Version: c.version(), Labels: c.labels(), Platform: r.Platform,
		Profile: r.Profile, Commands: []string{"bin/*"}, Evidence: c.evidence,
	}
	if r.Platform.OS == "windows" {
		out.Commands = []string{"bin/*.exe"}
	}
	// What programs that know rustup look for.
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
		list.Items[a.Component] = part.full() + "\n"
		config.Items[a.Component] = fmt.Sprintf("\n[[components]]\npkg = %q\ntarget = %q\nis_extension = false\n", part.pkg, part.target)
		if !slices.ContainsFunc(least, part.same) {
			out.Optional = append(out.Optional, a.Component)
		}
	}
	out.Listings = []manifests.Listing{list, config}
	return out, nil
}

const (
	minimal = "minimal" // the profile of what a toolchain cannot be without
	rustlib = "lib/rustlib/"
)

// full is how rust-installer and rustup call a component.
func (c component) full() string {
	if c.target == "*" {
		return c.pkg
	}
	return c.pkg + "-" + c.target
}

// artifact is what is fetched of a component: any one of the archives that hold
// it, in the order of the manifest's reader.
func (c *Catalog) artifact(t *toolchain, part component) (manifests.Artifact, error) {
	built, _ := c.manifest.find(part) // judged by parse
	if !built.available {
		return manifests.Artifact{}, &manifests.UnknownComponentError{Tool: Tool, Version: c.version(), Component: t.short(part), Platform: part.target}
	}
	var all []manifests.Artifact
	for _, one := range built.archives {
		ref, err := c.locate(one)
		if err != nil {
			return manifests.Artifact{}, fmt.Errorf("channel %s: %w", c.channel, &FormatError{"pkg." + part.pkg + ".target." + part.target, err.Error()})
		}
		all = append(all, manifests.Artifact{
			Name: path.Base(one.url.Path), Component: t.short(part), Refs: []string{ref},
			Integrity: manifests.Integrity{Digest: one.digest},
			Layout: manifests.Layout{Format: one.format, Strip: 1, Installer: &manifests.Installer{
				Dirs:     slices.Compact([]string{part.full(), part.pkg}),
				Manifest: rustlib + "manifest-" + part.full(),
			}},
		})
	}
	all[0].Alternatives = all[1:]
	return all[0], nil
}

// locate maps a URL of the Rust project's own host to this channel's place.
func (c *Catalog) locate(a archive) (string, error) {
	if a.url.Scheme == "https" && a.url.Host == "static.rust-lang.org" {
		if below, ok := strings.CutPrefix(a.url.Path, "/dist/"); ok {
			return manifests.Join(c.at, below)
		}
	}
	return a.url.String(), nil
}

// A toolchain is what a manifest holds for one host.
type toolchain struct {
	*Catalog
	host  string // its triple
	parts []component
	names map[string]component // by each name that a person may use
}

// toolchain finds what there is for a host.
func (c *Catalog) toolchain(p manifests.Platform) (*toolchain, error) {
	t := &toolchain{Catalog: c, host: triple(p), names: map[string]component{}}
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
		for _, name := range []string{part.pkg, t.rename(part.pkg)} {
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

// rename is the short name of a package, by which people call it.
func (c *Catalog) rename(pkg string) string {
	for _, short := range slices.Sorted(maps.Keys(c.manifest.renames)) {
		if c.manifest.renames[short] == pkg {
			return short
		}
	}
	return pkg
}

// short is the name of a component in a release: that of its package, with its
// target where that is not the host's.
func (t *toolchain) short(part component) string {
	if part.target == "*" || part.target == t.host {
		return t.rename(part.pkg)
	}
	return t.rename(part.pkg) + "-" + part.target
}

// choose returns the components that r asks for, each once, by name.
func (t *toolchain) choose(r manifests.Request) ([]component, error) {
	chosen, err := t.profile(r.Profile)
	if err != nil {
		return nil, err
	}
	for _, name := range r.Components {
		part, ok := t.names[name]
		if !ok {
			return nil, &manifests.UnknownComponentError{Tool: Tool, Version: t.version(), Component: name, Platform: t.host,
				Near: manifests.Near(name, t.componentNames())}
		}
		chosen = append(chosen, part)
	}
	for _, name := range r.Targets {
		part := component{pkg: "rust-std", target: name}
		i := slices.IndexFunc(t.parts, part.same)
		if i < 0 {
			return nil, &manifests.UnknownTargetError{Tool: Tool, Version: t.version(), Target: name, Near: manifests.Near(name, t.targets())}
		}
		chosen = append(chosen, t.parts[i])
	}
	slices.SortFunc(chosen, func(a, b component) int { return strings.Compare(t.short(a), t.short(b)) })
	return slices.CompactFunc(chosen, component.same), nil
}

func (c component) same(other component) bool { return c.pkg == other.pkg && c.target == other.target }

// profile returns the components of a profile that exist for the host. A
// manifest without profiles, older than they are, has one set for all of them.
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
		return nil, &manifests.UnknownProfileError{Tool: Tool, Version: t.version(), Profile: name, Near: manifests.Near(name, known)}
	}
	for _, part := range t.parts {
		if own(part) && slices.Contains(packages, part.pkg) {
			chosen = append(chosen, part)
		}
	}
	return chosen, nil
}

// componentNames are the names of what can be added for the host itself.
func (t *toolchain) componentNames() (names []string) {
	for _, part := range t.parts {
		names = append(names, t.short(part))
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
