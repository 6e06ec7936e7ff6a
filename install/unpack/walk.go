package unpack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strings"
	"syscall"

	"github.com/kist-tools/kist/install/record"
)

// A ChangedError says that what is in the prefix is not what was written to
// it: something else wrote there.
type ChangedError struct{ Path, Why string }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s changed while the prefix was filled: %s", e.Path, e.Why)
}

// resolve follows the link n through the tree as a kernel would, and refuses
// it where the way leaves the prefix or is too long. What does not exist, or
// is a file where a directory would have to be, is passed through lexically.
func (p *Prefix) resolve(n *node) error {
	var at []string // where the way has led so far; no link among them
	way := append(strings.Split(path.Dir(n.Path), "/"), strings.Split(n.Target, "/")...)
	for followed := 1; len(way) > 0; {
		element := way[0]
		way = way[1:]
		switch element {
		case "", ".":
			continue
		case "..":
			if len(at) == 0 {
				return n.blame(refuse(RuleTarget, "", "leads out through other links"))
			}
			at = at[:len(at)-1]
			continue
		}
		at = append(at, element)
		next := p.tree[strings.Join(at, "/")]
		if next == nil || next.Type != record.Link {
			continue
		}
		if followed++; followed > hops {
			return n.blame(refuse(RuleHops, "", "more than %d links on the way", hops))
		}
		at = at[:len(at)-1]
		way = append(strings.Split(next.Target, "/"), way...)
	}
	return nil
}

// walk compares the whole prefix on disk with the tree.
func (p *Prefix) walk(ctx context.Context) error {
	found, err := p.walkDir(ctx, p.root, ".")
	if err != nil {
		return err
	}
	if found == len(p.tree) {
		return nil
	}
	for name := range p.tree {
		if _, err := p.root.Lstat(name); err != nil {
			return &ChangedError{name, "it is missing"}
		}
	}
	return &ChangedError{".", "entries are missing"}
}

func (p *Prefix) walkDir(ctx context.Context, at *os.Root, dir string) (found int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	d, err := at.Open(".")
	if err != nil {
		return 0, err
	}
	names, err := d.Readdirnames(-1)
	d.Close()
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		n := p.tree[path.Join(dir, name)]
		if n == nil {
			return 0, &ChangedError{path.Join(dir, name), "it was not there"}
		}
		if err := p.compare(at, name, n); err != nil {
			return 0, err
		}
		found++
		if n.Type != record.Dir {
			continue
		}
		sub, err := at.OpenRoot(name)
		if err != nil {
			return 0, err
		}
		below, err := p.walkDir(ctx, sub, n.Path)
		sub.Close()
		if err != nil {
			return 0, err
		}
		found += below
	}
	return found, nil
}

// compare looks at one path again.
func (p *Prefix) compare(at *os.Root, name string, n *node) error {
	info, err := at.Lstat(name)
	if err != nil {
		return err
	}
	mode := info.Mode()
	switch {
	case n.Type == record.File && !mode.IsRegular(), n.Type == record.Dir && !mode.IsDir(),
		n.Type == record.Link && mode.Type() != fs.ModeSymlink:
		return &ChangedError{n.Path, fmt.Sprintf("it is %v, not a %s", mode, n.Type)}
	case n.Type == record.File && info.Size() != n.Size:
		return &ChangedError{n.Path, fmt.Sprintf("it has %d bytes, not %d", info.Size(), n.Size)}
	case n.Type != record.Link && mode.Perm() != n.Mode && runtime.GOOS != "windows":
		return &ChangedError{n.Path, fmt.Sprintf("its mode is %v, not %v", mode.Perm(), n.Mode)}
	}
	if n.Type != record.Link {
		return nil
	}
	target, err := at.Readlink(name)
	if err != nil {
		return err
	}
	if target != n.Target {
		return &ChangedError{n.Path, fmt.Sprintf("it leads to %q, not %q", target, n.Target)}
	}
	// os.Root follows fewer links than a kernel does; how many there are was
	// judged by resolve.
	_, err = p.root.Stat(n.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) && !errors.Is(err, syscall.ELOOP) {
		return n.blame(refuse(RuleTarget, "", "%v", err))
	}
	return nil
}
