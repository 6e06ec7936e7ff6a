package manifests

import (
	"fmt"
	"strings"
)

// A Request asks a channel for one release.
type Request struct {
	Tool       string
	Version    string // a version or its beginning, such as 1.25; "=" and an exact version; a label; empty: the channel chooses
	Platform   Platform
	Distro     string   // of a Linux host, such as "debian12", for upstreams with a build per distribution; may be empty
	Glibc      string   // version of a Linux host's GNU C library, such as "2.36"; empty if absent or not known
	Components []string // optional components by name
	Targets    []string // further platforms to build for, in the tool's spelling
	Profile    string   // a set of components that the tool names; empty: its smallest
	Origin     string   // of a channel with several origins, the only one to ask; empty: each in turn
	Below      string   // only versions lower than this one are meant; empty: any
	List       bool     // only Catalog.Versions will be called: if they come from a VersionIndex, nothing needs to be verified
}

// Plain refuses targets and profiles, for tools that have neither. Errors are
// *UnknownPartError.
func (r Request) Plain(version string) error {
	switch {
	case len(r.Targets) > 0:
		return &UnknownPartError{Tool: r.Tool, Version: version, Part: "target", Name: r.Targets[0]}
	case r.Profile != "":
		return &UnknownPartError{Tool: r.Tool, Version: version, Part: "profile", Name: r.Profile}
	}
	return nil
}

// A Platform is what a toolchain runs on: an operating system and an architecture in
// Go's spelling, and on Linux a C library ("gnu", "musl"). The zero Platform is any.
type Platform struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	Libc string `json:"libc,omitempty"` // empty: any
}

// ParsePlatform parses "os/arch", "os/arch/libc" or "any", the zero Platform.
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

// IsAny reports whether p is the zero Platform.
func (p Platform) IsAny() bool { return p == Platform{} }

// Fit returns how well a build for p suits host: 0 if it does not run there, 1 if it
// is for any platform, 2 if it is for host's system and architecture, 3 if it is for
// host's C library too.
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

// MarshalText returns the form that String returns, for JSON and TOML.
func (p Platform) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is the inverse of MarshalText.
func (p *Platform) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePlatform(string(text))
	return err
}
