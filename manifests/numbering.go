package manifests

import (
	"go/version"
	"strings"
)

// A Numbering is how a tool spells its versions. The order of versions is the same
// for all tools: CompareVersions.
type Numbering struct {
	// Spell converts a version as a person types it to the tool's own spelling.
	Spell func(asked string) string
	// Exact reports whether v, in the tool's spelling, is one whole version and not
	// the prefix of one.
	Exact func(v string) bool
}

// Read removes a leading "=", which asks for exactly one version, and spells the rest.
func (n Numbering) Read(asked string) (spelled string, exact bool) {
	asked, exact = ExactVersion(asked)
	return n.Spell(asked), exact
}

// GoNumbering returns the numbering of Go, which accepts "go1.24.4" for 1.24.4.
// Source: go.dev/doc/toolchain#version.
func GoNumbering() Numbering {
	return Numbering{
		Spell: func(asked string) string { return strings.TrimPrefix(asked, "go") },
		Exact: ValidGoVersion,
	}
}

// ValidGoVersion reports whether v is a version of Go without the "go" prefix, such
// as 1.24.4, 1.27rc1 or 1.20. A language version (1.25) is not a version.
func ValidGoVersion(v string) bool {
	full := "go" + v
	if !version.IsValid(full) || ValidVersion(v) != nil || strings.ContainsAny(v, "-+") {
		return false
	}
	return version.Lang(full) != full || strings.Contains(v, ".") && version.Compare(full, "go1.21") < 0
}

// StableGoVersion reports whether v is neither a beta nor a release candidate.
func StableGoVersion(v string) bool { return strings.Trim(v, "0123456789.") == "" }

// SemverNumbering returns the numbering of most other tools: three dotted numbers,
// and perhaps a suffix. It accepts "v22.1.0" for 22.1.0, and labels in their
// upstream's spelling: lts/Jod for lts-jod. Source: semver.org, 2.0.0.
func SemverNumbering() Numbering {
	return Numbering{
		Spell: func(asked string) string {
			if rest, ok := strings.CutPrefix(asked, "v"); ok && rest != "" && strings.Contains("0123456789", rest[:1]) {
				asked = rest
			}
			if asked == "" || strings.Contains("0123456789", asked[:1]) {
				return asked
			}
			return strings.ToLower(strings.ReplaceAll(asked, "/", "-"))
		},
		Exact: ValidSemver,
	}
}

// ValidSemver reports whether v is three dotted numbers without leading zeros, with
// or without a suffix that begins with "-" or "+".
func ValidSemver(v string) bool {
	numbers, rest := v, ""
	if i := strings.IndexAny(v, "-+"); i >= 0 {
		numbers, rest = v[:i], v[i+1:]
		if rest == "" {
			return false
		}
	}
	part := strings.Split(numbers, ".")
	for _, p := range part {
		if p == "" || strings.Trim(p, "0123456789") != "" || len(p) > 1 && p[0] == '0' {
			return false
		}
	}
	return len(part) == 3 && ValidVersion(v) == nil
}

// StableSemver reports whether v is a ValidSemver without a suffix.
func StableSemver(v string) bool { return ValidSemver(v) && !strings.ContainsAny(v, "-+") }
