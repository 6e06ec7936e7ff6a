package manifests

import (
	"cmp"
	"slices"
	"strings"
)

// This file orders versions, for every source but Debian's, which has dpkg's order.
// A version can be ordered if it consists of numbers separated by dots, followed by
// nothing or by qualifiers in a spelling that upstreams use:
//
//	1.27rc1 3.13.0a1 2.0.0-rc.1 9.0-milestone-2 5.3.0.M1 22-ea 1.0-SNAPSHOT 1.0~beta2
//	    pre-releases, before the release of their numbers
//	1.0.0.Final 1.0.0.RELEASE 33.4-jre
//	    the release itself
//	r26d 1.1.1w 9.8p1 7.1.1-29 8u402 1.0.post2 21.0.5+11
//	    later builds of it
//
// An unknown word after "-" or "~" is a pre-release, as in Semantic Versioning 2.0.0;
// anywhere else it is not a qualifier. Versions that cannot be ordered come before
// all others and compare as equal to each other.

// CompareVersions orders two versions as cmp.Compare does: an epoch (1:2.0) first,
// then numbers by value, of any length and missing ones as 0, then qualifiers as
// above. It ignores the case of letters, a leading "v" or name (jdk-21), and a build
// that does not begin with a number (+acme). It returns 0 for versions that differ
// only in those, and for any two that cannot be ordered.
//
// Sources: Semantic Versioning 2.0.0, section 11; PEP 440; Maven's ComparableVersion.
func CompareVersions(a, b string) int { return readVersion(a).compare(readVersion(b)) }

// Ordered reports whether v can be ordered.
func Ordered(v string) bool { return readVersion(v).numbers != nil }

// Prerelease reports whether v is a pre-release by its qualifiers or its name.
func Prerelease(v string) bool { return readVersion(v).prerelease() }

// SortNewestFirst sorts list by the version of each element, newest first. The sort
// is stable.
func SortNewestFirst[T any](list []T, versionOf func(T) string) {
	type entry struct {
		parsedVersion
		value T
	}
	entries := make([]entry, len(list))
	for i, v := range list {
		entries[i] = entry{readVersion(versionOf(v)), v}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return b.compare(a.parsedVersion) })
	for i, e := range entries {
		list[i] = e.value
	}
}

// NewestRelease returns the index of the version that a tool's bare name means if no
// label defines it: the first that is not a pre-release, or else the first. The list
// is sorted newest first. A version that is not Ordered is chosen only if no version
// is. NewestRelease returns -1 for an empty list.
func NewestRelease(newestFirst []string) int {
	if len(newestFirst) == 0 {
		return -1
	}
	ordered := Ordered(newestFirst[0])
	return max(0, slices.IndexFunc(newestFirst, func(v string) bool { return !Prerelease(v) && Ordered(v) == ordered }))
}

// ExactVersion removes the leading "=" of a requested version, which asks for exactly
// that version: =1.20 means 1.20 and not 1.20.1.
func ExactVersion(asked string) (version string, exact bool) { return strings.CutPrefix(asked, "=") }

// MatchesVersion reports whether version satisfies the requested version asked: it is
// the same, or a release that begins with asked, as 1.25.3 begins with 1.25, 21.0.5+11
// with 21.0.5 and r26d with r26. Pre-releases match only in full, and so does every
// version if asked begins with "=".
func MatchesVersion(asked, version string) bool {
	if exactly, exact := ExactVersion(asked); exact {
		return version == exactly
	}
	rest, ok := strings.CutPrefix(version, asked)
	switch {
	case !ok || asked == "":
		return false
	case rest == "":
		return true
	case !Ordered(asked):
		return false
	}
	last, next := asked[len(asked)-1], rest[0]
	return !Prerelease(version) && !(isDigit(last) && isDigit(next)) && !(isLetter(last) && isLetter(next))
}

// IsVersionLine reports whether v, such as 1.25, means all releases that begin with
// it even if a release has exactly that name: v is one or two numbers and nothing
// else.
func IsVersionLine(v string) bool {
	p := readVersion(v)
	return p.numbers != nil && p.dots < 2 && len(p.qualifiers)+len(p.build) == 0
}

// A parsedVersion is a version, split into the parts that order it.
type parsedVersion struct {
	name       string   // letters before the numbers
	epoch      string   // decimal
	numbers    []string // decimal, without zeros at the end; nil: it cannot be ordered
	dots       int      // between its numbers
	qualifiers []qualifier
	build      []string // decimal
}

