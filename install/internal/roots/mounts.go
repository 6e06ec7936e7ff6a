package roots

import (
	"fmt"
	"path"
	"strings"
)

// A mount is one line of the mount table: the directory root of the file system dev
// is mounted at point.
type mount struct {
	id, parent  string
	dev         string // major:minor
	root, point string
}

// mounts is the mount table of one namespace.
type mounts struct {
	all []mount
	on  map[spot]int // index of the last mount on a directory, which hides it
}

// A spot is a directory of a mount, on which another mount may be.
type spot struct{ mount, dir string }

// nowhere is the parent of the outermost mounts; in a chroot there are several.
const nowhere = ""

// parseMounts parses the mount table, proc_pid_mountinfo(5).
func parseMounts(table string) (mounts, error) {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`, `\043`, "#")
	var all []mount
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 5 {
			return mounts{}, fmt.Errorf("mount table: line %q has too few fields", line)
		}
		m := mount{id: f[0], parent: f[1], dev: f[2], root: unescape.Replace(f[3]), point: unescape.Replace(f[4])}
		if path.IsAbs(m.root) && path.IsAbs(m.point) { // else it is a namespace, such as net:[4026531840]
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

// mountOf returns the mount through which real is seen. It walks down from "/": at each
// directory, a mount may hide the directory, and another mount may hide that one.
func (ms mounts) mountOf(real string) (at mount, ok bool) {
	passed := 0 // a table that is not from the kernel may contain a cycle
	for _, dir := range ancestors(real) {
		for {
			n, found := ms.on[spot{at.id, dir}] // at is nowhere at first
			if !found || passed == len(ms.all) {
				break
			}
			at, ok = ms.all[n], true
			passed++
		}
	}
	return at, ok
}

// names returns the other names of real: the same directory of the same file system,
// through each other mount that contains it.
func (ms mounts) names(real string) (names []string) {
	at, ok := ms.mountOf(real)
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
