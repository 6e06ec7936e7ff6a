package trust

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// A Ref is TOOL of the command line: [channel/]name[@version]. The version may be a
// prefix of one or a label; after "=" it is exact.
type Ref struct{ Channel, Name, Version string }

// ParseRef parses TOOL. Its errors match manifests.ErrInput.
func ParseRef(s string) (Ref, error) {
	if set, ok, err := ParseSetRef(s); ok && err == nil {
		return Ref{}, manifests.Invalid("%s is a set, and here a TOOL is needed; kist install %s installs its tools", set, set)
	} else if ok {
		return Ref{}, err
	}
	rest, version, versioned := strings.Cut(s, "@")
	channel, name, named := strings.Cut(rest, "/")
	if !named {
		channel, name = "", rest
	}
	r := Ref{channel, name, version}
	if named {
		if err := manifests.ValidName(channel); err != nil {
			return r, manifests.Invalid("%q is not a TOOL: channel %v", s, err)
		}
	}
	if err := manifests.ValidName(name); err != nil {
		return r, manifests.Invalid("%q is not a TOOL: name %v", s, err)
	}
	if versioned {
		// Other tools write a label in two parts, lts/jod, and lts/* for any of them.
		// kist's names have no slash.
		version = strings.Replace(strings.TrimSuffix(version, "/*"), "/", "-", 1)
		r.Version = version
		number, _ := manifests.ExactVersion(version)
		if err := manifests.ValidVersion(number); err != nil {
			return r, manifests.Invalid("%q is not a TOOL: version %v", s, err)
		}
	}
	return r, nil
}

// ParseRefs parses several TOOLs.
func ParseRefs(args []string) (refs []Ref, err error) {
	for _, arg := range args {
		r, err := ParseRef(arg)
		if err != nil {
			return nil, err
		}
		refs = append(refs, r)
	}
	return refs, nil
}

func (r Ref) String() string {
	s := r.Name
	if r.Channel != "" {
		s = r.Channel + "/" + s
	}
	if r.Version != "" {
		s += "@" + r.Version
	}
	return s
}

// Matches reports whether r means the release of a channel with these labels.
func (r Ref) Matches(channel, tool, version string, labels []string) bool {
	return tool == r.Name && (r.Channel == "" || channel == r.Channel) &&
		(r.Version == "" || manifests.MatchesVersion(r.Version, version) || slices.Contains(labels, r.Version))
}

// A Demand is the argument of ensure: TOOL@V or TOOL>=V.
type Demand struct {
	Ref
	AtLeast string // V of TOOL>=V, in which case Version is empty
}

// ParseDemand parses the argument of ensure. Its errors match manifests.ErrInput.
func ParseDemand(arg string) (Demand, error) {
	tool, least, bounded := strings.Cut(arg, ">=")
	ref, err := ParseRef(strings.TrimSpace(tool))
	switch {
	case err != nil:
		return Demand{}, manifests.Invalid("ensure: %q is neither 'TOOL>=V' nor TOOL@V", arg)
	case !bounded && ref.Version == "":
		return Demand{}, manifests.Invalid("ensure: which version of %s? put 'TOOL>=V' in quotes, or the shell treats > as a redirection", arg)
	case !bounded:
		return Demand{ref, ""}, nil
	case ref.Version != "":
		return Demand{}, manifests.Invalid("ensure: %q: either @ or >=", arg)
	}
	d := Demand{ref, upstreams.Numbering(ref.Name).Spell(strings.TrimSpace(least))}
	if manifests.ValidVersion(d.AtLeast) != nil || !manifests.Ordered(d.AtLeast) {
		return Demand{}, manifests.Invalid("ensure: %q: %q is not a version of %s that can be compared", arg, strings.TrimSpace(least), ref.Name)
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

// A SeveralChannelsError reports that a bare name means tools of several channels.
type SeveralChannelsError struct {
	Tool     string
	Channels []string
	Flags    []string // to repeat in the suggested command line
}

func (e *SeveralChannelsError) Error() string {
	return fmt.Sprintf("%s comes from several channels: %s", e.Tool, strings.Join(e.Channels, ", "))
}
func (*SeveralChannelsError) Kind() string { return "usage" }

// A SystemError is returned when kist is asked to change a tool of the system.
type SystemError struct{ Tool string } // empty: any tool

func (e *SystemError) Error() string {
	return strings.TrimSuffix("system/"+e.Tool, "/") + " belongs to the system: kist reads its version, and never installs, changes or removes it"
}
func (*SystemError) Kind() string { return "refused" }

// A BuiltinError is returned for a change to a built-in channel, which nobody can add,
// change or remove.
type BuiltinError struct{ Name string }

func (e *BuiltinError) Error() string { return fmt.Sprintf("channel %s is built in", e.Name) }
func (*BuiltinError) Kind() string    { return "usage" }

// A TakenError reports that a different channel of that name exists already.
type TakenError struct{ Name string }

func (e *TakenError) Error() string {
	return fmt.Sprintf("channel %s already exists, with another URL, keys, threshold, tools or format", e.Name)
}
func (*TakenError) Kind() string { return "usage" }

// ErrFormat is returned for a channel of a format that this kist cannot add.
var ErrFormat = verify.NewClass("unknown format", "usage", nil)
