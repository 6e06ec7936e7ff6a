package debian

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian/internal/assemble"
)

// unsatisfiedError is returned when a package needs something that the archive does not
// have.
type unsatisfiedError struct {
	Channel, Tool string
	Package       string // the dependent package, with its version; empty: the tool itself
	Wants         string
}

func (e *unsatisfiedError) Error() string {
	if e.Package == "" {
		return fmt.Sprintf("channel %s: %s needs package %s, which the channel does not have", e.Channel, e.Tool, e.Wants)
	}
	return fmt.Sprintf("channel %s: %s: package %s depends on %s, which no package satisfies", e.Channel, e.Tool, e.Package, e.Wants)
}
func (*unsatisfiedError) Kind() string { return "unsatisfied" }

// A closure is a set of packages and everything they depend on, except what the host
// provides.
type closure struct {
	*archive
	host   []string // patterns of packages that the host provides
	chosen map[string]details
	queue  []string // chosen, with dependencies still to follow
	meter
}

// maxWork bounds the clauses, alternatives and providers that are examined for one
// answer. The largest toolchains need some 10,000.
const maxWork = 1 << 20

// A meter counts the work for one answer.
type meter struct{ spent int }

func (m *meter) spend(n int) error {
	if m.spent += n; m.spent > maxWork {
		return &manifests.FormatError{Document: "dependencies", Rule: fmt.Sprintf("more than %d have to be looked at", maxWork)}
	}
	return nil
}

// closure chooses the named packages and what they need. The choice is deterministic:
// each package at its newest version; of alternatives the first that is already chosen,
// or else the first that exists; a package before those that only provide its name, and
// of these the first by name. The error is an *unsatisfiedError or a *manifests.FormatError.
func (a *archive) closure(names, host []string) (map[string]details, error) {
	c := &closure{archive: a, host: host, chosen: map[string]details{}}
	for _, name := range names {
		p, err := a.find(name)
		if err != nil {
			return nil, err
		}
		if p == nil {
			return nil, &unsatisfiedError{Wants: name}
		}
		if err := c.choose(p); err != nil {
			return nil, err
		}
	}
	for len(c.queue) > 0 {
		name := c.queue[0]
		c.queue = c.queue[1:]
		for _, wants := range c.chosen[name].depends {
			if err := c.satisfy(a.packages[name], wants); err != nil {
				return nil, err
			}
		}
	}
	return c.chosen, nil
}

func (c *closure) choose(p *pkg) error {
	if _, already := c.chosen[p.name]; already {
		return nil
	}
	if len(c.chosen) == manifests.MaxArtifacts {
		return p.formatError(fmt.Errorf("more than %d packages are needed", manifests.MaxArtifacts))
	}
	d, err := c.details(p, &c.meter)
	if err != nil {
		return err
	}
	c.chosen[p.name] = d
	c.queue = append(c.queue, p.name)
	return nil
}

// satisfy chooses a package that fulfils a clause of dependent, unless one is already
// chosen.
func (c *closure) satisfy(dependent *pkg, wants clause) error {
	var first *pkg
	for _, r := range wants {
		if assemble.Match(c.host, r.name) {
			return nil
		}
		p, err := c.match(r)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		if _, already := c.chosen[p.name]; already {
			return nil
		}
		if first == nil {
			first = p
		}
	}
	if first == nil {
		return &unsatisfiedError{Package: dependent.name + " " + string(dependent.version), Wants: wants.String()}
	}
	return c.choose(first)
}

// match returns the package that satisfies r, or nil if there is none.
func (c *closure) match(r relation) (*pkg, error) {
	found, err := c.candidates(r, &c.meter)
	if len(found) == 0 || err != nil {
		return nil, err
	}
	for _, p := range found {
		if _, already := c.chosen[p.name]; already {
			return p, nil
		}
	}
	first := slices.MinFunc(found, func(a, b *pkg) int { return strings.Compare(a.name, b.name) })
	return first, c.readVersion(first)
}

// candidates returns the packages that satisfy r: the one of that name, or else those
// that provide it.
func (a *archive) candidates(r relation, m *meter) (found []*pkg, err error) {
	if err := m.spend(1); err != nil {
		return nil, err
	}
	p, err := a.find(r.name)
	if err != nil {
		return nil, err
	}
	if p != nil && r.accepts(string(p.version)) {
		fits, err := a.qualifies(p, r.arch, m)
		if fits || err != nil {
			return []*pkg{p}, err
		}
	}
	if r.arch != "" && r.arch != "native" && r.arch != a.arch {
		return nil, nil // provided names belong to the archive's own architecture
	}
	providers, err := a.providers(r.name)
	if err == nil {
		err = m.spend(len(providers))
	}
	if err != nil {
		return nil, err
	}
	for _, p := range providers {
		if r.op == "" || p.version != "" && r.accepts(p.version) {
			found = append(found, p.provider)
		}
	}
	return found, nil
}

// qualifies reports whether p fits the architecture qualifier of a relation: ":any"
// accepts only packages marked Multi-Arch: allowed. Source: deb-control(5); the
// Multi-Arch specification.
func (a *archive) qualifies(p *pkg, arch string, m *meter) (bool, error) {
	switch arch {
	case "", "native", a.arch:
		return true, nil
	case "any":
		d, err := a.details(p, m)
		return d.multiArch == "allowed", err
	}
	return false, nil
}

// versionOf returns the only chosen package that matches a pattern.
func versionOf(chosen map[string]details, pattern string) (string, bool) {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(chosen)) {
		if assemble.Match([]string{pattern}, name) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return "", false
	}
	return found[0], true
}