// A qualifier is a word or a number that follows the numbers of a version.
type qualifier struct {
	class int
	text  string // orders qualifiers of the same class
}

// The classes of qualifiers, in order. A pre-release has its rank as its class, which
// is below release.
const (
	release = 0
	later   = 1 // a word or a letter of a later build
	number  = 2
	detail  = 3 // a word after another qualifier
)

// earliest is the rank of a build that precedes every pre-release, and unknown that
// of a pre-release with an unknown word.
const earliest, unknown = -7, -3

// prereleaseRank returns the rank of a pre-release by its word. known is false for
// other words.
func prereleaseRank(word string) (rank int, known bool) {
	switch word {
	case "dev", "snapshot", "nightly", "canary", "edge", "git", "trunk", "master", "unstable", "insider", "insiders", "experimental", "daily", "weekly", "next", "test":
		return earliest, true
	case "alpha", "a":
		return -6, true
	case "beta", "b":
		return -5, true
	case "milestone", "m":
		return -4, true
	case "pre", "preview", "prerelease", "ea", "eap", "early":
		return -2, true
	case "rc", "c", "cr", "candidate":
		return -1, true
	}
	return unknown, false
}

// isPrereleaseName reports whether the name before a version's numbers is a word for
// pre-releases, as in nightly-2026-11-01.
func isPrereleaseName(name string) bool {
	_, known := prereleaseRank(name)
	return known && len(name) > 1
}

// isReleaseWord reports whether a qualifier marks the release itself.
func isReleaseWord(word string) bool {
	return slices.Contains([]string{"final", "ga", "release", "rel", "stable", "lts", "jre", "android"}, word)
}

// isLaterWord reports whether a qualifier marks a build later than the release.
func isLaterWord(word string) bool {
	return slices.Contains([]string{"p", "pl", "patch", "sp", "post", "r", "rev", "u", "update", "hotfix", "build"}, word)
}

// readVersion splits v into its parts. The letters a, b, c and m abbreviate the words
// of pre-releases only before a number (3.13.0a1) or after a hyphen; 1.1.1a is a later
// build.
func readVersion(v string) parsedVersion {
	var p parsedVersion
	rest := strings.ToLower(v)
	if epoch, after, ok := strings.Cut(rest, ":"); ok && isNumber(epoch) {
		p.epoch, rest = epoch, after
	}
	p.name, rest = cutName(rest)
	unordered := parsedVersion{name: p.name}
	if isPrereleaseName(p.name) {
		return unordered
	}
	rest, build, _ := strings.Cut(rest, "+")
	numbers, rest := cutNumbers(rest)
	if len(numbers) == 0 {
		return unordered
	}
	for rest != "" {
		var q qualifier
		var ok bool
		if q, rest, ok = cutQualifier(rest, p.qualifiers); !ok {
			return unordered
		}
		if q.class != release {
			p.qualifiers = append(p.qualifiers, q)
		}
	}
	for _, part := range strings.FieldsFunc(build, func(r rune) bool { return r < 0x80 && isSeparator(byte(r)) }) {
		if !isNumber(part) {
			break
		}
		p.build = append(p.build, part)
	}
	p.dots = len(numbers) - 1
	for len(numbers) > 1 && strings.Trim(numbers[len(numbers)-1], "0") == "" {
		numbers = numbers[:len(numbers)-1]
	}
	p.numbers = numbers
	return p
}

// cutName splits off the name before the first number: "v", "r", "go", "jdk", or any
// word with a hyphen or underscore after it and perhaps another "v".
func cutName(s string) (name, rest string) {
	name, rest = span(s, isLetter)
	attached := rest != "" && isDigit(rest[0])
	switch {
	case name == "", attached && slices.Contains([]string{"v", "r", "go", "jdk"}, name):
		return name, rest
	case rest == "" || rest[0] != '-' && rest[0] != '_':
		return name, "" // such as the digest of a commit
	}
	rest = rest[1:]
	if len(rest) > 1 && rest[0] == 'v' && isDigit(rest[1]) {
		rest = rest[1:]
	}
	return name, rest
}

// cutNumbers splits off the dotted decimal numbers at the start of s.
func cutNumbers(s string) (numbers []string, rest string) {
	for {
		n, after := span(s, isDigit)
		if n == "" {
			return numbers, s
		}
		numbers = append(numbers, n)
		if len(after) < 2 || after[0] != '.' || !isDigit(after[1]) {
			return numbers, after
		}
		s = after[1:]
	}
}

