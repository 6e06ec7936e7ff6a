package project

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/semver"
)

// This file reads ranges of versions as npm does. Source: npmjs.com/package/semver,
// "Ranges", "Advanced Range Syntax" and "Prerelease Tags".

// maxRange is the ceiling on a range, in bytes.
const maxRange = 256

// maxNumber is the largest number that a version may have: JavaScript's largest safe integer.
const maxNumber = 1<<53 - 1

// A versionRange is met by a version that meets all comparators of one of its sets.
type versionRange [][]comparator

// A comparator compares a version with a bound.
type comparator struct {
	op    string // "<", "<=", ">", ">=" or "="
	bound string // in the form of package semver: "v1.2.3-rc.1"
}

// meets reports whether version is in r. A prerelease is only in a set that has a bound
// with the same three numbers that is a prerelease, too.
func (r versionRange) meets(version string) bool {
	v := semver.Canonical("v" + strings.TrimPrefix(version, "v"))
	return v != "" && slices.ContainsFunc(r, func(set []comparator) bool {
		for _, c := range set {
			order := semver.Compare(v, c.bound)
			if !(order < 0 && c.op[0] == '<' || order > 0 && c.op[0] == '>' || order == 0 && strings.HasSuffix(c.op, "=")) {
				return false
			}
		}
		return semver.Prerelease(v) == "" || slices.ContainsFunc(set, func(c comparator) bool {
			return semver.Prerelease(c.bound) != "" && numbers(c.bound) == numbers(v)
		})
	})
}

// numbers returns "v1.2.3" of "v1.2.3-rc.1".
func numbers(v string) string {
	v, _, _ = strings.Cut(v, "-")
	return v
}

const (
	numberOrX  = `(0|[1-9][0-9]*|[xX*])`
	identifier = `(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)`
	plainRange = `v?` + numberOrX + `(?:\.` + numberOrX + `(?:\.` + numberOrX + `(?:-(` + identifier + `(?:\.` + identifier + `)*))?)?)?(?:\+[0-9A-Za-z.-]+)?`
)

var (
	hyphenRange = regexp.MustCompile(`^\s*` + plainRange + `\s+-\s+` + plainRange + `\s*$`)
	simpleRange = regexp.MustCompile(`^(~>?|\^|[<>]=?|=|)\s*` + plainRange + `(?:\s+|$)`)
)

// parseRange parses a range in npm's syntax.
func parseRange(text string) (r versionRange, err error) {
	if len(text) > maxRange {
		return nil, fmt.Errorf("longer than %d characters", maxRange)
	}
	for part := range strings.SplitSeq(text, "||") {
		set := []comparator{}
		if m := hyphenRange.FindStringSubmatch(part); m != nil {
			from, fromErr := parsePartial(m[1:5])
			to, toErr := parsePartial(m[5:9])
			if err := cmp.Or(fromErr, toErr); err != nil {
				return nil, err
			}
			r = append(r, append(from.compared(">="), to.compared("<=")...))
			continue
		}
		for part = strings.TrimSpace(part); part != ""; {
			m := simpleRange.FindStringSubmatch(part)
			if m == nil {
				return nil, errors.New("not a range of versions")
			}
			p, err := parsePartial(m[2:6])
			if err == nil && p.afterX && m[1] != "^" && m[1] != "~" && m[1] != "~>" {
				err = errors.New("a number follows an x")
			}
			if err != nil {
				return nil, err
			}
			set = append(set, p.compared(m[1])...)
			part = part[len(m[0]):]
		}
		r = append(r, set)
	}
	return r, nil
}

// A partial is a version of which the last numbers may be missing.
type partial struct {
	numbers    [3]uint64
	given      int // how many of the numbers are given
	prerelease string
	afterX     bool // a number follows an x, and means nothing
}

// parsePartial reads what the groups of plainRange hold.
func parsePartial(groups []string) (p partial, err error) {
	for i, text := range groups[:3] {
		if text == "" || strings.ContainsAny(text, "xX*") {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || n > maxNumber {
			return p, fmt.Errorf("number %.20s is too large", text)
		}
		if p.afterX = p.given < i; p.afterX {
			break
		}
		p.numbers[i], p.given = n, i+1
	}
	if p.given == 3 {
		p.prerelease = groups[3]
	}
	return p, nil
}

// bound returns the bound of p with the numbers that are missing as 0.
func (p partial) bound() string {
	text := fmt.Sprintf("v%d.%d.%d", p.numbers[0], p.numbers[1], p.numbers[2])
	if p.prerelease != "" {
		text += "-" + p.prerelease
	}
	return text
}

// below returns the comparator of everything before the number i of p changes.
func (p partial) below(i int) comparator {
	next := partial{prerelease: "0"}
	copy(next.numbers[:i], p.numbers[:i])
	next.numbers[i] = p.numbers[i] + 1
	return comparator{"<", next.bound()}
}

// compared returns what an operator before p means.
func (p partial) compared(op string) []comparator {
	switch {
	case p.given == 0 && (op == "<" || op == ">"):
		return []comparator{{"<", "v0.0.0-0"}} // no version
	case p.given == 0:
		return []comparator{} // every version
	case op == "^": // up to the first number that is not 0
		i := 0
		for i < p.given-1 && p.numbers[i] == 0 {
			i++
		}
		return []comparator{{">=", p.bound()}, p.below(i)}
	case op == "~" || op == "~>":
		return []comparator{{">=", p.bound()}, p.below(min(p.given-1, 1))}
	case p.given == 3 && op == "":
		return []comparator{{"=", p.bound()}}
	case p.given == 3 || op == ">=":
		return []comparator{{op, p.bound()}}
	case op == "<":
		p.prerelease = "0"
		return []comparator{{"<", p.bound()}}
	case op == "<=":
		return []comparator{p.below(p.given - 1)}
	case op == ">":
		next := p.below(p.given - 1)
		return []comparator{{">=", strings.TrimSuffix(next.bound, "-0")}}
	}
	return []comparator{{">=", p.bound()}, p.below(p.given - 1)}
}
