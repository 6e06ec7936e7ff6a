package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// A toolRef is TOOL of the command line: [channel/]name[@version], where a
// version may be the beginning of one or a label, and stands for itself alone after
// "=".
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
		// Some write a label in two parts, lts/jod, and lts/* for any of them. No
		// name of kist's holds a slash.
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

// satisfiedBy reports whether an installed release is what r asks of its channel.
func (r toolRef) satisfiedBy(have record.Head) bool {
	return have.Tool == r.Name && (r.Channel == "" || have.Channel == r.Channel) &&
		(r.Version == "" || manifests.MatchesVersion(r.Version, have.Version) || slices.Contains(have.Labels, r.Version))
}

// A severalChannelsError says that a bare name means more than one thing.
type severalChannelsError struct {
	Tool     string
	Channels []string
	Flags    []string // that the verb needs to mean the same
}

func (e *severalChannelsError) Error() string {
	return fmt.Sprintf("%s comes from several channels: %s", e.Tool, strings.Join(e.Channels, ", "))
}

// A severalVersionsError says that more than one installed version is meant.
type severalVersionsError struct {
	Tool string
	Refs []string // channel/tool@version, newest first
}

func (e *severalVersionsError) Error() string {
	return fmt.Sprintf("several versions of %s are installed: %s", e.Tool, strings.Join(e.Refs, ", "))
}

// A notInstalledError says that nothing installed is what was named.
type notInstalledError struct {
	Ref  toolRef
	Near []string
}

func (e *notInstalledError) Error() string { return fmt.Sprintf("%s is not installed", e.Ref) }
