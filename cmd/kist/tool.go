package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// A toolRef is TOOL of the command line: [channel/]name[@version]. The version may
// be a prefix of one or a label; after "=" it is exact.
type toolRef struct{ Channel, Name, Version string }

func parseTool(s string) (toolRef, error) {
	var r toolRef
	rest, version, versioned := strings.Cut(s, "@")
	channel, name, named := strings.Cut(rest, "/")
	if !named {
		channel, name = "", rest
	}
	r = toolRef{channel, name, version}
	if named {
		if err := manifests.ValidName(channel); err != nil {
			return r, usage("%q is not a TOOL: channel %v", s, err)
		}
	}
	if err := manifests.ValidName(name); err != nil {
		return r, usage("%q is not a TOOL: name %v", s, err)
	}
	if versioned {
		// Other tools write a label in two parts, lts/jod, and lts/* for any of them.
		// kist's names have no slash.
		version = strings.Replace(strings.TrimSuffix(version, "/*"), "/", "-", 1)
		r.Version = version
		number, _ := manifests.ExactVersion(version)
		if err := manifests.ValidVersion(number); err != nil {
			return r, usage("%q is not a TOOL: version %v", s, err)
		}
	}
	return r, nil
}

func parseTools(args []string) (refs []toolRef, err error) {
	for _, arg := range args {
		r, err := parseTool(arg)
		if err != nil {
			return nil, err
		}
		refs = append(refs, r)
	}
	return refs, nil
}

func (r toolRef) String() string {
	s := r.Name
	if r.Channel != "" {
		s = r.Channel + "/" + s
	}
	if r.Version != "" {
		s += "@" + r.Version
	}
	return s
}

// satisfiedBy reports whether the installed release have matches r.
func (r toolRef) satisfiedBy(have record.Head) bool {
	return have.Tool == r.Name && (r.Channel == "" || have.Channel == r.Channel) &&
		(r.Version == "" || manifests.MatchesVersion(r.Version, have.Version) || slices.Contains(have.Labels, r.Version))
}

// A severalChannelsError reports that a bare name means tools of several channels.
type severalChannelsError struct {
	Tool     string
	Channels []string
	Flags    []string // to repeat in the suggested command line
}

func (e *severalChannelsError) Error() string {
	return fmt.Sprintf("%s comes from several channels: %s", e.Tool, strings.Join(e.Channels, ", "))
}

// A severalVersionsError reports that several installed versions match.
type severalVersionsError struct {
	Tool string
	Refs []string // channel/tool@version, newest first
}

func (e *severalVersionsError) Error() string {
	return fmt.Sprintf("several versions of %s are installed: %s", e.Tool, strings.Join(e.Refs, ", "))
}

// A notInstalledError reports that no installed release matches.
type notInstalledError struct {
	Ref  toolRef
	Near []string
}

func (e *notInstalledError) Error() string { return fmt.Sprintf("%s is not installed", e.Ref) }
