package manifests

import (
	"fmt"

	"github.com/kist-tools/kist/verify"
)

// Unsigned is the note in the evidence of a release that was chosen from an unsigned
// version list: a server that controls the list can hide a newer release.
const Unsigned = "version list unsigned"

// A SingleRelease is the Catalog of a source that verifies one release at a time: it holds
// the Release that VersionIndex chose for the request Asked.
type SingleRelease struct {
	Asked     Request
	Release   Release
	Hint      VersionIndex
	Numbering Numbering
	Newest    verify.Mark
}

// listing returns a Catalog that lists the versions of h and has no release. ok is
// false if r does not ask for a list, or h has nothing to list.
func (h VersionIndex) listing(channel string, r Request, n Numbering) (c SingleRelease, ok bool) {
	c = SingleRelease{Asked: r, Hint: h, Numbering: n, Release: Release{Channel: channel, Tool: r.Tool}}
	return c, r.List && len(c.Versions(r.Tool)) > 0
}

// Mark implements Catalog.
func (c SingleRelease) Mark() verify.Mark { return c.Newest }

// Versions implements Catalog, for the platform of the request.
func (c SingleRelease) Versions(tool string) []Version {
	if tool != "" && tool != c.Release.Tool {
		return nil
	}
	return c.Hint.Versions(c.Release.Tool, c.Asked.Platform)
}

// Resolve implements Catalog. It refuses every version and platform but those of the
// request, because no other release was verified.
func (c SingleRelease) Resolve(r Request) (Release, error) {
	have := c.Release
	if r.Tool != have.Tool {
		return Release{}, &UnknownToolError{Channel: have.Channel, Tool: r.Tool, Near: []string{have.Tool}}
	}
	for _, component := range r.Components {
		if component != have.Tool {
			return Release{}, &UnknownPartError{Tool: have.Tool, Version: have.Version, Part: "component", Name: component,
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
