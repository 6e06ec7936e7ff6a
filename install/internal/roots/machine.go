package roots

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A machine is the part of the system that the checks of directories use, so that a
// test can describe any system as data.
type machine struct {
	goos     string
	lstat    func(name string) (node, error)
	readlink func(name string) (string, error)
	mounts   mounts // of this mount namespace; empty if the system has no mount table
	// final resolves a path with a function of the system; nil on Unix, where
	// resolve uses lstat and readlink.
	final func(name string) (string, error)
}

// A node is the result of lstat. dev and ino are zero if the system has none.
type node struct {
	mode     fs.FileMode
	uid, gid int
	dev, ino uint64
	info     fs.FileInfo // for os.SameFile
}

func (n node) openToAll() bool { return n.mode&0o002 != 0 }

func (n node) openToGroup() bool { return n.mode&0o020 != 0 }

// cacheLstat makes m call lstat only once for each path: most of the five directories
// have the same parents. What is below a missing directory is missing too, even if another
// process has made both meanwhile: a path must not exist in a directory that does not.
// Directories that are opened later are compared with the result.
func (m *machine) cacheLstat() {
	type seen struct {
		node node
		err  error
	}
	look, known := m.lstat, map[string]seen{}
	m.lstat = func(name string) (node, error) {
		for at := name; ; at = filepath.Dir(at) {
			if s, ok := known[at]; ok && (at == name || errors.Is(s.err, fs.ErrNotExist)) {
				return s.node, s.err
			}
			if at == filepath.Dir(at) {
				break
			}
		}
		n, err := look(name)
		known[name] = seen{n, err}
		return n, err
	}
}

// hasOwners reports whether lstat returns the owner and the permissions of a file.
func (m *machine) hasOwners() bool { return m.goos != "windows" }

// listSeparator returns the separator of the entries of PATH.
func (m *machine) listSeparator() string {
	if m.goos == "windows" {
		return ";"
	}
	return ":"
}

// resolve resolves the links of the existing part of name as the system would, and
// appends the rest: a dangling link resolves to its target.
func (m *machine) resolve(name string) (string, error) {
	real, _, err := m.resolveLinks(name)
	return real, err
}

// resolveLinks is resolve, and returns the paths of the links that it followed, each with
// the links above it resolved. On Windows it returns none.
func (m *machine) resolveLinks(name string) (real string, links []string, err error) {
	if m.final != nil {
		real, err = m.final(name)
		return real, nil, err
	}
	const maxLinks = 40 // as on Linux
	missing := false
	real = "/"
	for pending := strings.Split(name, "/"); len(pending) > 0; {
		element := pending[0]
		pending = pending[1:]
		switch {
		case element == "" || element == ".":
			continue
		case element == ".." && missing:
			return "", nil, fmt.Errorf("it goes up from %s, which does not exist", real)
		case element == "..":
			real = path.Dir(real)
			continue
		}
		next := path.Join(real, element)
		if missing {
			real = next
			continue
		}
		n, err := m.lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = true
		case err != nil:
			return "", nil, err
		case n.mode&fs.ModeSymlink != 0:
			if links = append(links, next); len(links) > maxLinks {
				return "", nil, fmt.Errorf("%s: too many links", next)
			}
			target, err := m.readlink(next)
			if err != nil {
				return "", nil, err
			}
			if path.IsAbs(target) {
				real = "/"
			}
			pending = append(strings.Split(target, "/"), pending...)
			continue
		case !n.mode.IsDir() && len(pending) > 0:
			return "", nil, fmt.Errorf("%s is not a directory", next)
		}
		real = next
	}
	return real, links, nil
}

// nearest returns real, or the nearest path above it that exists.
func (m *machine) nearest(real string) (string, node, error) {
	for at := real; ; at = filepath.Dir(at) {
		n, err := m.lstat(at)
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return at, n, err
		}
	}
}

// A landmark is a directory of the system.
type landmark struct {
	name string
	node node
}

// landmarks returns the existing directories of the system, with links resolved.
func (m *machine) landmarks() (found []landmark) {
	for _, name := range slices.Concat(wellKnown, unixPrefixes, macPrefixes) {
		real, err := m.resolve(name)
		if err != nil {
			continue
		}
		if n, err := m.lstat(real); err == nil {
			found = append(found, landmark{name, n})
		}
	}
	return found
}
