package manifests

import (
	"strconv"
	"strings"
)

// CompareVersions orders versions by the precedence of Semantic Versioning 2.0.0
// (section 11), missing numbers counting as 0: 1.10 comes after 1.9, 1.2.0-rc1
// before 1.2.0, and what follows "+" does not count. ok is false where either
// is not made of dotted numbers; such versions have no order of their own.
func CompareVersions(a, b string) (order int, ok bool) {
	an, apre, aok := splitVersion(a)
	bn, bpre, bok := splitVersion(b)
	if !aok || !bok {
		return 0, false
	}
	for i := range max(len(an), len(bn)) {
		if c := compareNumbers(at(an, i), at(bn, i)); c != 0 {
			return c, true
		}
	}
	switch {
	case apre == bpre:
		return 0, true
	case apre == "":
		return 1, true
	case bpre == "":
		return -1, true
	}
	return comparePrerelease(strings.Split(apre, "."), strings.Split(bpre, ".")), true
}

// MatchesVersion reports whether version is what a person means by asked: the
// same, or below it as 1.25.3 is below 1.25, or a build of it as 21.0.5+11 is of
// 21.0.5. Pre-releases match only in full.
func MatchesVersion(asked, version string) bool {
	rest, ok := strings.CutPrefix(version, asked)
	return ok && (rest == "" || (rest[0] == '.' || rest[0] == '+') && !strings.Contains(rest, "-"))
}

func splitVersion(v string) (numbers []string, prerelease string, ok bool) {
	v, _, _ = strings.Cut(v, "+")
	v = strings.TrimPrefix(v, "v")
	v, prerelease, _ = strings.Cut(v, "-")
	numbers = strings.Split(v, ".")
	for _, n := range numbers {
		if n == "" || strings.Trim(n, "0123456789") != "" {
			return nil, "", false
		}
	}
	return numbers, prerelease, true
}

func at(numbers []string, i int) string {
	if i < len(numbers) {
		return numbers[i]
	}
	return "0"
}

// compareNumbers compares decimal numbers of any length.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

func comparePrerelease(a, b []string) int {
	for i := range min(len(a), len(b)) {
		_, aerr := strconv.ParseUint(a[i], 10, 64)
		_, berr := strconv.ParseUint(b[i], 10, 64)
		c := 0
		switch {
		case aerr == nil && berr == nil:
			c = compareNumbers(a[i], b[i])
		case aerr == nil:
			c = -1
		case berr == nil:
			c = 1
		default:
			c = strings.Compare(a[i], b[i])
		}
		if c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}
