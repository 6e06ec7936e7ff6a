package unpack

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"strings"
	"syscall"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/record"
)

// A ChangedError says that what is in the prefix is not what was claimed to be
// written to it: something else wrote there.
type ChangedError struct{ Path, Why string }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s changed while the prefix was filled: %s", e.Path, e.Why)
}

// resolve follows the link c through the tree as a kernel would, and refuses
// it where the way leaves the prefix or is too long. What does not exist, or
// is a file where a directory would have to be, is passed through lexically;
// missing, if it is not nil, is told of what does not exist.
func (t *tree) resolve(c *Claim, missing func(name string) error) error {
	_, err := t.follow(c, path.Dir(c.Path)+"/"+c.Target, 1, missing)
	return err
}

// follow follows name from the top of the prefix, through links, of which followed
// were followed before, and returns where it ends. Its errors are about c.
func (t *tree) follow(c *Claim, name string, followed int, missing func(name string) error) (end string, err error) {
	var at []string // where the way has led so far; no link among them
	for way := strings.Split(name, "/"); len(way) > 0; {
		if t.steps.Add(1) > 2*t.limits.Steps { // each is followed twice
			return "", c.refuse(RuleCeiling, "the links of the prefix lead through more than %d elements", t.limits.Steps)
		}
		element := way[0]
		way = way[1:]
		switch element {
		case "", ".":
			continue
		case "..":
			if len(at) == 0 {
				return "", c.refuse(RuleTarget, "link that leaves the prefix through other links")
			}
			at = at[:len(at)-1]
			continue
		}
		at = append(at, element)
		name := strings.Join(at, "/")
		next := t.nodes[name]
		if next == nil && missing != nil {
			if err := missing(name); err != nil {
				return "", err
			}
		}
		if next == nil || next.Type != record.Link {
			continue
		}
		if followed++; followed > hops {
			return "", c.refuse(RuleHops, "link through more than %d others", hops)
		}
		at = at[:len(at)-1]
		way = append(strings.Split(next.Target, "/"), way...)
	}
	return strings.Join(at, "/"), nil
}

// maxWalkers is how many directories are walked at once: each holds its parents
// open.
const maxWalkers = 4

// walk compares the whole prefix on disk with the tree.
func (t *tree) walk() error {
	top, err := rootfs.OpenDir(t.root)
	if err != nil {
		return err
	}
	if t.stamped = top.KeepsStamps(); !t.stamped {
		return t.walkFrom(top)
	}
	began, err := rootfs.Clock(t.root)
	if err != nil {
		return errors.Join(err, top.Close())
	}
	if err := t.walkFrom(top); err != nil {
		return err
	}
	ended, err := rootfs.Clock(t.root)
	t.sealed = record.SealedAt(began, ended)
	return err
}

// walkFrom walks the directory top, which it closes, and all below it.
func (t *tree) walkFrom(top rootfs.Dir) error {
	t.walkers.SetLimit(min(maxWalkers, runtime.GOMAXPROCS(0)))
	err := t.walkDir(top, ".")
	if below := t.walkers.Wait(); err == nil {
		err = below
	}
	if err != nil {
		return err
	}
	if int(t.found.Load()) == len(t.nodes) {
		return nil
	}
	for name := range t.nodes {
		if _, err := t.root.Lstat(name); err != nil {
			return &ChangedError{name, "it is missing"}
		}
	}
	return &ChangedError{".", "entries are missing"}
}

// walkDir compares the directory dir, which is open as at, and closes it. What is
// below it is walked at the same time, as far as there are walkers.
func (t *tree) walkDir(at rootfs.Dir, dir string) error {
	defer at.Close()
	for {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		names, err := at.Names(1024) // a few at a time: there may be more than belong here
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		for _, name := range names {
			c := t.nodes[path.Join(dir, name)]
			if c == nil {
				return &ChangedError{path.Join(dir, name), "it was not there"}
			}
			if c.Type == record.Link && t.ctx.Err() != nil { // following it may take long
				return t.ctx.Err()
			}
			if err := t.compare(at, name, c); err != nil {
				return err
			}
			t.found.Add(1)
			if c.Type != record.Dir {
				continue
			}
			sub, err := at.Sub(name)
			if err != nil {
				return err
			}
			below := func() error { return t.walkDir(sub, c.Path) }
			if t.walkers.TryGo(below) {
				continue
			}
			if err := below(); err != nil {
				return err
			}
		}
	}
}

// compare looks at one path again, gives it its mode, and notes its stamp.
func (t *tree) compare(at rootfs.Dir, name string, c *Claim) error {
	info, err := at.Lstat(name)
	if err != nil {
		return err
	}
	mode := info.Mode
	switch {
	case c.Type == record.File && !mode.IsRegular(), c.Type == record.Dir && !mode.IsDir(),
		c.Type == record.Link && mode.Type() != fs.ModeSymlink:
		return &ChangedError{c.Path, fmt.Sprintf("it is %v, not a %s", mode, c.Type)}
	case c.Type == record.File && info.Size != c.Size:
		return &ChangedError{c.Path, fmt.Sprintf("it has %d bytes, not %d", info.Size, c.Size)}
	case c.Type != record.Link:
		if mode&^fs.ModeType != c.Mode && runtime.GOOS != "windows" {
			if err := at.Chmod(name, c.Mode); err != nil {
				return err
			}
			if info, err = at.Lstat(name); err != nil {
				return err
			}
		}
		if c.Type == record.File && t.stamped {
			c.Stamp = record.Stamp(info.Stamp)
		}
		return nil
	}
	target, err := at.Readlink(name)
	if err != nil {
		return err
	}
	if target != c.Target {
		return &ChangedError{c.Path, fmt.Sprintf("it leads to %q, not %q", target, c.Target)}
	}
	// A file system that folds names has some that the tree has not: a way that
	// resolve could not see.
	err = t.resolve(c, func(name string) error {
		if _, known := t.missing.LoadOrStore(name, true); known {
			return nil
		}
		if _, err := t.root.Lstat(name); err == nil {
			return c.refuse(RuleFolded, "link through %q, a name that this file system takes for another", name)
		}
		if t.absent.Add(1) > t.limits.Absent {
			return c.refuse(RuleCeiling, "the links of the prefix lead to more than %d names that do not exist", t.limits.Absent)
		}
		return t.ctx.Err()
	})
	if err != nil {
		return err
	}
	// os.Root follows fewer links than a kernel does; how many there are was
	// judged by resolve.
	_, err = t.root.Stat(c.Path)
	errno, system := errors.AsType[syscall.Errno](err)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errno == syscall.ENOTDIR, errno == syscall.ELOOP:
		return nil
	case system && errno != syscall.ENAMETOOLONG:
		return err // the disk's trouble, not the archive's
	}
	return c.refuse(RuleTarget, "link that cannot be followed: %v", err)
}
