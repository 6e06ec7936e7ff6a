package manifests

import (
	"fmt"

	"github.com/kist-tools/kist/verify"
)

// Unsigned is the note in the evidence of a release that an unsigned list of
// versions chose: whoever serves the list can hide a newer one.
const Unsigned = "version list unsigned"

// A Chosen is the Catalog of a source that proves one release at a time: the
// release that a Hint named for the request Asked.
type Chosen struct {
	Asked     Request
	Release   Release
	Hint      Hint
	Numbering Numbering
	Newest    verify.Mark
}

// Listing is the Catalog of h for r, which only lists: it has no release. ok is
// false where h has nothing to list for r.
func (h Hint) Listing(channel string, r Request, n Numbering) (c Chosen, ok bool) {
	c = Chosen{Asked: r, Hint: h, Numbering: n, Release: Release{Channel: channel, Tool: r.Tool}}
	return c, r.List && len(c.Versions(r.Tool)) > 0
}

// Mark implements Catalog.
func (c Chosen) Mark() verify.Mark { return c.Newest }

// Versions implements Catalog, for the platform that was asked about.
func (c Chosen) Versions(tool string) []Version {
	if tool != "" && tool != c.Release.Tool {
		return nil
	}
	return c.Hint.Versions(c.Release.Tool, c.Asked.Platform)
}

// Resolve implements Catalog. Of another version or platform than what was
// asked for it knows nothing that is proved, and says so.
func (c Chosen) Resolve(r Request) (Release, error) {
	have := c.Release
	if r.Tool != have.Tool {
		return Release{}, &UnknownToolError{Channel: have.Channel, Tool: r.Tool, Near: []string{have.Tool}}
	}
	for _, component := range r.Components {
		if component != have.Tool {
			return Release{}, &UnknownComponentError{Tool: have.Tool, Version: have.Version, Component: component,
				Near: Near(component, have.Components)}
		}
	}
	if err := r.Plain(have.Version); err != nil {
		return Release{}, err
	}
	other := false
	if r.Version != c.Asked.Version {
		spelled, _ := c.Numbering.Read(r.Version)
		other = spelled != have.Version
	}
	if c.Asked.List || r.Platform != c.Asked.Platform || other {
		return Release{}, fmt.Errorf("%s %s for %s: only %s for %s was asked for and proved",
			r.Tool, r.Version, r.Platform, have.Version, have.Platform)
	}
	return have, nil
}
