package unpack

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/record"
)

// A Claim is one entry of a prefix, as the archive that brought it would have
// it. Its links are not made yet.
type Claim struct {
	*record.Entry
	Archive string // its name
	Raw     string // what it calls the entry
}

// Claims ends the filling of the prefix: it removes the directories that
// nothing turned out to need, and returns what was claimed, by path, so parents
// before children.
func (p *Prefix) Claims() ([]Claim, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return nil, p.broken
	}
	p.broken = errFinished
	if err := p.settleTwins(); err != nil {
		p.broken = err
		return nil, err
	}
	owner := p.owners()
	claims := make([]Claim, 0, len(p.tree))
	var unused []string
	for to, n := range p.tree {
		from := n.from
		if n.Type == record.Dir {
			from = owner[to]
		}
		switch {
		case n.gone:
			continue
		case from == nil:
			unused = append(unused, to)
			continue
		}
		n.Component = from.component
		claims = append(claims, Claim{Entry: &n.Entry, Archive: from.name, Raw: n.raw})
	}
	slices.SortFunc(claims, func(a, b Claim) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(unused)
	for _, dir := range slices.Backward(unused) {
		if err := p.root.Remove(dir); err != nil {
			p.broken = err
			return nil, err
		}
	}
	return claims, nil
}

// Resume goes on with a prefix in root from claims, which another Prefix ended
// with. Their archives come before those that are added now, and their
// directories stay theirs.
func Resume(root *os.Root, limits Limits, claims []Claim) *Prefix {
	p := New(root, limits)
	origins := map[[2]string]*origin{}
	for _, c := range claims {
		key := [2]string{c.Archive, c.Component}
		if origins[key] == nil {
			p.adds++
			origins[key] = &origin{name: c.Archive, component: c.Component, order: math.MinInt, id: p.adds}
		}
		n := &node{Entry: *c.Entry, from: origins[key], raw: c.Raw, kept: c.Type == record.Dir}
		if n.kept {
			n.first, n.last = n.from, n.from
		}
		p.tree[c.Path] = n
		p.entries++
		p.bytes += c.Size
		p.names += int64(len(c.Path) + len(c.Raw) + len(c.Target))
	}
	return p
}

// owners says which archive needs a directory: the first that lists it or has
// something below it. One that nobody needs was made for what was taken back.
func (p *Prefix) owners() map[string]*origin {
	owner := map[string]*origin{}
	need := func(dir string, by *origin) {
		for ; dir != "." && (owner[dir] == nil || by.before(owner[dir])); dir = path.Dir(dir) {
			owner[dir] = by
		}
	}
	for to, n := range p.tree {
		switch {
		case n.Type != record.Dir && !n.gone:
			need(path.Dir(to), n.from)
		case n.first != nil:
			need(to, n.first)
		}
	}
	for to, n := range p.tree {
		if n.kept {
			owner[to] = n.from
		}
	}
	return owner
}

// Complete turns what was unpacked below root into a prefix: it judges claims
// as if nobody had, makes the links, and then walks the prefix, where it gives
// everything its mode and notes the stamps of files. What is on disk then is exactly
// what was claimed, and every link resolves or dangles inside. sealed is what a receipt
// says of the stamps; zero where the file system keeps none to rely on, and then none
// are noted. The files that executable names, directly or through links, may be
// executed whatever their archives say; a name that is no file's changes nothing. A claim that breaks a rule, or is not behind the others by its path, is an
// *EntryError; a *ChangedError says that something else than the claimed is there.
func Complete(ctx context.Context, root *os.Root, limits Limits, claims []Claim, executable ...string) (sealed time.Time, err error) {
	t := tree{ctx: ctx, root: root, limits: limits, nodes: make(map[string]*Claim, len(claims))}
	if err := t.judge(claims); err != nil {
		return time.Time{}, err
	}
	if err := t.makeLinks(claims); err != nil {
		return time.Time{}, err
	}
	for _, name := range executable {
		t.makeExecutable(name)
	}
	err = t.walk()
	return t.sealed, err
}

