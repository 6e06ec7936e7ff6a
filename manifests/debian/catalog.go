package debian

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian/internal/assemble"
	"github.com/kist-tools/kist/verify"
)

// A catalog is the proved suites of a distribution, for one architecture.
type catalog struct {
	source  Source
	arch    string // the same in dpkg and Go
	archive *archive
	mark    verify.Mark
	missing []string // suites that the mirror does not have
}

// Mark returns the joined marks of the suites, one line each.
func (c *catalog) Mark() verify.Mark { return c.mark }

// missingNote describes which suites the mirror lacks.
func (c *catalog) missingNote() string {
	return fmt.Sprintf("channel %s: the mirror has no %s, so newer packages there are not seen", c.source.Channel, strings.Join(c.missing, " and no "))
}

// Versions lists the one version that the distribution has of tool, or of every tool if
// tool is empty. Tools whose packages are incomplete are left out.
func (c *catalog) Versions(tool string) (list []manifests.Version) {
	for _, t := range c.source.tools() {
		if tool != "" && tool != t.Name || t.Refused != "" {
			continue
		}
		if p, _, err := c.toolchain(t, nil); err == nil {
			v := string(p.version)
			list = append(list, manifests.Version{Tool: t.Name, Version: v, Labels: versionLabels(v), Date: c.mark.Lines[p.index.suite].Issued})
		}
	}
	return list
}

// toolchain returns the packages that make up t plus further ones by name, and the
// package whose version is the tool's.
func (c *catalog) toolchain(t assemble.Tool, further []string) (*pkg, map[string]details, error) {
	chosen, err := c.archive.closure(slices.Concat(t.Packages, further), t.Host)
	if unsatisfied, ok := errors.AsType[*unsatisfiedError](err); ok {
		unsatisfied.Channel, unsatisfied.Tool = c.source.Channel, t.Name
	}
	if err != nil {
		return nil, nil, err
	}
	name, ok := versionOf(chosen, t.Version)
	if !ok {
		return nil, nil, &unsatisfiedError{Channel: c.source.Channel, Tool: t.Name, Wants: t.Version}
	}
	return c.archive.packages[name], chosen, nil
}

// Resolve makes the toolchain that r asks for: the tool's packages, those that r's
// components add, and their dependencies. It returns the errors of manifests.Catalog,
// errRefusedTool, ErrHost and *unsatisfiedError.
func (c *catalog) Resolve(r manifests.Request) (manifests.Release, error) {
	t, err := c.source.tool(r.Tool)
	if err != nil {
		return manifests.Release{}, err
	}
	for _, name := range r.Components {
		if c.archive.packages[name] == nil {
			return manifests.Release{}, &manifests.UnknownPartError{Tool: r.Tool, Version: "of " + c.source.Channel, Part: "component", Name: name}
		}
	}
	p, chosen, err := c.toolchain(t, r.Components)
	if err != nil {
		return manifests.Release{}, err
	}
	version := string(p.version)
	labels := versionLabels(version)
	if r.Below != "" || !matchesRequest(r.Version, version) && !slices.Contains(labels, r.Version) {
		return manifests.Release{}, &manifests.UnknownVersionError{Channel: c.source.Channel, Tool: r.Tool, Version: r.Version, Near: []string{version}}
	}
	if err := r.Plain(version); err != nil {
		return manifests.Release{}, err
	}
	if r.Platform.OS != "linux" || architectures[r.Platform.Arch] != c.arch {
		return manifests.Release{}, &manifests.UnsupportedPlatformError{Tool: r.Tool, Version: version, Platform: r.Platform, Have: platforms()}
	}
	linkHost, problem := t.CheckHost(c.libc(chosen), r)
	if problem != "" {
		return manifests.Release{}, verify.Errorf(ErrHost, "%s/%s does not work on this machine: %s", c.source.Channel, t.Name, problem)
	}
	var packages []manifests.Artifact
	for _, name := range slices.Sorted(maps.Keys(chosen)) {
		a, err := artifact(c.archive.packages[name], chosen[name])
		if err != nil {
			return manifests.Release{}, err
		}
		packages = append(packages, a)
	}
	out := t.Release(c.arch, linkHost, packages)
	out.Channel, out.Version, out.Labels, out.Platform, out.Evidence = c.source.Channel, version, labels, r.Platform, c.evidence(chosen)
	for _, name := range r.Components {
		if !slices.Contains(out.Components, name) {
			out.Components = append(slices.Clip(out.Components), name)
		}
	}
	return out, nil
}

func artifact(p *pkg, d details) (manifests.Artifact, error) {
	ref, err := manifests.Join(p.index.root, d.filename)
	if err != nil {
		return manifests.Artifact{}, p.formatError(err)
	}
	return manifests.Artifact{Name: path.Base(d.filename), Component: p.name, Version: string(p.version), Refs: []string{ref}, Size: d.size, Unpacked: d.unpacked,
		Integrity: manifests.Integrity{Digest: d.digest}}, nil
}

// ErrHost is returned when a distribution's toolchain cannot work on this machine.
var ErrHost = verify.NewClass("does not work on this machine", "unsupported", nil)

// libc returns what the chosen packages say about the C library.
func (c *catalog) libc(chosen map[string]details) assemble.Libc {
	libc := assemble.Libc{Compare: Compare}
	if _, ok := chosen["libc6"]; ok {
		libc.Version = Upstream(string(c.archive.packages["libc6"].version))
	}
	for _, d := range chosen {
		for _, clause := range d.depends {
			for _, r := range clause {
				if r.name == "libc6" && (libc.Required == "" || Compare(libc.Required, r.other) < 0) {
					libc.Required = r.other
				}
			}
		}
	}
	return libc
}

// evidence returns the evidence of the indices that chosen comes from, in the order of
// the suites.
func (c *catalog) evidence(chosen map[string]details) (e verify.Evidence) {
	var used []*index
	for name := range chosen {
		if x := c.archive.packages[name].index; !slices.Contains(used, x) {
			used = append(used, x)
		}
	}
	order := func(x *index) int {
		return slices.IndexFunc(c.archive.indices, func(y *index) bool { return x == y })
	}
	slices.SortFunc(used, func(a, b *index) int { return order(a) - order(b) })
	e = used[0].evidence
	for _, x := range used[1:] {
		e.Also = append(e.Also, x.evidence)
	}
	if len(c.missing) > 0 {
		e.Notes = append(slices.Clip(e.Notes), c.missingNote())
	}
	return e
}
