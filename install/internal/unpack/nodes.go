package unpack

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/kist-tools/kist/install/record"
)

// This file keeps the tree that all archives of a prefix share. Directories are claimed
// and made on disk under one lock, since other archives may use them immediately; files
// and links are made after they are claimed.

// count counts an entry against the limit.
func (p *Prefix) count(raw string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.countLocked(raw)
}

// countLocked is count with p.mu held.
func (p *Prefix) countLocked(raw string) error {
	if p.entries++; p.entries > p.limits.Entries {
		return refuse(RuleCeiling, raw, "the prefix has more than %d entries", p.limits.Entries)
	}
	return nil
}

// ownNode returns the node that this archive claimed at to, or nil.
func (f *filler) ownNode(to string) *node {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.tree[to]; n != nil && n.from == f.owner {
		return n
	}
	return nil
}

// claim adds e, a file or a link, to the tree. Its path must not be claimed yet.
func (f *filler) claim(raw string, e record.Entry) (*node, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.claimLocked(raw, e)
}

// claimLocked is claim with f.mu held; e may be a directory.
func (f *filler) claimLocked(raw string, e record.Entry) (*node, error) {
	if have := f.tree[e.Path]; have != nil {
		if f.before(have.from) {
			return nil, have.orderError(f.owner, e.Type)
		}
		return nil, refuse(RuleOnce, raw, "%s", f.conflict(have))
	}
	if e.Size > f.limits.Bytes-f.bytes {
		return nil, refuse(RuleCeiling, raw, "the files of the prefix have more than %d bytes", f.limits.Bytes)
	}
	if f.names += int64(len(e.Path) + len(raw) + len(e.Target)); f.names > f.limits.Names {
		return nil, refuse(RuleCeiling, raw, "the names of the prefix have more than %d bytes", f.limits.Names)
	}
	f.bytes += e.Size
	n := &node{Entry: e, from: f.owner, raw: raw}
	f.tree[e.Path] = n
	return n, nil
}

// conflict describes the node that has the path of an entry.
func (f *filler) conflict(have *node) string {
	switch {
	case have.from != f.owner:
		return have.from.name + " has it too"
	case have.Type == record.Dir:
		return "it is a directory as well"
	}
	return fmt.Sprintf("same path as %q", have.raw)
}

// orderError returns the error about n that would have occurred if archive first, which is
// ordered before n's but claims the path later, had been unpacked first. what is the type
// of first's entry.
func (n *node) orderError(first *owner, what record.Type) error {
	e := &EntryError{Archive: n.from.name, Path: n.raw, Rule: RuleOnce}
	switch {
	case n.Type == record.Dir && n.first == nil:
		e.Rule, e.Detail = RuleBelow, fmt.Sprintf("entry below %q, which is a %s", n.Path, what)
	case n.Type == record.Dir:
		e.Detail = fmt.Sprintf("it is a directory and a %s", what)
	default:
		e.Detail = first.name + " has it too"
	}
	return e
}

// directory places a directory entry. If a directory has several entries, the last one's
// mode counts.
func (f *filler) directory(raw, to string, mode fs.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.listDir(raw, to)
	if err == nil && (n.last == nil || !f.before(n.last)) {
		n.Mode, n.last = mode.Perm()&^0o022|0o700, f.owner
	}
	return err
}

// listDir records that the archive lists the directory to, and makes it if needed, without
// stating a mode. f.mu is held.
func (f *filler) listDir(raw, to string) (*node, error) {
	if err := f.makeParents(raw, path.Dir(to)); err != nil {
		return nil, err
	}
	n := f.tree[to]
	switch {
	case n == nil:
		var err error
		if n, err = f.mkdir(raw, to); err != nil {
			return nil, err
		}
	case n.Type != record.Dir && f.before(n.from):
		return nil, n.orderError(f.owner, record.Dir)
	case n.Type != record.Dir:
		return nil, refuse(RuleOnce, raw, "it is a directory and a %s", n.Type)
	}
	if n.first == nil || f.before(n.first) {
		n.first = f.owner
	}
	return n, nil
}

// parents makes dir and its parents where they are missing.
func (f *filler) parents(raw, dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.makeParents(raw, dir)
}

// makeParents is parents with f.mu held.
func (f *filler) makeParents(raw, dir string) error {
	if dir == "." {
		return nil
	}
	if n := f.tree[dir]; n != nil {
		switch {
		case n.Type == record.Dir:
			return nil
		case f.before(n.from):
			return n.orderError(f.owner, record.Dir)
		}
		return refuse(RuleBelow, raw, "entry below %q, which is a %s", dir, n.Type)
	}
	if err := f.makeParents(raw, path.Dir(dir)); err != nil {
		return err
	}
	if err := f.countLocked(raw); err != nil {
		return err
	}
	_, err := f.mkdir(raw, dir)
	return err
}

// mkdir claims and makes the directory to, whose parent exists, with the mode of an
// implied directory.
func (f *filler) mkdir(raw, to string) (*node, error) {
	if f.dirCount++; f.dirCount > f.limits.Dirs {
		return nil, refuse(RuleCeiling, raw, "the prefix has more than %d directories", f.limits.Dirs)
	}
	mode := defaultMode(dir)
	n, err := f.claimLocked(raw, record.Entry{Path: to, Type: record.Dir, Mode: mode})
	if err != nil {
		return nil, err
	}
	parent, err := f.dirs.Get(path.Dir(to))
	if err != nil {
		return nil, err
	}
	return n, foldingError(parent.Mkdir(path.Base(to), mode), raw)
}

// removePlaced deletes a file or link that the archive has placed. Its name stays claimed,
// so that the order in which archives are unpacked does not matter.
func (f *filler) removePlaced(n *node) error {
	n.removed = true
	if n.Type == record.Link {
		return nil // not made yet
	}
	f.bytes -= n.Size
	if err := f.flush(); err != nil {
		return err
	}
	parent, err := f.dirs.Get(path.Dir(n.Path))
	if err != nil {
		return err
	}
	return parent.Remove(path.Base(n.Path))
}

// foldingError turns fs.ErrExist into an EntryError: no archive claimed the path, so the
// file system treats two different names as one.
func foldingError(err error, raw string) error {
	if errors.Is(err, fs.ErrExist) {
		return refuse(RuleFolded, raw, "its name is that of another entry on this file system")
	}
	return err
}