// A tree is a prefix that is being completed.
type tree struct {
	ctx    context.Context
	root   *os.Root
	limits Limits
	nodes  map[string]*Claim // by path

	stamped bool      // the file system keeps stamps
	sealed  time.Time // then, when they had been read
	walkers errgroup.Group
	found   atomic.Int64 // of nodes, on disk

	steps   atomic.Int64 // of the ways of all links
	missing sync.Map     // the names that they lead to and that are not in the tree
	absent  atomic.Int64 // how many those are
}

// refuse makes an EntryError about c, whose archive is long read.
func (c *Claim) refuse(rule Rule, format string, args ...any) error {
	return c.blame(refuse(rule, "", format, args...))
}

// blame completes an EntryError about c.
func (c *Claim) blame(err error) error {
	if e, ok := errors.AsType[*EntryError](err); ok {
		e.Archive, e.Path = c.Archive, c.Raw
	}
	return err
}

// judge holds the claims to what is promised of entries, and enters them in the tree.
func (t *tree) judge(claims []Claim) error {
	var bytes int64
	dirs := 0
	for i := range claims {
		c := &claims[i]
		if err := c.judge(t.limits); err != nil {
			return c.blame(err)
		}
		if parent := path.Dir(c.Path); parent != "." && (t.nodes[parent] == nil || t.nodes[parent].Type != record.Dir) {
			return c.refuse(RuleBelow, "entry below %q, which is not a directory", parent)
		}
		if i > 0 && c.Path <= claims[i-1].Path {
			return c.refuse(RuleOnce, "entry listed after %q, out of order or twice", claims[i-1].Path)
		}
		t.nodes[c.Path] = c
		if bytes += c.Size; bytes > t.limits.Bytes || i >= t.limits.Entries {
			return c.refuse(RuleCeiling, "the prefix has more than %d entries or %d bytes", t.limits.Entries, t.limits.Bytes)
		}
		if c.Type == record.Dir {
			dirs++
		}
		if dirs > t.limits.Dirs {
			return c.refuse(RuleCeiling, "the prefix has more than %d directories", t.limits.Dirs)
		}
	}
	return nil
}

// judge holds one claim to the rules that were applied when it was made.
func (c *Claim) judge(limits Limits) error {
	if name, err := limits.name(c.Path, false, true); err != nil {
		return err
	} else if name != c.Path {
		return refuse(RuleElements, "", "name that is not in its simplest form")
	}
	const writable = 0o022
	hasMode := c.Mode&^fs.ModePerm == 0 && c.Mode&writable == 0
	switch {
	case c.Type == record.File && hasMode && c.Mode&0o600 == 0o600 && !c.Digest.IsZero() && c.Size >= 0 && c.Size <= limits.Bytes && c.Target == "":
	case c.Type == record.Dir && hasMode && c.Mode&0o700 == 0o700 && c.Digest.IsZero() && c.Size == 0 && c.Target == "":
	case c.Type == record.Link && c.Mode == 0 && c.Digest.IsZero() && c.Size == 0 && !path.IsAbs(c.Target):
		_, err := limits.target("", c.Path, c.Target, true, nil)
		return err
	default:
		return refuse(RuleType, "", "%s of mode %v that no archive could have", c.Type, c.Mode)
	}
	return nil
}

// makeExecutable lets those execute the file called name that may read it; the walk
// gives it that mode.
func (t *tree) makeExecutable(name string) {
	end, err := t.follow(&Claim{Entry: &record.Entry{Path: name}}, name, 0, nil)
	if c := t.nodes[end]; err == nil && c != nil && c.Type == record.File {
		c.Mode |= c.Mode & 0o444 >> 2
	}
}

// makeLinks makes the links, all of which were first followed to their ends.
func (t *tree) makeLinks(claims []Claim) error {
	for i := range claims {
		if claims[i].Type != record.Link {
			continue
		}
		if err := t.ctx.Err(); err != nil {
			return err
		}
		if err := t.resolve(&claims[i], nil); err != nil {
			return err
		}
	}
	dirs := handles{root: t.root, open: map[string]rootfs.Dir{}}
	defer dirs.close()
	for i := range claims {
		c := &claims[i]
		if c.Type != record.Link {
			continue
		}
		dir, err := dirs.at(path.Dir(c.Path))
		if err != nil {
			return err
		}
		if err := dir.Symlink(c.Target, path.Base(c.Path)); err != nil {
			return c.blame(folded(err, ""))
		}
	}
	return nil
}
