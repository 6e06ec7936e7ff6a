package unpack

import (
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// What is here makes several packages of a Debian system one prefix. Such a
// system has some directories below usr, and links to them below the root; its
// packages may use either name. Source: Debian Policy, section 9.1.1;
// file-hierarchy(7).

// tops are the directories that a merged /usr holds.
var tops = []string{"bin", "lib", "lib32", "lib64", "libx32", "sbin"}

// A twin is an entry that another archive claimed, too, and that is to be the same.
type twin struct {
	from   *origin
	raw    string
	digest verify.Digest // of a file
}

// merged is where the layout has what the archive calls name.
func (f *filler) merged(name string) string {
	top, _, _ := strings.Cut(name, "/")
	if f.archive.Layout.MergedUsr && slices.Contains(tops, top) {
		return "usr/" + name
	}
	return name
}

// leadsToUsr reports whether e, called name, is a link that says no more than the
// layout does.
func (f *filler) leadsToUsr(e entry, name string) bool {
	return f.archive.Layout.MergedUsr && e.kind == link && slices.Contains(tops, name) &&
		strings.TrimPrefix(path.Clean(e.target), "/") == "usr/"+name
}

// same returns a twin where another package claimed e, as far as can be seen
// before it is read. A file's content is compared by Claims.
func (f *filler) same(raw string, e record.Entry) *twin {
	if !f.archive.Layout.MergedUsr {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.tree[e.Path]
	if n == nil || !n.from.merged || n.by(f.origin) ||
		n.Type != e.Type || n.Type == record.Dir || n.Size != e.Size || n.Mode != e.Mode || n.Target != e.Target {
		return nil
	}
	t := &twin{from: f.origin, raw: raw}
	n.twins = append(n.twins, t)
	return t
}

// by reports whether o is among those that claimed n.
func (n *node) by(o *origin) bool { return n.from == o || n.twinOf(o) != nil }

// twinOf returns the twin of n that o claimed, nil if there is none.
func (n *node) twinOf(o *origin) *twin {
	if i := slices.IndexFunc(n.twins, func(t *twin) bool { return t.from == o }); i >= 0 {
		return n.twins[i]
	}
	return nil
}

// settleTwins settles every entry that more than one archive claimed; of those
// that are not the same, it refuses the first by path.
func (p *Prefix) settleTwins() error {
	var shared []*node
	for _, n := range p.tree {
		if len(n.twins) > 0 {
			shared = append(shared, n)
		}
	}
	slices.SortFunc(shared, func(a, b *node) int { return strings.Compare(a.Path, b.Path) })
	for _, n := range shared {
		if err := n.settle(); err != nil {
			return err
		}
	}
	return nil
}

// settle refuses twins that are not the same, and gives n to the first of them.
func (n *node) settle() error {
	all := append([]*twin{{n.from, n.raw, n.Digest}}, n.twins...)
	slices.SortFunc(all, func(a, b *twin) int {
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
