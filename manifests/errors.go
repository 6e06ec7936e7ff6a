package manifests

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kist-tools/kist/verify"
)

// ErrInput matches, with errors.Is, a request that the user has to change: words that mean
// no tool or channel, or a value that no manifest can have.
var ErrInput = verify.NewClass("unusable input", "usage", nil)

// Invalid returns an error that matches ErrInput, with the text that format and args make.
func Invalid(format string, args ...any) error { return verify.Errorf(ErrInput, format, args...) }

// An UnknownToolError reports that a channel offers no tool of that name.
type UnknownToolError struct {
	Channel, Tool string   // Channel is empty where every channel was searched
	Near          []string // similar names that are offered
}

func (e *UnknownToolError) Error() string {
	if e.Channel == "" {
		return fmt.Sprintf("no channel offers %q%s", e.Tool, suggest(e.Near))
	}
	return fmt.Sprintf("channel %s offers no %q%s", e.Channel, e.Tool, suggest(e.Near))
}
func (*UnknownToolError) Kind() string { return "unknown" }

// An UnknownVersionError reports that a tool has no such version or label.
type UnknownVersionError struct {
	Channel, Tool, Version string
	Near                   []string
}

func (e *UnknownVersionError) Error() string {
	return fmt.Sprintf("%s/%s has no version %q%s", e.Channel, e.Tool, e.Version, suggest(e.Near))
}
func (*UnknownVersionError) Kind() string { return "unknown" }

// An UnknownPartError reports that a release has no such component, or profile (a set of
// components), or cannot build for such a target.
type UnknownPartError struct {
	Tool, Version string
	Part          string // "component", "target" or "profile"
	Name          string
	Platform      string // in the tool's spelling; empty if every platform has the same parts
	Near          []string
}

func (e *UnknownPartError) Error() string {
	where := ""
	if e.Platform != "" {
		where = " for " + e.Platform
	}
	return fmt.Sprintf("%s %s has no %s %q%s%s", e.Tool, e.Version, e.Part, e.Name, where, suggest(e.Near))
}
func (*UnknownPartError) Kind() string { return "unknown" }

// An UnsupportedPlatformError reports that a release was not built for a platform.
type UnsupportedPlatformError struct {
	Tool, Version string
	Platform      Platform
	Have          []Platform
}

func (e *UnsupportedPlatformError) Error() string {
	have := make([]string, len(e.Have))
	for i, p := range e.Have {
		have[i] = p.String()
	}
	slices.Sort(have)
	return fmt.Sprintf("%s %s is not built for %s, only for %s", e.Tool, e.Version, e.Platform,
		strings.Join(slices.Compact(have), ", "))
}
func (*UnsupportedPlatformError) Kind() string { return "unsupported" }

// A FormatError reports that a document of a channel breaks a rule of its format. It
// matches verify.ErrUntrusted.
type FormatError struct {
	Document string // its name; empty: the manifest
	Where    string // "line 3", "release 2 (zig 0.14.0), artifact 1"; empty: the document itself
	Rule     string
}

func (e *FormatError) Error() string {
	what := cmp.Or(e.Document, "manifest")
	if e.Where != "" {
		what += ": " + e.Where
	}
	return what + ": " + e.Rule
}
func (e *FormatError) Unwrap() error { return verify.ErrUntrusted }

// suggest returns the end of a message that suggests names, "" if there are none.
func suggest(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "; near it: " + strings.Join(names, ", ")
}

// IsUnknown reports whether err says that a source has no such version, or does not
// have it for the platform.
func IsUnknown(err error) bool {
	var version *UnknownVersionError
	var platform *UnsupportedPlatformError
	return errors.As(err, &version) || errors.As(err, &platform)
}

// Near returns up to three names of have that are similar to s, the most similar first.
// Their edit distance is at most two, and at most a third of the length of s. At a
// distance of two they also begin with the same letter, since people rarely mistype it.
func Near(s string, have []string) []string {
	type scored struct {
		name string
		cost int
	}
	var found []scored
	for _, h := range have {
		if len(h) == 0 || max(len(s), len(h))-min(len(s), len(h)) > 2 {
			continue
		}
		cost := distance(s, h)
		if cost <= min(2, len(s)/3) && (cost < 2 || s[0] == h[0]) {
			found = append(found, scored{h, cost})
		}
	}
	slices.SortStableFunc(found, func(a, b scored) int { return a.cost - b.cost })
	var names []string
	for _, f := range found[:min(3, len(found))] {
		names = append(names, f.name)
	}
	return names
}

// NearVersions returns up to three versions of have that are similar to the version
// s. If s is Ordered, these are the nearest by number: they share the most leading
// numbers with it and differ least in the next one. Otherwise it is Near.
func NearVersions(s string, have []string) []string {
	s, _ = ExactVersion(s)
	wanted := readVersion(s)
	if wanted.numbers == nil {
		return Near(s, have)
	}
	versions := slices.DeleteFunc(slices.Clone(have), func(v string) bool { return !Ordered(v) })
	SortNewestFirst(versions, func(v string) string { return v })
	slices.SortStableFunc(versions, func(a, b string) int { return wanted.compareDistance(readVersion(a), readVersion(b)) })
	versions = slices.Compact(versions)
	return versions[:min(3, len(versions))]
}

// compareDistance orders a and b by how near they are to p, the nearest first.
func (p parsedVersion) compareDistance(a, b parsedVersion) int {
	for i := range max(len(p.numbers), len(a.numbers), len(b.numbers)) {
		n, an, bn := numberAt(p.numbers, i), numberAt(a.numbers, i), numberAt(b.numbers, i)
		switch {
		case an == n && bn == n:
		case difference(n, an) != difference(n, bn):
			return cmp.Compare(difference(n, an), difference(n, bn))
		case an > n && bn > n:
			return a.compare(b)
		case an != bn:
			return cmp.Compare(bn, an)
		default:
			return b.compare(a)
		}
	}
	return 0
}

// numberAt returns numbers[i], or 0 past the end. A number that does not fit into
// 64 bits counts as the largest that does.
func numberAt(numbers []string, i int) uint64 {
	if i >= len(numbers) {
		return 0
	}
	n, _ := strconv.ParseUint(numbers[i], 10, 64)
	return n
}

func difference(a, b uint64) uint64 { return max(a, b) - min(a, b) }

// distance returns the edit distance of a and b in bytes. A transposition of two
// neighbours costs one edit, as in the optimal string alignment distance.
func distance(a, b string) int {
	above, row := make([]int, len(b)+1), make([]int, len(b)+1) // the two rows before next
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			switch {
			case a[i] == b[j]:
				next[j+1] = row[j]
			case i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j]:
				next[j+1] = min(above[j-1], row[j], row[j+1], next[j]) + 1
			default:
				next[j+1] = min(row[j], row[j+1], next[j]) + 1
			}
		}
		above, row = row, next
	}
	return row[len(b)]
}
