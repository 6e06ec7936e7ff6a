package manifests

import (
	"fmt"
	"strings"

	"github.com/kist-tools/kist/verify"
)

// MaxConstraint is the ceiling on a Constraint, in bytes.
const MaxConstraint = 256

// A Constraint is a set of versions, as a policy file or a withdrawal states it:
//
//	1.25.3             what 1.25.3 means on the command line: that version, and every
//	                   release that begins so (MatchesVersion)
//	=1.25.3            exactly that version
//	<1.26.3            versions below it; likewise <=, > and >=
//	>=1.25 <1.25.9     both
//	<1.25.9 || =1.26.0 either
//
// The zero Constraint holds no version. A version that cannot be ordered is above every
// version that a range states: it may be the newest, and nobody escapes a rule by a name.
type Constraint struct {
	text string
	any  [][]comparison // alternatives, of which all comparisons must hold
}

type comparison struct{ operator, version string }

// ParseConstraint parses a constraint of at most MaxConstraint bytes.
func ParseConstraint(text string) (Constraint, error) {
	if len(text) > MaxConstraint {
		return Constraint{}, fmt.Errorf("a constraint of %d bytes, over the limit of %d", len(text), MaxConstraint)
	}
	c := Constraint{text: text}
	for alternative := range strings.SplitSeq(text, "||") {
		var all []comparison
		words := strings.Fields(alternative)
		for i := 0; i < len(words); i++ {
			rest := strings.TrimLeft(words[i], "<>=")
			one := comparison{words[i][:len(words[i])-len(rest)], rest}
			if rest == "" && i+1 < len(words) { // "< 1.26"
				i++
				one.version = words[i]
			}
			switch one.operator {
			case "", "=", "<", "<=", ">", ">=":
			default:
				return Constraint{}, fmt.Errorf("%.100q: %q is not one of < <= > >= =", text, one.operator)
			}
			if err := ValidVersion(one.version); err != nil {
				return Constraint{}, fmt.Errorf("%.100q: %w", text, err)
			}
			if one.operator != "" && one.operator != "=" && !Ordered(one.version) {
				return Constraint{}, fmt.Errorf("%.100q: version %s cannot be ordered", text, one.version)
			}
			all = append(all, one)
		}
		if len(all) == 0 {
			return Constraint{}, fmt.Errorf("%.100q: it names no version", text)
		}
		c.any = append(c.any, all)
	}
	return c, nil
}

// String returns the text that c was parsed from.
func (c Constraint) String() string { return c.text }

// An Order relates the versions of a channel to those that a Constraint states. The zero
// Order is that of CompareVersions and MatchesVersion.
type Order struct {
	Compare func(version, stated string) int        // as cmp.Compare
	Matches func(asked string, version string) bool // as MatchesVersion
}

// Holds reports whether version, of a channel with the given order, is in c.
func (c Constraint) Holds(version string, order Order) bool {
	for _, all := range c.any {
		holds := true
		for _, one := range all {
			holds = holds && one.holds(version, order)
		}
		if holds {
			return true
		}
	}
	return false
}

func (c comparison) holds(version string, in Order) bool {
	if c.operator == "" || c.operator == "=" {
		matches := in.Matches
		if matches == nil {
			matches = MatchesVersion
		}
		return matches(c.operator+c.version, version)
	}
	compare := in.Compare
	if compare == nil {
		if !Ordered(version) {
			return c.operator == ">" || c.operator == ">="
		}
		compare = CompareVersions
	}
	order := compare(version, c.version)
	switch c.operator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// Withdrawn returns the first of list that withdraws a version of tool. Constraints that
// cannot be parsed, which no manifest that was accepted has, withdraw nothing.
func Withdrawn(list []verify.Withdrawal, tool, version string) (verify.Withdrawal, bool) {
	for _, w := range list {
		if w.Tool != tool {
			continue
		}
		if c, err := ParseConstraint(w.Versions); err == nil && c.Holds(version, Order{}) {
			return w, true
		}
	}
	return verify.Withdrawal{}, false
}
