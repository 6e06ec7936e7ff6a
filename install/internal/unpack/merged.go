package unpack

import (
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// This file merges the packages of a Debian system into one prefix. Such a system has
// some directories below usr and links to them in the root directory; its packages
// may use either name. Sources: Debian Policy, section 9.1.1;
// file-hierarchy(7).

// mergedDirs are the root directories that a merged /usr contains.
var mergedDirs = []string{"bin", "lib", "lib32", "lib64", "libx32", "sbin"}

// A duplicate is another archive's claim to an entry, which must be equal to the first.
type duplicate struct {
	from   *owner
	raw    string
	digest verify.Digest // of a file
}

// mergedPath returns the path of name in a layout with a merged /usr.
func (f *filler) mergedPath(name string) string {
	top, _, _ := strings.Cut(name, "/")
	if f.archive.Layout.MergedUsr && slices.Contains(mergedDirs, top) {
		return "usr/" + name
	}
	return name
}

// leadsToUsr reports whether e is the link from name to usr/name, which the layout
// replaces.
func (f *filler) leadsToUsr(e entry, name string) bool {
	return f.archive.Layout.MergedUsr && e.kind == link && slices.Contains(mergedDirs, name) &&
		strings.TrimPrefix(path.Clean(e.target), "/") == "usr/"+name
}

// claimDuplicate records e as a duplicate if another package claimed an equal entry, and
// returns nil otherwise. Claims compares the contents of files.
func (f *filler) claimDuplicate(raw string, e record.Entry) *duplicate {
	if !f.archive.Layout.MergedUsr {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.tree[e.Path]
	if n == nil || !n.from.mergedUsr || n.isClaimedBy(f.owner) ||
		n.Type != e.Type || n.Type == record.Dir || n.Size != e.Size || n.Mode != e.Mode || n.Target != e.Target {
		return nil
	}
	d := &duplicate{from: f.owner, raw: raw}
	n.duplicates = append(n.duplicates, d)
	return d
}

// isClaimedBy reports whether o claimed n.
func (n *node) isClaimedBy(o *owner) bool { return n.from == o || n.duplicateFrom(o) != nil }

// duplicateFrom returns the duplicate of n that o claimed, or nil.
func (n *node) duplicateFrom(o *owner) *duplicate {
	if i := slices.IndexFunc(n.duplicates, func(t *duplicate) bool { return t.from == o }); i >= 0 {
		return n.duplicates[i]
	}
	return nil
}

// resolveDuplicates checks all entries that several archives claimed, in the order of
// paths, and refuses the first whose contents differ.
func (p *Prefix) resolveDuplicates() error {
	var shared []*node
	for _, n := range p.tree {
		if len(n.duplicates) > 0 {
			shared = append(shared, n)
		}
	}
	slices.SortFunc(shared, func(a, b *node) int { return strings.Compare(a.Path, b.Path) })
	for _, n := range shared {
		if err := n.resolveDuplicates(); err != nil {
			return err
		}
	}
	return nil
}

// resolveDuplicates refuses n if the contents of its duplicates differ, and makes the
// first of their archives its owner.
func (n *node) resolveDuplicates() error {
	all := append([]*duplicate{{n.from, n.raw, n.Digest}}, n.duplicates...)
	slices.SortFunc(all, func(a, b *duplicate) int {
		if a.from.before(b.from) {
			return -1
		}
		return 1
	})
	for _, t := range all[1:] {
		if t.digest != all[0].digest {
			return &EntryError{Archive: t.from.name, Path: t.raw, Rule: RuleOnce, Detail: all[0].from.name + " has it too, with other contents"}
		}
	}
	n.from, n.raw = all[0].from, all[0].raw
	return nil
}
