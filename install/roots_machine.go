package install

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A machine is what the judgement of directories sees of the system, so that a
// test can describe any system as data.
type machine struct {
	goos     string
	lstat    func(name string) (node, error)
	readlink func(name string) (string, error)
	mounts   []mount // of this mount namespace; none where the system has no table
	// final resolves a path by the system's own means; nil on Unix, where
	// lstat and readlink serve.
	final func(name string) (string, error)
}

// A node is what lstat says of a file. dev and ino are zero where the system has none.
type node struct {
	mode     fs.FileMode
	uid      int
	dev, ino uint64
	info     fs.FileInfo // for os.SameFile
}

func (n node) openToAll() bool { return n.mode&0o002 != 0 }

// remember makes m look at each path once: the five directories lie mostly behind
// the same ones. A judgement is of one moment, and what is opened afterwards is
// compared with it.
func (m *machine) remember() {
	type seen struct {
		node node
		err  error
	}
	look, known := m.lstat, map[string]seen{}
	m.lstat = func(name string) (node, error) {
		s, ok := known[name]
		if !ok {
			s.node, s.err = look(name)
			known[name] = s
		}
		return s.node, s.err
	}
}

// hasOwners reports whether lstat says whose a file is and who may write to it.
func (m *machine) hasOwners() bool { return m.goos != "windows" }

// resolve follows every link of name as the system would, as far as it exists,
// and appends the rest: a dangling link resolves to the path it points to.
func (m *machine) resolve(name string) (string, error) {
	if m.final != nil {
		return m.final(name)
	}
	const maxLinks = 40 // as Linux
	links, real, missing := 0, "/", false
	for pending := strings.Split(name, "/"); len(pending) > 0; {
		element := pending[0]
		pending = pending[1:]
		switch {
		case element == "" || element == ".":
			continue
		case element == ".." && missing:
			return "", fmt.Errorf("it goes up from %s, which does not exist", real)
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
			return "", err
		case n.mode&fs.ModeSymlink != 0:
			if links++; links > maxLinks {
				return "", fmt.Errorf("%s: too many links", next)
			}
			target, err := m.readlink(next)
			if err != nil {
				return "", err
			}
			if path.IsAbs(target) {
				real = "/"
			}
			pending = append(strings.Split(target, "/"), pending...)
			continue
		case !n.mode.IsDir() && len(pending) > 0:
			return "", fmt.Errorf("%s is not a directory", next)
		}
		real = next
	}
	return real, nil
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

// landmarks are the directories of the system that exist, links resolved.
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

// A mount is one line of the table of mounts: the directory root of the file
// system dev is shown at point.
type mount struct {
	id, parent  string
	dev         string // major:minor
	root, point string
}

// parseMounts reads the table of mounts, proc_pid_mountinfo(5).
func parseMounts(table string) ([]mount, error) {
	var mounts []mount
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 5 {
			return nil, fmt.Errorf("table of mounts: line %q is cut", line)
		}
		m := mount{id: f[0], parent: f[1], dev: f[2], root: unescape.Replace(f[3]), point: unescape.Replace(f[4])}
		if path.IsAbs(m.root) && path.IsAbs(m.point) { // not so: a namespace, such as net:[4026531840]
			mounts = append(mounts, m)
		}
	}
	return mounts, nil
}

var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`, `\043`, "#")

// mountNames are the names that the table of mounts gives to real besides: the
// same directory of the same file system, reached through each other mount that
// shows it.
func (m *machine) mountNames(real string) (names []string) {
	at, ok := m.mountOf(real)
	if !ok {
		return nil
	}
	inside := path.Join(at.root, real[len(strings.TrimSuffix(at.point, "/")):])
	for _, other := range m.mounts {
		if other.id != at.id && other.dev == at.dev && within(inside, other.root) {
			names = append(names, path.Join(other.point, inside[len(strings.TrimSuffix(other.root, "/")):]))
		}
	}
	return names
}

// mountOf returns the mount that real is seen through: the way down from "/",
// where at each directory a mount may hide what was there, and another that one.
func (m *machine) mountOf(real string) (at mount, ok bool) {
	type spot struct{ parent, point string }
	const unlisted = "" // the parent of the outermost mounts: of several in a chroot
	ids := make(map[string]bool, len(m.mounts))
	for _, mt := range m.mounts {
		ids[mt.id] = true
	}
	on := make(map[spot]mount, len(m.mounts))
	for _, mt := range m.mounts {
		if mt.parent == mt.id || !ids[mt.parent] {
			mt.parent = unlisted
		}
		on[spot{mt.parent, mt.point}] = mt
	}
	for _, dir := range ancestors(real) {
		for {
			here := spot{at.id, dir} // of no mount yet: unlisted
			next, found := on[here]
			if !found {
				break
			}
			at, ok = next, true
			delete(on, here)
		}
	}
	return at, ok
}