// cutQualifier splits off the next qualifier, which follows the qualifiers before.
func cutQualifier(s string, before []qualifier) (q qualifier, rest string, ok bool) {
	separator, rest := span(s, isSeparator)
	text, rest := span(rest, isLetter)
	numeric := text == ""
	if numeric {
		text, rest = span(rest, isDigit)
	}
	if text == "" || len(separator) > 1 {
		return q, "", false
	}
	rank, known := prereleaseRank(text)
	earlier := qualifier{class: rank}
	if !known {
		earlier.text = text
	}
	if len(before) > 0 {
		// 1.0-rc1-SNAPSHOT is before 1.0-rc1, as 1.0p1-rc1 is before 1.0p1; but
		// alpha.beta is after alpha.
		switch {
		case numeric:
			return qualifier{number, text}, rest, true
		case known && (rank == earliest || before[0].class > release) && !(len(text) == 1):
			return earlier, rest, true
		}
		return qualifier{detail, text}, rest, true
	}
	hyphen := strings.ContainsAny(separator, "-~")
	attached := rest != "" && isDigit(rest[0])
	switch {
	case strings.Contains(separator, "~"):
		return earlier, rest, true
	case numeric && hyphen && (len(text) > maxRevision || strings.Trim(text, "0") == ""):
		return qualifier{earliest, text}, rest, true
	case numeric:
		return qualifier{number, text}, rest, true
	case known && (len(text) > 1 || attached || hyphen):
		return earlier, rest, true
	case isReleaseWord(text):
		return qualifier{class: release}, rest, true
	case separator == "" && len(text) == 2 && text[0] == 'z': // OpenSSL's 1.0.2zb, after 1.0.2z
		return qualifier{later, text}, rest, true
	case isLaterWord(text), len(text) == 1 && (separator == "" || text == "v" && attached): // .v20231009
		return qualifier{later, text}, rest, true
	}
	return earlier, rest, hyphen
}

// maxRevision is the greatest number of digits in the number of a later build after a
// hyphen. A longer number is a date or the like, of a build between releases.
const maxRevision = 5

func (p parsedVersion) prerelease() bool {
	return isPrereleaseName(p.name) || slices.ContainsFunc(p.qualifiers, func(q qualifier) bool { return q.class < release })
}

func (p parsedVersion) compare(other parsedVersion) int {
	if p.numbers == nil || other.numbers == nil {
		return min(len(p.numbers), 1) - min(len(other.numbers), 1)
	}
	if c := cmp.Or(compareNumbers(p.epoch, other.epoch), compareLists(p.numbers, other.numbers)); c != 0 {
		return c
	}
	for i := range max(len(p.qualifiers), len(other.qualifiers)) {
		var a, b qualifier
		if i < len(p.qualifiers) {
			a = p.qualifiers[i]
		}
		if i < len(other.qualifiers) {
			b = other.qualifiers[i]
		}
		if c := cmp.Or(a.class-b.class, compareTexts(a.text, b.text)); c != 0 {
			return c
		}
	}
	return cmp.Or(compareLists(p.build, other.build), len(p.build)-len(other.build))
}

// compareLists compares lists of numbers. Missing numbers are 0.
func compareLists(a, b []string) int {
	for i := range max(len(a), len(b)) {
		var an, bn string
		if i < len(a) {
			an = a[i]
		}
		if i < len(b) {
			bn = b[i]
		}
		if c := compareNumbers(an, bn); c != 0 {
			return c
		}
	}
	return 0
}

// compareNumbers compares decimal numbers of any length; "" is 0.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(len(a)-len(b), strings.Compare(a, b))
}

// compareTexts compares two numbers by value and two words by their bytes. A number
// is less than a word.
func compareTexts(a, b string) int {
	switch an, bn := isNumber(a), isNumber(b); {
	case an && bn:
		return compareNumbers(a, b)
	case an != bn && a != "" && b != "":
		if an {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

// span splits s after its first bytes that are in a set.
func span(s string, in func(byte) bool) (head, rest string) {
	i := 0
	for i < len(s) && in(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func isDigit(c byte) bool     { return '0' <= c && c <= '9' }
func isLetter(c byte) bool    { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isSeparator(c byte) bool { return strings.IndexByte("._-~", c) >= 0 }
func isNumber(s string) bool  { return s != "" && strings.Trim(s, "0123456789") == "" }

// EscapeVersion returns version in the form used in paths: lower case, ":" and "~" as "_".
func EscapeVersion(version string) string {
	return strings.NewReplacer(":", "_", "~", "_").Replace(strings.ToLower(version))
}
