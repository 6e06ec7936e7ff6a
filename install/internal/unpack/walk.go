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

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// ErrChanged is returned when the prefix on disk differs from the claims, because
// something else wrote to it.
var ErrChanged = errors.New("changed while the prefix was filled")

func changed(name, format string, args ...any) error {
	return fmt.Errorf("%s %w: %s", name, ErrChanged, fmt.Sprintf(format, args...))
}

// resolve follows the link c through the tree as a kernel would, and refuses it if its
// path leaves the prefix or has too many links. An element that does not exist, or
// that is a file where a directory is needed, is followed lexically. If missing is not
// nil, it is called for each path that does not exist.
func (t *tree) resolve(c *Claim, missing func(name string) error) error {
	_, err := t.follow(c, path.Dir(c.Path)+"/"+c.Target, 1, missing)
	return err
}

// follow follows name from the top of the prefix, through links, and returns the path
// where it ends. followed is the number of links followed before. Errors name c.
func (t *tree) follow(c *Claim, name string, followed int, missing func(name string) error) (end string, err error) {
	var reached []string // the elements followed so far, none of them a link
	for rest := strings.Split(name, "/"); len(rest) > 0; {
		if t.steps.Add(1) > 2*t.limits.Steps { // each link is followed twice
			return "", c.refuse(RuleCeiling, "the links of the prefix lead through more than %d elements", t.limits.Steps)
		}
		element := rest[0]
		rest = rest[1:]
		switch element {
		case "", ".":
			continue
		case "..":
			if len(reached) == 0 {
				return "", c.refuse(RuleTarget, "link that leaves the prefix through other links")
			}
			reached = reached[:len(reached)-1]
			continue
		}
		reached = append(reached, element)
		name := strings.Join(reached, "/")
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
		reached = reached[:len(reached)-1]
		rest = append(strings.Split(next.Target, "/"), rest...)
	}
	return strings.Join(reached, "/"), nil
}

// maxWalkers is how many directories are walked at once. It is small because each keeps
// its parents open.
const maxWalkers = 4

// walk compares the whole prefix on disk with the tree, sets modes and reads stamps.
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

// walkFrom walks the directory top and everything below it, and closes top.
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
			return changed(name, "it is missing")
		}
	}
	return changed(".", "entries are missing")
}

// walkDir compares the directory dir, open as handle, with the tree, and closes it. It
// walks subdirectories concurrently while there are free walkers.
func (t *tree) walkDir(handle rootfs.Dir, dir string) error {
	defer handle.Close()
	for {
		if err := t.ctx.Err(); err != nil {
			return err
		}
		names, err := handle.Names(1024) // in batches: there may be any number of foreign names
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		for _, name := range names {
			c := t.nodes[path.Join(dir, name)]
			if c == nil {
				return changed(path.Join(dir, name), "unexpected entry")
			}
			if c.Type == record.Link && t.ctx.Err() != nil { // following it may take long
				return t.ctx.Err()
			}
			if err := t.compare(handle, name, c); err != nil {
				return err
			}
			t.found.Add(1)
			if c.Type != record.Dir {
				continue
			}
			sub, err := handle.Sub(name)
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

// compare compares one path on disk with its claim, sets its mode, and reads its stamp.
func (t *tree) compare(parent rootfs.Dir, name string, c *Claim) error {
	info, err := parent.Lstat(name)
	if err != nil {
		return err
	}
	mode := info.Mode
	switch {
	case c.Type == record.File && !mode.IsRegular(), c.Type == record.Dir && !mode.IsDir(),
		c.Type == record.Link && mode.Type() != fs.ModeSymlink:
		return changed(c.Path, "it is %v, not a %s", mode, c.Type)
	case c.Type == record.File && info.Size != c.Size:
		return changed(c.Path, "it has %d bytes, not %d", info.Size, c.Size)
	case c.Type != record.Link:
		if mode&^fs.ModeType != c.Mode && runtime.GOOS != "windows" {
			if err := parent.Chmod(name, c.Mode); err != nil {
				return err
			}
			if info, err = parent.Lstat(name); err != nil {
				return err
			}
		}
		if c.Type == record.File && t.stamped {
			c.Stamp = record.Stamp(info.Stamp)
		}
		return nil
	}
	target, err := parent.Readlink(name)
	if err != nil {
		return err
	}
	if target != c.Target {
		return changed(c.Path, "it leads to %q, not %q", target, c.Target)
	}
	// On a file system that folds names, a name can exist on disk that is not in the
	// tree, and makeLinks could not see where it leads.
	err = t.resolve(c, func(name string) error {
		if _, known := t.missing.LoadOrStore(name, true); known {
			return nil
		}
		if _, err := t.root.Lstat(name); err == nil {
			return c.refuse(RuleFolded, "link through %q, which is another name on this file system", name)
		}
		if t.absent.Add(1) > t.limits.Absent {
			return c.refuse(RuleCeiling, "the links of the prefix lead to more than %d names that do not exist", t.limits.Absent)
		}
		return t.ctx.Err()
	})
	if err != nil {
		return err
	}
	// os.Root follows fewer links than a kernel does. resolve has checked their
	// number, so ELOOP is ignored here.
	_, err = t.root.Stat(c.Path)
	errno, system := errors.AsType[syscall.Errno](err)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errno == syscall.ENOTDIR, errno == syscall.ELOOP:
		return nil
	case system && errno != syscall.ENAMETOOLONG:
		return err // a fault of the disk, not of the archive
	}
	return c.refuse(RuleTarget, "link that cannot be followed: %v", err)
}
