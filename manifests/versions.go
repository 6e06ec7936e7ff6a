package manifests

import (
	"cmp"
	"slices"
	"strings"
)

// This file is the one order of versions, for every source but Debian's, whose
// order is dpkg's. A version has a place in it if it is numbers with dots between
// them, and after these nothing, or qualifiers in a spelling that upstreams use:
//
//	1.27rc1 3.13.0a1 2.0.0-rc.1 9.0-milestone-2 5.3.0.M1 22-ea 1.0-SNAPSHOT 1.0~beta2
//	    pre-releases, before the release of their numbers
//	1.0.0.Final 1.0.0.RELEASE 33.4-jre
//	    the release itself
//	r26d 1.1.1w 9.8p1 7.1.1-29 8u402 1.0.post2 21.0.5+11
//	    later builds of it
//
// A word that nobody knows is a pre-release after "-" or "~", as in Semantic
// Versioning 2.0.0; anywhere else it is no qualifier. Versions without a place come
// before all that have one, and move none of them.

// CompareVersions orders two versions as cmp.Compare does: numbers as numbers, of
// any length, missing ones as 0; qualifiers as above; an epoch (1:2.0) before all.
// Case of letters, a leading "v" or name (jdk-21), and a build that does not begin
// with a number (+acme) do not count. It is 0 for versions that differ only in
// such things, and for any two that have no place in the order.
//
// Sources: Semantic Versioning 2.0.0, section 11; PEP 440; Maven's ComparableVersion.
func CompareVersions(a, b string) int { return readVersion(a).compare(readVersion(b)) }

// Ordered reports whether v has a place in the order of versions.
func Ordered(v string) bool { return readVersion(v).numbers != nil }

// Prerelease reports whether v says of itself that it comes before a release.
func Prerelease(v string) bool { return readVersion(v).prerelease() }

// SortNewestFirst sorts a list by its versions. What the order does not tell apart
// stays as it was.
func SortNewestFirst[T any](list []T, of func(T) string) {
	type entry struct {
		parsedVersion
		value T
	}
	entries := make([]entry, len(list))
	for i, v := range list {
		entries[i] = entry{readVersion(of(v)), v}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return b.compare(a.parsedVersion) })
	for i, e := range entries {
		list[i] = e.value
	}
}

// NewestRelease is the index of what a bare name means where no label says: of a
// list with the newest first, the first that is no pre-release, else the first. A
// version without a place in the order counts only where none has one. It is -1
// for an empty list.
func NewestRelease(newestFirst []string) int {
	if len(newestFirst) == 0 {
		return -1
	}
	ordered := Ordered(newestFirst[0])
	return max(0, slices.IndexFunc(newestFirst, func(v string) bool { return !Prerelease(v) && Ordered(v) == ordered }))
}

// ExactVersion takes the "=" off a version that is asked for by it: =1.20 is 1.20
// and nothing else that begins so.
func ExactVersion(asked string) (version string, exact bool) { return strings.CutPrefix(asked, "=") }

// MatchesVersion reports whether version is what a person means by asked: the
// same, or a release that begins so, as 1.25.3 begins with 1.25, 21.0.5+11 with
// 21.0.5 and r26d with r26. Pre-releases match only in full, and so does every
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

// IsVersionLine reports whether v, where a release of that very name was asked for
// by it, means every release that begins so: one or two numbers, and nothing else.
func IsVersionLine(v string) bool {
	p := readVersion(v)
	return p.numbers != nil && p.dots < 2 && len(p.qualifiers)+len(p.build) == 0
}

// A parsedVersion is a version as the order sees it.
type parsedVersion struct {
	name       string   // letters before the numbers
	epoch      string   // decimal
	numbers    []string // decimal, without zeros at the end; nil: it has no place in the order
	dots       int      // between its numbers
	qualifiers []qualifier
	build      []string // decimal
}

// A qualifier is a word or a number that follows the numbers of a version.
type qualifier struct {
	class int
	text  string // what orders qualifiers of one class
}

// The classes of qualifiers, in their order: pre-releases by their ranks, which are
// below zero, the release, which has none, and what comes after it.
const (
	release = 0
	later   = 1 // a word or a letter of later builds
	number  = 2
	detail  = 3 // a word after another qualifier
)

// earliest and unknown are the ranks of a build that precedes every pre-release,
// and of a pre-release whose word is not known.
const earliest, unknown = -7, -3

// rankOf is the rank of a pre-release by its word. known is false for other words.
func rankOf(word string) (rank int, known bool) {
	switch word {
	case "dev", "snapshot", "nightly", "canary", "edge", "git", "trunk", "master", "unstable", "insider", "insiders", "experimental":
		return earliest, true
	case "alpha", "a":
		return -6, true
	case "beta", "b":
		return -5, true
	case "milestone", "m":
		return -4, true
	case "pre", "preview", "ea", "early":
		return -2, true
	case "rc", "c", "cr":
		return -1, true
	}
	return unknown, false
}

// isEarly reports whether the name of a version is a word for pre-releases, as in
// nightly-2026-11-01.
func isEarly(name string) bool {
	_, known := rankOf(name)
	return known && len(name) > 1
}

// isRelease and isLater report whether a word says that a version is the release of
// its numbers, or comes after that.
func isRelease(word string) bool {
	return slices.Contains([]string{"final", "ga", "release", "rel", "stable", "lts", "jre", "android"}, word)
}

func isLater(word string) bool {
	return slices.Contains([]string{"p", "pl", "patch", "sp", "post", "r", "rev", "u", "update", "hotfix", "build"}, word)
}

// readVersion takes v apart. The letters a, b, c and m are short for the words of
// pre-releases only before a number (3.13.0a1) or after a hyphen: 1.1.1a is later.
func readVersion(v string) parsedVersion {
	var p parsedVersion
	rest := strings.ToLower(v)
	if epoch, after, ok := strings.Cut(rest, ":"); ok && isNumber(epoch) {
		p.epoch, rest = epoch, after
	}
	p.name, rest = cutName(rest)
	none := parsedVersion{name: p.name}
	if isEarly(p.name) {
		return none
	}
	rest, build, _ := strings.Cut(rest, "+")
	numbers, rest := cutNumbers(rest)
	if len(numbers) == 0 {
		return none
	}
	for rest != "" {
		var q qualifier
		var ok bool
		if q, rest, ok = cutQualifier(rest, p.qualifiers); !ok {
			return none
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

// cutName cuts off what stands before the first number: "v", "r", "go", "jdk", or
// any word with a hyphen after it, and then perhaps a "v".
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

// cutNumbers cuts off decimal numbers with a dot between each two.
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

// cutQualifier cuts off the next qualifier of a version that has those before it.
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
	rank, known := rankOf(text)
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
	case isRelease(text):
		return qualifier{class: release}, rest, true
	case isLater(text), len(text) == 1 && (separator == "" || text == "v" && attached): // .v20231009
		return qualifier{later, text}, rest, true
	}
	return earlier, rest, hyphen
}

// maxRevision is how many digits the number of a later build has at most, after a
// hyphen. More are a date or the like, of a build between releases.
const maxRevision = 5

func (p parsedVersion) prerelease() bool {
	return isEarly(p.name) || slices.ContainsFunc(p.qualifiers, func(q qualifier) bool { return q.class < release })
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

// compareLists compares lists of numbers, missing ones being 0.
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

// compareTexts compares numbers as numbers, before words.
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

// span cuts off the characters at the start of s that are in a set.
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
