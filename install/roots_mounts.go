package install

import (
	"fmt"
	"path"
	"strings"
)

// A mount is one line of the table of mounts: the directory root of the file
// system dev is shown at point.
type mount struct {
	id, parent  string
	dev         string // major:minor
	root, point string
}

// mounts is the table of mounts of one namespace.
type mounts struct {
	all []mount
	on  map[spot]int // which of all a directory is hidden by: the last
}

// A spot is a directory of a mount, where another may be.
type spot struct{ mount, dir string }

// nowhere is the mount that the outermost are on, several in a chroot.
const nowhere = ""

// parseMounts reads the table of mounts, proc_pid_mountinfo(5).
func parseMounts(table string) (mounts, error) {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`, `\043`, "#")
	var all []mount
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 5 {
			return mounts{}, fmt.Errorf("table of mounts: line %q is cut", line)
		}
		m := mount{id: f[0], parent: f[1], dev: f[2], root: unescape.Replace(f[3]), point: unescape.Replace(f[4])}
		if path.IsAbs(m.root) && path.IsAbs(m.point) { // not so: a namespace, such as net:[4026531840]
			all = append(all, m)
		}
	}
	listed := make(map[string]bool, len(all))
	for _, m := range all {
		listed[m.id] = true
	}
	on := make(map[spot]int, len(all))
	for n, m := range all {
		if m.parent == m.id || !listed[m.parent] {
			m.parent = nowhere
		}
		on[spot{m.parent, m.point}] = n
	}
	return mounts{all, on}, nil
}

// of returns the mount that real is seen through: the way down from "/", where at
// each directory a mount may hide what was there, and another that one.
func (ms mounts) of(real string) (at mount, ok bool) {
	passed := 0 // a table that is none of the kernel's may lead in a circle
	for _, dir := range ancestors(real) {
		for {
			n, found := ms.on[spot{at.id, dir}] // of no mount yet: nowhere
			if !found || passed == len(ms.all) {
				break
			}
			at, ok = ms.all[n], true
			passed++
		}
	}
	return at, ok
}

// names are those that the table gives to real besides: the same directory of the
// same file system, reached through each other mount that shows it.
func (ms mounts) names(real string) (names []string) {
	at, ok := ms.of(real)
	if !ok {
		return nil
	}
	inside := path.Join(at.root, real[len(strings.TrimSuffix(at.point, "/")):])
	for _, other := range ms.all {
		if other.id != at.id && other.dev == at.dev && within(inside, other.root) {
			names = append(names, path.Join(other.point, inside[len(strings.TrimSuffix(other.root, "/")):]))
		}
	}
	return names
}
