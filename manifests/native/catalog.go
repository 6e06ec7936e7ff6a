package native

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A catalog is a verified manifest without the tools that its channel was not granted.
type catalog struct {
	channel   string
	url       string               // of the manifest
	releases  map[string][]Release // by tool, in the order of the manifest
	sets      []manifests.Set
	withdrawn []verify.Withdrawal
	mark      verify.Mark
	evidence  verify.Evidence
}

func newCatalog(m *Manifest, d verify.Document, s Source) *catalog {
	c := &catalog{channel: m.Channel, releases: map[string][]Release{}, url: s.URL, mark: m.Mark(verify.DigestOf(d.View())), evidence: d.Evidence()}
	c.mark.Keys = s.Edition.KeysMark
	c.evidence.Mark = &c.mark
	c.sets = m.resolvedSets()
	for _, r := range m.Releases {
		if s.Granted != nil && s.Granted(r.Tool) {
			c.releases[r.Tool] = append(c.releases[r.Tool], r)
		}
	}
	for _, w := range m.Withdrawn {
		if s.Granted != nil && s.Granted(w.Tool) {
			c.withdrawn = append(c.withdrawn, w)
		}
	}
	return c
}

// Withdrawals implements manifests.Withdrawing.
func (c *catalog) Withdrawals() []verify.Withdrawal { return slices.Clone(c.withdrawn) }

// Mark returns the manifest's serial, dates and digest.
func (c *catalog) Mark() verify.Mark { return c.mark }

// Versions lists the releases of tool, newest first. If tool is empty, it lists those
// of every tool, sorted by name.
func (c *catalog) Versions(tool string) []manifests.Version {
	tools := []string{tool}
	if tool == "" {
		tools = c.tools()
	}
	var list []manifests.Version
	for _, t := range tools {
		for _, r := range c.newestFirst(t) {
			list = append(list, manifests.Version{Tool: r.Tool, Version: r.Version, Labels: slices.Clone(r.Labels), Date: r.Released})
		}
	}
	return list
}

func (c *catalog) tools() []string { return slices.Sorted(maps.Keys(c.releases)) }

// newestFirst returns the releases of tool, newest first. Versions that cannot be
// ordered come last, in the order of the manifest.
func (c *catalog) newestFirst(tool string) []Release {
	list := slices.Clone(c.releases[tool])
	manifests.SortNewestFirst(list, func(r Release) string { return r.Version })
	return list
}

// Resolve returns the release that q requests. q.Version means:
//   - nothing, or "latest" unless it is a label: the release labelled "stable", else
//     the newest that is not a pre-release, else the newest
//   - "=" and a version: exactly that version
//   - a version or a label: that release; the version if it is both
//   - anything else: the newest release that manifests.MatchesVersion
//
// With q.Below, only lower versions count. What a bare name means is then the newest of
// them that is not a pre-release, since its label is on another release.
func (c *catalog) Resolve(q manifests.Request) (manifests.Release, error) {
	list := c.newestFirst(q.Tool)
	if len(list) == 0 {
		return manifests.Release{}, &manifests.UnknownToolError{Channel: c.channel, Tool: q.Tool, Near: manifests.Near(q.Tool, c.tools())}
	}
	r, ok := chooseRelease(list, q.Version, q.Below)
	if !ok {
		return manifests.Release{}, &manifests.UnknownVersionError{Channel: c.channel, Tool: q.Tool, Version: q.Version,
			Near: manifests.NearVersions(q.Version, names(list))}
	}
	if err := q.Plain(r.Version); err != nil {
		return manifests.Release{}, err
	}
	chosen, err := r.artifacts(q.Platform, q.Components)
	if err != nil {
		return manifests.Release{}, err
	}
	out := manifests.Release{
		Channel: c.channel, Tool: r.Tool, Version: r.Version, Labels: slices.Clone(r.Labels), Released: r.Released,
		Platform: q.Platform, Commands: slices.Clone(r.Commands), Evidence: c.evidence,
	}
	for _, files := range chosen {
		alternatives, err := c.alternatives(r, files)
		if err != nil {
			return manifests.Release{}, fmt.Errorf("channel %s: %w", c.channel, err)
		}
		a := alternatives[0]
		a.Alternatives = alternatives[1:]
		out.Components = append(out.Components, a.Component)
		if files[0].Optional {
			out.Optional = append(out.Optional, a.Component)
		}
		out.Artifacts = append(out.Artifacts, a)
	}
	if r.Witness != nil {
		a := &out.Artifacts[r.witnessIndex(out.Artifacts)]
		a.Witness = &manifests.Witness{Path: r.Witness.Path, Contains: r.Witness.Contains}
		for i := range a.Alternatives {
			a.Alternatives[i].Witness = a.Witness
		}
	}
	return out, nil
}

// chooseRelease returns the release that version means, as Resolve documents it.
func chooseRelease(newestFirst []Release, version, below string) (Release, bool) {
	if below != "" {
		newestFirst = slices.DeleteFunc(slices.Clone(newestFirst), func(r Release) bool { return manifests.CompareVersions(r.Version, below) >= 0 })
	}
	if len(newestFirst) == 0 {
		return Release{}, false
	}
	if below != "" && version == manifests.Stable {
		version = manifests.Latest
	}
	first := func(fits func(Release) bool) (Release, bool) {
		if i := slices.IndexFunc(newestFirst, fits); i >= 0 {
			return newestFirst[i], true
		}
		return Release{}, false
	}
	labelled := func(label string) (Release, bool) {
		return first(func(r Release) bool { return slices.Contains(r.Labels, label) })
	}
	if _, isVersion := first(func(r Release) bool { return r.Version == version }); !isVersion {
		if r, ok := labelled(version); ok {
			return r, true
		}
	}
	if version == "" || version == manifests.Latest {
		if r, ok := labelled(manifests.Stable); ok {
			return r, true
		}
		versions := make([]string, len(newestFirst))
		for i, r := range newestFirst {
			versions[i] = r.Version
		}
		return newestFirst[manifests.NewestRelease(versions)], true
	}
	return first(func(r Release) bool { return manifests.MatchesVersion(version, r.Version) })
}

