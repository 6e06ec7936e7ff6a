package manifests

import (
	"fmt"
	"strings"
)

// A Request asks a channel for one release.
type Request struct {
	Tool       string
	Version    string // the beginning of one, such as 1.25; "=" and an exact one; a label; empty: the channel's own choice
	Platform   Platform
	Distro     string   // of a Linux host, such as "debian12", for upstreams that build for each; may be empty
	Glibc      string   // version of a Linux host's GNU C library, such as "2.36"; empty: it has none, or it is not known
	Components []string // optional components by name
	Targets    []string // further platforms to build for, as the tool spells them
	Profile    string   // a set of components that the tool names; empty: its smallest
	List       bool     // only the Versions of the catalog are wanted: where they are a Hint, nothing need be proved
}

// Plain refuses targets and profiles, for tools that have neither. Errors are
// *UnknownTargetError and *UnknownProfileError.
func (r Request) Plain(version string) error {
	switch {
	case len(r.Targets) > 0:
		return &UnknownTargetError{Tool: r.Tool, Version: version, Target: r.Targets[0]}
	case r.Profile != "":
		return &UnknownProfileError{Tool: r.Tool, Version: version, Profile: r.Profile}
	}
	return nil
}

// A Platform is where a toolchain runs: an operating system and an
// architecture in Go's spelling, and on Linux a C library ("gnu", "musl").
type Platform struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	Libc string `json:"libc,omitempty"` // empty: does not matter
}

// ParsePlatform reads "os/arch", "os/arch/libc" or "any", the zero Platform.
func ParsePlatform(s string) (Platform, error) {
	if s == "any" {
		return Platform{}, nil
	}
	part := strings.Split(s, "/")
	if len(part) != 2 && len(part) != 3 {
		return Platform{}, fmt.Errorf("platform %q: want os/arch, os/arch/libc or any", s)
	}
	for _, p := range part {
		if p == "" || strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return Platform{}, fmt.Errorf("platform %q: want os/arch, os/arch/libc or any", s)
		}
	}
	p := Platform{OS: part[0], Arch: part[1]}
	if len(part) == 3 {
		p.Libc = part[2]
	}
	return p, nil
}

func (p Platform) String() string {
	switch {
	case p == Platform{}:
		return "any"
	case p.Libc != "":
		return p.OS + "/" + p.Arch + "/" + p.Libc
	}
	return p.OS + "/" + p.Arch
}

// IsAny reports whether p names no platform in particular.
func (p Platform) IsAny() bool { return p == Platform{} }

// Fit says how well something built for p serves host: 0 not at all, 1 built
// for any platform, 2 for the system and architecture, 3 for its C library too.
func (p Platform) Fit(host Platform) int {
	switch {
	case p.IsAny():
		return 1
	case p.OS != host.OS || p.Arch != host.Arch:
		return 0
	case p.Libc == "":
		return 2
	case p.Libc == host.Libc:
		return 3
	}
	return 0
}

// MarshalText and UnmarshalText make a Platform its text form in JSON and TOML.
func (p Platform) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (p *Platform) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePlatform(string(text))
	return err
}
