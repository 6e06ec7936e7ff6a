// Package advisories reads security advisories in the OSV format, and finds those that affect
// a version of a package. It opens no files and no connections.
//
// The records are not trusted: they can only say that something is bad, never make anything
// trusted. Fields that this package does not know are ignored, as the format demands.
// Source: OSV schema 1.7, https://ossf.github.io/osv-schema/.
package advisories

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/kist-tools/kist/manifests"
)

// Ceilings; more is an error.
const (
	MaxFile    = 64 << 20  // bytes of one file
	MaxTotal   = 512 << 20 // bytes of all files of a database
	MaxFiles   = 200_000   // of a database
	maxRecords = 200_000   // of one file
	maxParts   = 20_000    // packages of a record, or ranges, events or versions of a package
	maxText    = 64 << 10  // bytes of an identifier, a name or a version
)

// A Record is one advisory.
type Record struct {
	ID        string     `json:"id"`
	Aliases   []string   `json:"aliases"`
	Summary   string     `json:"summary"`
	Details   string     `json:"details"`
	Withdrawn time.Time  `json:"withdrawn"` // not zero: the advisory itself was withdrawn
	Affected  []Affected `json:"affected"`
}

// An Affected says which versions of one package a Record affects.
type Affected struct {
	Package struct {
		Ecosystem string `json:"ecosystem"`
		Name      string `json:"name"`
	} `json:"package"`
	Ranges   []Range  `json:"ranges"`
	Versions []string `json:"versions"`
}

// A Range is a list of versions at which being affected begins or ends.
type Range struct {
	Type   string  `json:"type"` // SEMVER, ECOSYSTEM or GIT
	Events []Event `json:"events"`
}

// An Event is one of the versions of a Range. One field is set.
type Event struct {
	Introduced   string `json:"introduced"` // "0": before every version
	Fixed        string `json:"fixed"`
	LastAffected string `json:"last_affected"`
	Limit        string `json:"limit"` // only for GIT
}

// Parse parses one record or an array of them.
func Parse(data []byte) ([]Record, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("larger than the limit of %d bytes", MaxFile)
	}
	var list []Record
	if data = bytes.TrimSpace(data); bytes.HasPrefix(data, []byte("[")) {
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, err
		}
	} else {
		list = make([]Record, 1)
		if err := json.Unmarshal(data, &list[0]); err != nil {
			return nil, err
		}
	}
	if len(list) > maxRecords {
		return nil, fmt.Errorf("%d records, over the limit of %d", len(list), maxRecords)
	}
	for _, r := range list {
		if err := r.check(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// check refuses a record without a usable ID, and one over a ceiling.
func (r Record) check() error {
	if r.ID == "" || len(r.ID) > 256 || !utf8.ValidString(r.ID) || strings.ContainsFunc(r.ID, func(c rune) bool { return unicode.IsControl(c) || unicode.IsSpace(c) }) {
		return fmt.Errorf("a record without a valid id: %.60q", r.ID)
	}
	over := func(n int, what string) error {
		if n > maxParts {
			return fmt.Errorf("%s: %d %s, over the limit of %d", r.ID, n, what, maxParts)
		}
		return nil
	}
	if err := over(len(r.Affected), "packages"); err != nil {
		return err
	}
	for _, a := range r.Affected {
		events := 0
		for _, g := range a.Ranges {
			events += len(g.Events)
			for _, e := range g.Events {
				if len(e.Introduced)+len(e.Fixed)+len(e.LastAffected) > maxText {
					return fmt.Errorf("%s: a version over the limit of %d bytes", r.ID, maxText)
				}
			}
		}
		for _, n := range []int{len(a.Ranges), events, len(a.Versions)} {
			if err := over(n, "ranges, events or versions"); err != nil {
				return err
			}
		}
	}
	return nil
}

// Title returns the summary of r in one line, or the beginning of its details.
func (r Record) Title() string {
	text := r.Summary
	if text == "" {
		text = r.Details
	}
	text = strings.Join(strings.Fields(text), " ")
	const most = 200
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most]) + "…"
	}
	return text
}

// A Package is one spelling of a tool in the world of OSV.
type Package struct {
	Ecosystem, Name string
	// Compare orders its versions; nil: manifests.CompareVersions, and versions that cannot
	// be ordered are affected only where they are listed.
	Compare func(a, b string) int
}

// Affects reports whether r affects a version of p, and returns the lowest version that fixes
// it, "" if none is stated.
func (r Record) Affects(p Package, version string) (affected bool, fixed string) {
	if !r.Withdrawn.IsZero() {
		return false, ""
	}
	compare := p.Compare
	if compare == nil {
		compare = manifests.CompareVersions
	}
	for _, a := range r.Affected {
		if a.Package.Ecosystem != p.Ecosystem || a.Package.Name != p.Name {
			continue
		}
		affected = affected || slices.Contains(a.Versions, version)
		if p.Compare == nil && !manifests.Ordered(version) {
			continue
		}
		for _, g := range a.Ranges {
			if g.Type != "SEMVER" && g.Type != "ECOSYSTEM" {
				continue
			}
			in, fix := g.holds(version, compare)
			affected = affected || in
			if in && fix != "" && (fixed == "" || compare(fix, fixed) < 0) {
				fixed = fix
			}
		}
	}
	return affected, fixed
}

// holds reports whether version is affected by g, and returns the next version that is not.
// It is the algorithm of the OSV schema, section "Evaluation".
func (g Range) holds(version string, compare func(a, b string) int) (affected bool, fixed string) {
	at := func(e Event) string {
		switch {
		case e.Introduced != "":
			return e.Introduced
		case e.Fixed != "":
			return e.Fixed
		}
		return e.LastAffected
	}
	events := slices.DeleteFunc(slices.Clone(g.Events), func(e Event) bool { return at(e) == "" })
	slices.SortStableFunc(events, func(a, b Event) int {
		first, second := at(a) == "0" && a.Introduced == "0", at(b) == "0" && b.Introduced == "0"
		switch {
		case first && second:
			return 0
		case first:
			return -1
		case second:
			return 1
		}
		return compare(at(a), at(b))
	})
	for _, e := range events {
		switch {
		case e.Introduced == "0", e.Introduced != "" && compare(version, e.Introduced) >= 0:
			affected, fixed = true, ""
		case e.Fixed != "" && compare(version, e.Fixed) >= 0,
			e.Fixed == "" && e.LastAffected != "" && compare(version, e.LastAffected) > 0:
			affected = false
		case e.Fixed != "" && affected && fixed == "":
			fixed = e.Fixed
		}
	}
	if !affected {
		fixed = ""
	}
	return affected, fixed
}