// Usual returns the release of a tool that an install gets that names no version and has no
// rules of its own: that of a bare name, or the newest below it that is not withdrawn.
// newestFirst are the releases of the tool. ok is false if all that it may be are withdrawn.
func (m *Manifest) Usual(newestFirst []Release) (r Release, ok bool) {
	for r, ok = chooseRelease(newestFirst, "", ""); ok; r, ok = chooseRelease(newestFirst, "", r.Version) {
		if _, withdrawn := manifests.Withdrawn(m.Withdrawn, r.Tool, r.Version); !withdrawn {
			break
		}
	}
	return r, ok
}

func names(list []Release) []string {
	var all []string
	for _, r := range list {
		all = append(append(all, r.Version), r.Labels...)
	}
	return all
}

// artifacts returns, for each component to be installed, its artifacts that suit host
// best, in order of preference. Any one of them can be installed.
func (r Release) artifacts(host manifests.Platform, asked []string) ([][]Artifact, error) {
	var components []string
	for _, a := range r.Artifacts {
		if !slices.Contains(components, a.Component) {
			components = append(components, a.Component)
		}
	}
	for _, name := range asked {
		if !slices.Contains(components, name) {
			return nil, &manifests.UnknownPartError{Tool: r.Tool, Version: r.Version, Part: "component", Name: name,
				Near: manifests.Near(name, components)}
		}
	}
	var chosen [][]Artifact
	for _, name := range components {
		all := slices.DeleteFunc(slices.Clone(r.Artifacts), func(a Artifact) bool { return a.Component != name })
		if all[0].Optional && !slices.Contains(asked, name) {
			continue
		}
		fit := 1
		for _, a := range all {
			fit = max(fit, a.Platform.Fit(host))
		}
		best := slices.DeleteFunc(slices.Clone(all), func(a Artifact) bool { return a.Platform.Fit(host) != fit })
		if len(best) == 0 {
			e := &manifests.UnsupportedPlatformError{Tool: r.Tool, Version: r.Version, Platform: host}
			for _, a := range all {
				e.Have = append(e.Have, a.Platform)
			}
			return nil, e
		}
		slices.SortStableFunc(best, func(a, b Artifact) int { return preference(a.Format) - preference(b.Format) })
		chosen = append(chosen, best)
	}
	return chosen, nil
}

// preference ranks formats by the cost of unpacking them, the cheapest first.
func preference(format string) int {
	order := []string{"tar.zst", "tar.gz", "tar.bz2", "tar.xz", "zip"}
	if i := slices.Index(order, format); i >= 0 {
		return i
	}
	return len(order)
}

// alternatives converts files, in the same order. Entries for the same file at several
// places become one artifact with all its locations.
func (c *catalog) alternatives(r Release, files []Artifact) (list []manifests.Artifact, err error) {
	for len(files) > 0 {
		a := files[0]
		var same, others []Artifact
		for _, b := range files {
			if b.SHA256 == a.SHA256 && b.Size == a.Size && b.Format == a.Format && b.Strip == a.Strip {
				same = append(same, b)
			} else {
				others = append(others, b)
			}
		}
		one, err := c.artifact(r, same)
		if err != nil {
			return nil, err
		}
		list, files = append(list, one), others
	}
	return list, nil
}

// artifact converts the entries of one file, which differ only in its location, into
// one artifact.
func (c *catalog) artifact(r Release, places []Artifact) (manifests.Artifact, error) {
	a := places[0]
	out := manifests.Artifact{
		Name: a.base(), Component: a.Component, Size: a.Size, Unpacked: a.Unpacked,
		Integrity: manifests.Integrity{Digest: a.SHA256},
		Layout:    manifests.Layout{Format: a.Format, Strip: a.Strip},
	}
	if a.Format == "file" {
		out.Layout.Into = r.fileName(a)
	}
	for _, place := range places {
		if place.Chunks.Len() > 0 {
			out.Chunks = place.Chunks
		}
		if place.Path != "" {
			ref, err := manifests.JoinArtifact(c.url, place.Path, a.SHA256)
			if err != nil {
				return manifests.Artifact{}, err
			}
			out.Refs = append(out.Refs, ref)
		}
		out.Refs = append(out.Refs, place.URLs...)
	}
	return out, nil
}

// base returns the file name of the artifact.
func (a Artifact) base() string {
	if a.Path != "" {
		return path.Base(a.Path)
	}
	u, err := url.Parse(a.URLs[0])
	if err != nil {
		return a.Component
	}
	return path.Base(u.Path)
}

// fileName returns the path at which an artifact of format "file" is installed: for
// the main component the first command that is a path and not a pattern, otherwise
// the file name.
func (r Release) fileName(a Artifact) string {
	if a.Component == r.Tool {
		for _, command := range r.Commands {
			if p, ok := manifests.CommandPath(command); ok {
				return p
			}
		}
	}
	return a.base()
}

// witnessIndex returns the index of the artifact that must contain the witness: that
// of the main component, or else the last.
func (r Release) witnessIndex(artifacts []manifests.Artifact) int {
	if i := slices.IndexFunc(artifacts, func(a manifests.Artifact) bool { return a.Component == r.Tool }); i >= 0 {
		return i
	}
	return len(artifacts) - 1
}
