package trust

import (
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// A Demand is the argument of ensure: TOOL@V or TOOL>=V.
type Demand struct {
	Ref
	AtLeast string // V of TOOL>=V, in which case Version is empty
}

// ParseDemand parses the argument of ensure. Its errors are *InputError.
func ParseDemand(arg string) (Demand, error) {
	tool, least, bounded := strings.Cut(arg, ">=")
	ref, err := ParseRef(strings.TrimSpace(tool))
	switch {
	case err != nil:
		return Demand{}, invalid("ensure: %q is neither 'TOOL>=V' nor TOOL@V", arg)
	case !bounded && ref.Version == "":
		return Demand{}, invalid("ensure: which version of %s? put 'TOOL>=V' in quotes, or the shell treats > as a redirection", arg)
	case !bounded:
		return Demand{ref, ""}, nil
	case ref.Version != "":
		return Demand{}, invalid("ensure: %q: either @ or >=", arg)
	}
	d := Demand{ref, upstreams.Numbering(ref.Name).Spell(strings.TrimSpace(least))}
	if manifests.ValidVersion(d.AtLeast) != nil || !manifests.Ordered(d.AtLeast) {
		return Demand{}, invalid("ensure: %q: %q is not a version of %s that can be compared", arg, strings.TrimSpace(least), ref.Name)
	}
	return d, nil
}

func (d Demand) String() string {
	if d.AtLeast == "" {
		return d.Ref.String()
	}
	return d.Ref.String() + ">=" + d.AtLeast
}

// MetBy reports whether a version satisfies d. A version that cannot be compared does
// not satisfy TOOL>=V, since it is not known to be new enough.
func (d Demand) MetBy(version string) bool {
	if d.AtLeast == "" {
		return manifests.MatchesVersion(d.Version, version)
	}
	return manifests.Ordered(version) && manifests.CompareVersions(version, d.AtLeast) >= 0
}

// OwnNumber returns the tool's own version number. For a distribution's package, whose
// version adds the distribution's parts, that is the upstream part.
func OwnNumber(named verify.Evidence, version string) string {
	if debian.IsIndex(named.Name) {
		return debian.Upstream(version)
	}
	return version
}
