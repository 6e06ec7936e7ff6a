package manifests

import "strings"

// A Set is a list of tools that a channel's publisher wants to be installed together,
// such as those of a team's workstation.
type Set struct {
	Name  string // a name, unique in its channel
	Tools []SetTool
}

// A SetTool is one tool of a Set, with its optional parts.
type SetTool struct {
	Channel    string // empty: the channel of the set
	Tool       string
	Version    string // as on the command line; empty: what a bare name means
	Components []string
	Targets    []string
	Profile    string
}

// Ref returns [channel/]tool[@version].
func (t SetTool) Ref() string {
	s := t.Tool
	if t.Channel != "" {
		s = t.Channel + "/" + s
	}
	if t.Version != "" {
		s += "@" + t.Version
	}
	return s
}

// IsPlain reports whether t asks for no optional parts.
func (t SetTool) IsPlain() bool { return len(t.Components)+len(t.Targets) == 0 && t.Profile == "" }

// String returns t as the arguments of kist install.
func (t SetTool) String() string {
	words := []string{t.Ref()}
	for _, c := range t.Components {
		words = append(words, "-c", c)
	}
	for _, target := range t.Targets {
		words = append(words, "-t", target)
	}
	if t.Profile != "" {
		words = append(words, "--profile", t.Profile)
	}
	return strings.Join(words, " ")
}

// A SetCatalog is a catalog of a format that has sets.
type SetCatalog interface {
	Catalog
	// Sets returns the sets of the channel, in the publisher's order. Each of their tools
	// names its channel.
	Sets() []Set
}

// An UnknownSetError reports that a channel has no set of that name.
type UnknownSetError struct {
	Channel string
	Set     string
	Near    []string // its sets with similar names
}

func (e *UnknownSetError) Error() string { return "channel " + e.Channel + " has no set " + e.Set }
func (*UnknownSetError) Kind() string    { return "unknown" }
