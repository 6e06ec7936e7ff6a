package plan

import (
	"slices"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// reusable names the components of r that have holds already: what was unpacked
// for them is what r would have unpacked, in the same way.
func reusable(have record.Head, r manifests.Release) (components []string) {
	for _, a := range r.Artifacts {
		one := func(offer manifests.Artifact) bool {
			if offer.Layout.MergedUsr { // several artifacts may have brought the same file
				return false
			}
			return slices.ContainsFunc(have.Artifacts, func(got record.Artifact) bool {
				return got.Component == offer.Component && got.Digest == offer.Integrity.Digest && got.Layout.Same(offer.Layout)
			})
		}
		if one(a) || slices.ContainsFunc(a.Alternatives, one) {
			components = append(components, a.Component)
		}
	}
	return components
}

// reduce plans the release of r without some of its components.
func (p *Plan) reduce(s State, r Reduction) error {
	have, ok := s.Receipts[r.ID]
	if !ok || !s.Current.Has(r.ID) || slices.Contains(p.Leave, r.ID) {
		return &NotInstalledError{Name: string(r.ID)}
	}
	if s.Gone[r.ID] {
		return &GoneError{Release: have.Ref()}
	}
	for _, c := range r.Components {
		switch {
		case !slices.Contains(have.Components, c):
			return &manifests.UnknownComponentError{Tool: have.Tool, Version: have.Version, Component: c,
				Near: manifests.Near(c, have.Components)}
		case !slices.Contains(have.Optional, c):
			return &NeededError{Release: have.Ref(), Component: c}
		}
	}
	if len(r.Components) == 0 {
		return nil
	}
	in := Install{
		Release: reduced(have, r.Components),
		Default: s.Current.Defaults[have.Key()] == r.ID,
		Base:    r.ID, Without: slices.Compact(slices.Sorted(slices.Values(r.Components))),
	}
	in.Reuse = in.Release.Components
	p.Leave = append(p.Leave, r.ID)
	p.Install = append(p.Install, in)
	return nil
}

// Without names the components that h, a release which p puts in place, is to be
// without.
func (p Plan) Without(h record.Head) []string {
	for _, in := range p.Install {
		if r := in.Release; r.Channel == h.Channel && r.Tool == h.Tool && r.Version == h.Version {
			return in.Without
		}
	}
	return nil
}

// reduced is the release that have is without some components: no longer one of
// a named set. Its artifacts are known and not to be had: they were fetched.
func reduced(have record.Head, without []string) manifests.Release {
	rest := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(c string) bool { return slices.Contains(without, c) })
	}
	var artifacts []manifests.Artifact
	for _, a := range have.Artifacts {
		if !slices.Contains(without, a.Component) {
			artifacts = append(artifacts, manifests.Artifact{Name: a.Name, Component: a.Component, Size: a.Size,
				Integrity: manifests.Integrity{Digest: a.Digest}, Layout: a.Layout})
		}
	}
	return manifests.Release{
		Channel: have.Channel, Tool: have.Tool, Version: have.Version, Requested: have.Requested, Labels: have.Labels,
		Platform: have.Platform, Components: rest(have.Components), Optional: rest(have.Optional), Artifacts: artifacts,
		Listings: have.Listings, Env: have.Env, Evidence: have.Evidence,
	}
}
