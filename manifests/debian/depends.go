package debian

import (
	"fmt"
	"strings"
)

// maxRelations is how many relations one field may have. The longest Provides in Debian
// has some 700.
const maxRelations = 8192

// A relation is one package named by a dependency field: required or provided. Source:
// Debian Policy, section 7.1.
type relation struct {
	name  string
	arch  string // the qualifier after a colon: any, native or an architecture
	op    string // "", "<<", "<=", "=", ">=" or ">>"
	other string // version to compare with
}

func (r relation) String() string {
	s := r.name
	if r.arch != "" {
		s += ":" + r.arch
	}
	if r.op != "" {
		s += " (" + r.op + " " + r.other + ")"
	}
	return s
}

// accepts reports whether version satisfies r.
func (r relation) accepts(version string) bool {
	order := Compare(version, r.other)
	switch r.op {
	case "":
		return true
	case "<<":
		return order < 0
	case "<=":
		return order <= 0
	case "=":
		return order == 0
	case ">=":
		return order >= 0
	}
	return order > 0
}

// A clause is a list of alternatives; one of them is required.
type clause []relation

// String returns c in Debian's notation, cut off after the first 32 alternatives.
func (c clause) String() string {
	const most = 32
	var names []string
	for _, r := range c[:min(len(c), most)] {
		names = append(names, r.String())
	}
	if len(c) > most {
		names = append(names, fmt.Sprintf("%d others", len(c)-most))
	}
	return strings.Join(names, " | ")
}

// parseRelations reads the value of a field such as Depends.
func parseRelations(value string) ([]clause, error) {
	if strings.TrimSpace(value) == "" {
		return nil, nil
	}
	if n := strings.Count(value, ",") + strings.Count(value, "|"); n >= maxRelations {
		return nil, fmt.Errorf("%d relations, over the limit of %d", n+1, maxRelations)
	}
	var clauses []clause
	for _, part := range strings.Split(value, ",") {
		var c clause
		for _, text := range strings.Split(part, "|") {
			r, err := parseRelation(text)
			if err != nil {
				return nil, err
			}
			c = append(c, r)
		}
		clauses = append(clauses, c)
	}
	return clauses, nil
}

func parseRelation(text string) (relation, error) {
	fail := func(format string, args ...any) (relation, error) {
		return relation{}, fmt.Errorf("relation %.80q: %s", strings.TrimSpace(text), fmt.Sprintf(format, args...))
	}
	var r relation
	head, rest, versioned := strings.Cut(text, "(")
	r.name, r.arch, _ = strings.Cut(strings.TrimSpace(head), ":")
	if !validPackage(r.name) {
		return fail("not the name of a package")
	}
	if strings.Contains(head, ":") && !validArch(r.arch) {
		return fail("architecture %q", r.arch)
	}
	if !versioned {
		return r, nil
	}
	inside, after, closed := strings.Cut(rest, ")")
	if !closed || strings.TrimSpace(after) != "" {
		return fail("unexpected text after the version in brackets")
	}
	inside = strings.TrimSpace(inside)
	end := strings.IndexFunc(inside, func(c rune) bool { return !strings.ContainsRune("<=>", c) })
	if end < 0 {
		return fail("no version to compare with")
	}
	r.op, r.other = inside[:end], strings.TrimSpace(inside[end:])
	switch r.op {
	case "<<", "<=", "=", ">=", ">>":
	default:
		return fail("operator %q", r.op)
	}
	if err := validVersion(r.other); err != nil {
		return fail("%v", err)
	}
	return r, nil
}

// validPackage reports whether name is a valid package name. Source: Debian Policy,
// section 5.6.1; virtual packages have been seen with capital letters and underscores.
func validPackage[text string | []byte](name text) bool {
	if len(name) < 2 || len(name) > 128 || !isAlnum(name[0]) {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case isAlnum(c), c == '+', c == '-', c == '_':
		case c == '.' && name[i-1] != '.':
		default:
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool { return isDigit(c) || isLetter(c) }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func validArch(arch string) bool {
	return arch != "" && len(arch) <= 64 && strings.Trim(arch, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
