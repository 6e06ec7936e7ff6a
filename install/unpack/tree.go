package unpack

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/kist-tools/kist/install/record"
)

// What is here keeps the tree that all archives of a prefix share. Names are
// made on disk in the same breath as they are claimed only where others may go
// on from them at once: directories.

// count takes one from the ceiling on entries.
func (p *Prefix) count(raw string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.countOne(raw)
}

func (p *Prefix) countOne(raw string) error {
	if p.entries++; p.entries > p.limits.Entries {
		return refuse(RuleCeiling, raw, "the prefix has more than %d entries", p.limits.Entries)
	}
	return nil
}

// own is what this archive claimed at to, nil if it did not.
func (f *filler) own(to string) *node {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.tree[to]; n != nil && n.from == f.origin {
		return n
	}
	return nil
}

// claim enters e, a file or a link, in the tree, where no archive may have put
// anything yet.
func (f *filler) claim(raw string, e record.Entry) (*node, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.enter(raw, e)
}

func (f *filler) enter(raw string, e record.Entry) (*node, error) {
	if have := f.tree[e.Path]; have != nil {
		if f.before(have.from) {
			return nil, have.after(f.origin, e.Type)
		}
		return nil, refuse(RuleOnce, raw, "%s", f.taken(have))
	}
	if e.Size > f.limits.Bytes-f.bytes {
		return nil, refuse(RuleCeiling, raw, "the files of the prefix have more than %d bytes", f.limits.Bytes)
	}
	if f.names += int64(len(e.Path) + len(raw) + len(e.Target)); f.names > f.limits.Names {
		return nil, refuse(RuleCeiling, raw, "the names of the prefix have more than %d bytes", f.limits.Names)
	}
	f.bytes += e.Size
	n := &node{Entry: e, from: f.origin, raw: raw}
	f.tree[e.Path] = n
	return n, nil
}

// taken says what has the place of an entry.
func (f *filler) taken(have *node) string {
	switch {
	case have.from != f.origin:
		return have.from.name + " has it too"
	case have.Type == record.Dir:
		return "it is a directory as well"
	}
	return fmt.Sprintf("it would take the place of %q", have.raw)
}

// after refuses n, whose archive comes after first, though it was quicker: what
// would have been found had first come before it.
func (n *node) after(first *origin, what record.Type) error {
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

// directory places a directory that is listed: its mode counts, the last if
// it is listed again.
func (f *filler) directory(raw, to string, mode fs.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.listed(raw, to)
	if err == nil && (n.last == nil || !f.before(n.last)) {
		n.Mode, n.last = mode.Perm()&^0o022|0o700, f.origin
	}
	return err
}

// listed makes the directory to because the archive lists it, and states no
// mode for it.
func (f *filler) listed(raw, to string) (*node, error) {
	if err := f.lead(raw, path.Dir(to)); err != nil {
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
		return nil, n.after(f.origin, record.Dir)
	case n.Type != record.Dir:
		return nil, refuse(RuleOnce, raw, "it is a directory and a %s", n.Type)
	}
	if n.first == nil || f.before(n.first) {
		n.first = f.origin
	}
	return n, nil
}

// parents makes the directories that lead to dir, and dir, where they are missing.
func (f *filler) parents(raw, dir string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lead(raw, dir)
}

func (f *filler) lead(raw, dir string) error {
	if dir == "." {
		return nil
	}
	if n := f.tree[dir]; n != nil {
		switch {
		case n.Type == record.Dir:
			return nil
		case f.before(n.from):
			return n.after(f.origin, record.Dir)
		}
		return refuse(RuleBelow, raw, "entry below %q, which is a %s", dir, n.Type)
	}
	if err := f.lead(raw, path.Dir(dir)); err != nil {
		return err
	}
	if err := f.countOne(raw); err != nil {
		return err
	}
	_, err := f.mkdir(raw, dir)
	return err
}

// mkdir claims and makes the directory to, whose parent exists, for now with
// the mode of one that is implied.
func (f *filler) mkdir(raw, to string) (*node, error) {
	if f.dirCount++; f.dirCount > f.limits.Dirs {
		return nil, refuse(RuleCeiling, raw, "the prefix has more than %d directories", f.limits.Dirs)
	}
	mode := unproved(dir)
	n, err := f.enter(raw, record.Entry{Path: to, Type: record.Dir, Mode: mode})
	if err != nil {
		return nil, err
	}
	at, err := f.dirs.at(path.Dir(to))
	if err != nil {
		return nil, err
	}
	return n, folded(at.Mkdir(path.Base(to), mode), raw)
}

// takeBack removes a file or link that the archive has placed. Its name stays
// taken, so that it does not matter whether another archive that has it comes
// before or after.
func (f *filler) takeBack(n *node) error {
	n.gone = true
	if n.Type == record.Link {
		return nil // not made yet
	}
	f.bytes -= n.Size
	if err := f.written(); err != nil {
		return err
	}
	at, err := f.dirs.at(path.Dir(n.Path))
	if err != nil {
		return err
	}
	return at.Remove(path.Base(n.Path))
}

// folded turns "exists already", said of a path that no archive claimed, into
// the rule it breaks: the file system holds two different names for one.
func folded(err error, raw string) error {
	if errors.Is(err, fs.ErrExist) {
		return refuse(RuleFolded, raw, "this file system takes its name for that of another entry")
	}
	return err
}
