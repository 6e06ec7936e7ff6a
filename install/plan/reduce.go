package plan

import (
	"slices"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// reusable returns the components of r that can be copied from have: it unpacked the
// same artifact for them in the same layout.
func reusable(have record.Head, r manifests.Release) (components []string) {
	for _, a := range r.Artifacts {
		sameArtifact := func(offer manifests.Artifact) bool {
			if offer.Layout.MergedUsr { // several artifacts may contain the same file
				return false
			}
			return slices.ContainsFunc(have.Artifacts, func(got record.Artifact) bool {
				return got.Component == offer.Component && got.Digest == offer.Integrity.Digest && got.Layout.Same(offer.Layout)
			})
		}
		if sameArtifact(a) || slices.ContainsFunc(a.Alternatives, sameArtifact) {
			components = append(components, a.Component)
		}
	}
	return components
}

// reduce plans the replacement of the release r.ID by one without r.Components.
func (p *Plan) reduce(s State, r Reduction) error {
	have, ok := s.Receipts[r.ID]
	if !ok || !s.Current.Has(r.ID) || slices.Contains(p.Leave, r.ID) {
		return notInstalled(r.ID)
	}
	if s.Gone[r.ID] {
		return &GoneError{Release: have.Ref()}
	}
	for _, c := range r.Components {
		switch {
		case !slices.Contains(have.Components, c):
			return &manifests.UnknownPartError{Tool: have.Tool, Version: have.Version, Part: "component", Name: c,
				Near: manifests.Near(c, have.Components)}
		case !slices.Contains(have.Optional, c):
			return &NeededError{Release: have.Ref(), Component: c}
		}
	}
	if len(r.Components) == 0 {
		return nil
	}
	in := Install{
		Release: withoutComponents(have, r.Components),
		Default: s.Current.Defaults[have.Key()] == r.ID,
		Base:    r.ID, Without: slices.Compact(slices.Sorted(slices.Values(r.Components))),
	}
	in.Reuse = in.Release.Components
	p.Leave = append(p.Leave, r.ID)
	p.Install = append(p.Install, in)
	return nil
}

// Without returns the components that p leaves out of the new release h.
func (p Plan) Without(h record.Head) []string {
	for _, in := range p.Install {
		if r := in.Release; r.Channel == h.Channel && r.Tool == h.Tool && r.Version == h.Version {
			return in.Without
		}
	}
	return nil
}

// withoutComponents returns the release of have without some components. It has no
// Profile, since it is no longer that named set, and its artifacts have no addresses,
// since they are copied and not fetched.
func withoutComponents(have record.Head, without []string) manifests.Release {
	remaining := func(names []string) []string {
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
		Platform: have.Platform, Components: remaining(have.Components), Optional: remaining(have.Optional), Artifacts: artifacts,
		Listings: have.Listings, Env: have.Env, Evidence: have.Evidence,
	}
}
