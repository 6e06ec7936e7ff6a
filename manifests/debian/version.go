package debian

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// maxVersion is the longest accepted version, in bytes; the longest in Debian has some
// 60.
const maxVersion = 256

// validVersion checks a version against deb-version(7): [epoch:]upstream[-revision],
// where only a version with an epoch may have a colon elsewhere, and only one with a
// revision a hyphen.
func validVersion[text string | []byte](v text) error {
	if len(v) > maxVersion {
		return fmt.Errorf("version %.40q…: longer than %d bytes", v, maxVersion)
	}
	start, colon, hyphen := 0, -1, -1
	for i := range len(v) {
		switch c := v[i]; {
		case isAlnum(c), c == '.', c == '+', c == '~':
		case c == ':' && colon < 0:
			colon, start = i, i+1
		case c == ':':
		case c == '-':
			hyphen = i
		default:
			return fmt.Errorf("version %q: only letters, digits and .+~-: may occur", v)
		}
	}
	for i := range max(colon, 0) {
		if !isDigit(v[i]) || i >= 9 {
			return fmt.Errorf("version %q: its epoch is not a number", v)
		}
	}
	switch {
	case colon == 0:
		return fmt.Errorf("version %q: its epoch is empty", v)
	case start == len(v) || !isDigit(v[start]):
		return fmt.Errorf("version %q: does not begin with a digit", v)
	case hyphen == len(v)-1:
		return fmt.Errorf("version %q: its revision is empty", v)
	}
	for i := hyphen + 1; hyphen >= 0 && i < len(v); i++ {
		if v[i] == ':' {
			return fmt.Errorf("version %q: a colon in its revision", v)
		}
	}
	return nil
}

// splitVersion splits v into its parts; missing ones are empty.
func splitVersion(v string) (epoch, upstream, revision string) {
	if i := strings.IndexByte(v, ':'); i >= 0 {
		epoch, v = v[:i], v[i+1:]
	}
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		v, revision = v[:i], v[i+1:]
	}
	return epoch, v, revision
}

// Compare orders versions as cmp.Compare does: by epoch, upstream version
// and revision. Source: deb-version(7); dpkg, lib/dpkg/version.c.
func Compare(a, b string) int {
	ae, au, ar := splitVersion(a)
	be, bu, br := splitVersion(b)
	return cmp.Or(compareNumbers(ae, be), compareParts(au, bu), compareParts(ar, br))
}

// compareNumbers compares decimal numbers of any length; "" is 0.
func compareNumbers(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

// compareParts compares alternating non-numeric and numeric parts.
func compareParts(a, b string) int {
	for a != "" || b != "" {
		for a != "" && !isDigit(a[0]) || b != "" && !isDigit(b[0]) {
			if c := cmp.Compare(weight(a), weight(b)); c != 0 {
				return c
			}
			a, b = a[1:], b[1:] // equal weights, so neither has ended
		}
		an, bn := digits(a), digits(b)
		if c := compareNumbers(a[:an], b[:bn]); c != 0 {
			return c
		}
		a, b = a[an:], b[bn:]
	}
	return 0
}

// weight orders non-digits: "~" before the end, then letters, then everything else.
func weight(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case isLetter(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func digits(s string) (n int) {
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

// Upstream returns the upstream number in a version: 14.0.6 of 1:14.0.6-12, 1.63.0 of
// 1.63.0+dfsg1-2.
func Upstream(v string) string {
	_, v, _ = splitVersion(v)
	end := 0
	for end < len(v) && (isDigit(v[end]) || v[end] == '.') {
		end++
	}
	return strings.TrimRight(v[:end], ".")
}

// versionLabels returns the labels of v: its upstream version, and each dotted prefix
// of it.
func versionLabels(v string) []string {
	u := Upstream(v)
	names := []string{u}
	for i := len(u) - 1; i > 0; i-- {
		if u[i] == '.' {
			names = append(names, u[:i])
		}
	}
	return names
}

// matchesRequest reports whether the requested version means v: all of it, or a prefix
// that ends where a part ends, with or without the epoch. After "=" it must be all of
// v, or the whole upstream number.
func matchesRequest(asked, v string) bool {
	epoch, _, _ := splitVersion(v)
	if exactly, exact := manifests.ExactVersion(asked); exact {
		return exactly == v || exactly == strings.TrimPrefix(v, epoch+":") || exactly == Upstream(v)
	}
	for _, v := range []string{v, strings.TrimPrefix(v, epoch+":")} {
		rest, ok := strings.CutPrefix(v, asked)
		if ok && (rest == "" || strings.ContainsAny(rest[:1], ".+-~")) {
			return true
		}
	}
	return asked == ""
}

// Order returns the order by which versions are compared with those that a policy file
// states: dpkg's, but without the epoch and the revision if the stated version has none,
// because people write the number of the tool. What a version means without an operator,
// or with "=", is what it means on the command line.
func Order() manifests.Order { return manifests.Order{Compare: compareStated, Matches: matchesRequest} }

func compareStated(version, stated string) int {
	epoch, _, revision := splitVersion(stated)
	haveEpoch, _, haveRevision := splitVersion(version)
	if epoch == "" {
		version = strings.TrimPrefix(version, haveEpoch+":")
	}
	if revision == "" {
		version = strings.TrimSuffix(version, "-"+haveRevision)
	}
	return Compare(version, stated)
}
