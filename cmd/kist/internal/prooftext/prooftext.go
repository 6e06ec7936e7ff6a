// Package prooftext says in words how something was proved: by whose keys or by which
// database, how, and when. It checks nothing itself.
package prooftext

import (
	"fmt"
	"strings"
	"time"

	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/verify"
)

// Line describes in one line how something was proved.
func Line(e verify.Evidence) string {
	root := e.Root()
	var parts []string
	switch {
	case root.Kind == verify.ByTree && root.Tree != nil:
		parts = append(parts, fmt.Sprintf("proved by the checksum database (tree %d)", root.Tree.Size), root.Tree.H1)
	case len(root.Signers) > 0:
		parts = append(parts, "signed by "+joinKeys(evidence.Signers(root), " and "))
	}
	if text := markText(e); text != "" {
		parts = append(parts, text)
	}
	return strings.Join(append(parts, root.Notes...), " · ")
}

// A Proof is what proved a release, or will prove it.
type Proof struct {
	Evidence verify.Evidence
	Notes    []string       // of other evidence, which did not prove it
	Planned  bool           // the release is not proved yet
	Keys     []evidence.Key // that will prove it then
}

// Lines describes p in lines. Trees, digests and the names of keys that were used are
// details.
func (p Proof) Lines(details bool) (lines []string) {
	root := p.Evidence.Root()
	if root.Tree != nil {
		lines = append(lines, "proved by the checksum database "+root.Tree.Name)
		if details {
			lines = append(lines, fmt.Sprintf("tree of %d records", root.Tree.Size), "content "+root.Tree.H1)
		}
	}
	keys, by, nextBy := p.Keys, "signed by ", "and by "
	if !p.Planned {
		keys = evidence.Signers(root)
	} else if p.Evidence.Kind == "" {
		by, nextBy = "to be signed by ", "or by "
	}
	for i, k := range keys {
		if i > 0 {
			by = nextBy
		}
		lines = append(lines, by+k.Primary.Spaced())
		if k.UserID != "" && (p.Planned || details) {
			lines = append(lines, "  "+k.UserID)
		}
	}
	if text := markText(p.Evidence); text != "" {
		lines = append(lines, text)
	}
	return append(append(lines, root.Notes...), p.Notes...)
}

// markText describes the serial or date of what e proves.
func markText(e verify.Evidence) string {
	for _, m := range []*verify.Mark{e.Mark, e.Root().Mark} {
		if m != nil {
			return Freshness(*m)
		}
	}
	return ""
}

// Freshness describes the serial or date of a mark, and its expiry.
func Freshness(m verify.Mark) string {
	switch {
	case len(m.Head) > 0, m.IsZero():
		return "" // a checksum database, whose tree size is its serial
	case m.Serial > 0 && !m.Expires.IsZero():
		return fmt.Sprintf("serial %d, fresh until %s", m.Serial, m.Expires.UTC().Format(time.DateOnly))
	case m.Serial > 0:
		return fmt.Sprintf("serial %d", m.Serial)
	}
	return "manifest " + m.Issued.UTC().Format(time.DateOnly)
}

// Planned describes how a release that is to be fetched is, or will be, proved.
func Planned(e verify.Evidence, keys []evidence.Key) string {
	if e.Kind == "" && len(keys) > 0 {
		return "to be signed by " + joinKeys(keys, " or ")
	}
	return Line(e)
}

// joinKeys lists the fingerprints of keys.
func joinKeys(keys []evidence.Key, separator string) string {
	var who []string
	for _, k := range keys {
		who = append(who, k.Primary.Spaced())
	}
	return strings.Join(who, separator)
}

// Spaced formats fingerprints for people.
func Spaced(keys []verify.Fingerprint) (list []string) {
	for _, f := range keys {
		list = append(list, f.Spaced())
	}
	return list
}
