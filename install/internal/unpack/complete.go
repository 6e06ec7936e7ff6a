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

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// A Claim is one entry of a prefix, as its archive was unpacked. Links are not on disk
// yet.
type Claim struct {
	*record.Entry
	Archive string // the archive's name
	Raw     string // the entry's name in the archive
}

// Claims ends the filling of the prefix. It removes the directories that no entry
// needs, and returns the claims sorted by path, so parents before children.
func (p *Prefix) Claims() ([]Claim, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return nil, p.broken
	}
	p.broken = errFinished
	if err := p.resolveDuplicates(); err != nil {
		p.broken = err
		return nil, err
	}
	owners := p.dirOwners()
	claims := make([]Claim, 0, len(p.tree))
	var unused []string
	for to, n := range p.tree {
		from := n.from
		if n.Type == record.Dir {
			from = owners[to]
		}
		switch {
		case n.removed:
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

// Resume continues a prefix in root from claims, the result of another Prefix. Their
// archives are ordered before those that are added now, and keep their directories.
func Resume(root *os.Root, limits Limits, claims []Claim) *Prefix {
	p := New(root, limits)
	owners := map[[2]string]*owner{}
	for _, c := range claims {
		key := [2]string{c.Archive, c.Component}
		if owners[key] == nil {
			p.adds++
			owners[key] = &owner{name: c.Archive, component: c.Component, order: math.MinInt, id: p.adds}
		}
		n := &node{Entry: *c.Entry, from: owners[key], raw: c.Raw, resumed: c.Type == record.Dir}
		if n.resumed {
			n.first, n.last = n.from, n.from
		}
		p.tree[c.Path] = n
		p.entries++
		p.bytes += c.Size
		p.names += int64(len(c.Path) + len(c.Raw) + len(c.Target))
	}
	return p
}

// dirOwners returns the owner of each directory: the first archive that lists it or has
// an entry below it. A directory without one was made for a file that was removed again.
func (p *Prefix) dirOwners() map[string]*owner {
	owners := map[string]*owner{}
	claim := func(dir string, o *owner) {
		for ; dir != "." && (owners[dir] == nil || o.before(owners[dir])); dir = path.Dir(dir) {
			owners[dir] = o
		}
	}
	for to, n := range p.tree {
		switch {
		case n.Type != record.Dir && !n.removed:
			claim(path.Dir(to), n.from)
		case n.first != nil:
			claim(to, n.first)
		}
	}
	for to, n := range p.tree {
		if n.resumed {
			owners[to] = n.from
		}
	}
	return owners
}

// Complete turns the files unpacked below root into a prefix: it validates the claims
// again, makes the links, and walks the prefix to set all modes and read the stamps of
// files. The prefix then holds exactly what was claimed, and every link resolves or
// dangles inside it. sealed is for the receipt (see record.SealedAt); it is zero, and
// no stamps are recorded, if the file system's stamps cannot be relied on. The files
// that executable names, directly or through links, become executable whatever mode
// their archives state; names that lead to no file are ignored. Complete returns an
// *EntryError if a claim breaks a rule or is not sorted by path, and ErrChanged if
// the prefix on disk differs from the claims.
func Complete(ctx context.Context, root *os.Root, limits Limits, claims []Claim, executable ...string) (sealed time.Time, err error) {
	t := tree{ctx: ctx, root: root, limits: limits, nodes: make(map[string]*Claim, len(claims))}
	if err := t.validate(claims); err != nil {
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

	stamped bool      // the file system's stamps can be relied on
	sealed  time.Time // if stamped: when the stamps had been read
	walkers errgroup.Group
	found   atomic.Int64 // number of nodes found on disk

	steps   atomic.Int64 // elements followed for all links
	missing sync.Map     // set of the names in links' paths that are not in the tree
	absent  atomic.Int64 // number of names in missing
}

// refuse returns an EntryError about c.
func (c *Claim) refuse(rule Rule, format string, args ...any) error {
	return c.withEntry(refuse(rule, "", format, args...))
}

// withEntry adds the archive and the name of c to an EntryError.
func (c *Claim) withEntry(err error) error {
	if e, ok := errors.AsType[*EntryError](err); ok {
		e.Archive, e.Path = c.Archive, c.Raw
	}
	return err
}

// validate checks the claims against the rules, their order and the limits, and adds
// them to the tree.
func (t *tree) validate(claims []Claim) error {
	var bytes int64
	dirs := 0
	for i := range claims {
		c := &claims[i]
		if err := c.validate(t.limits); err != nil {
			return c.withEntry(err)
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

// validate checks the rules for a single entry again.
func (c *Claim) validate(limits Limits) error {
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

// makeExecutable adds execute permission to the claim of the file name for all that can
// read it; the walk sets the mode on disk.
func (t *tree) makeExecutable(name string) {
	end, err := t.follow(&Claim{Entry: &record.Entry{Path: name}}, name, 0, nil)
	if c := t.nodes[end]; err == nil && c != nil && c.Type == record.File {
		c.Mode |= c.Mode & 0o444 >> 2
	}
}

// makeLinks follows all links to their ends, and then makes them.
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
	top, err := rootfs.OpenDir(t.root)
	if err != nil {
		return err
	}
	dirs := rootfs.NewDirs(top)
	defer dirs.Close()
	for i := range claims {
		c := &claims[i]
		if c.Type != record.Link {
			continue
		}
		dir, err := dirs.Get(path.Dir(c.Path))
		if err != nil {
			return err
		}
		if err := dir.Symlink(c.Target, path.Base(c.Path)); err != nil {
			return c.withEntry(foldingError(err, ""))
		}
	}
	return nil
}
