package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kist-tools/kist/install/internal/rootfs"
)

// Host is who runs kist, as far as the judgement of directories depends on it.
type Host struct {
	EUID int
	Home string // that the user database gives EUID, "" if none; never $HOME
	// Caller is the user on whose behalf root acts (SUDO_UID, DOAS_USER or
	// PKEXEC_UID), or -1.
	Caller int
}

// A SystemPrefixError refuses a directory that belongs to the system.
type SystemPrefixError struct {
	Role string // which base: "data", "state", "cache", "config", "bin"
	Path string // as given
	Is   string // what it is, where that differs: the resolved path or another name of the same directory
	Rule string // the prefix it lies in
}

func (e *SystemPrefixError) Error() string {
	if e.Is != "" && e.Is != e.Path {
		return fmt.Sprintf("%s directory %s is %s, which belongs to the system (%s)", e.Role, e.Path, e.Is, e.Rule)
	}
	return fmt.Sprintf("%s directory %s belongs to the system (%s)", e.Role, e.Path, e.Rule)
}

// An UnsafeDirError refuses a directory that others control, or that lies where
// kist must not write.
type UnsafeDirError struct{ Role, Path, Why string }

func (e *UnsafeDirError) Error() string {
	return fmt.Sprintf("%s directory %s: %s", e.Role, e.Path, e.Why)
}

// A role is what one of the five base directories is for.
type role string

const (
	dataDir   role = "data"
	stateDir  role = "state"
	cacheDir  role = "cache"
	configDir role = "config"
	binDir    role = "bin"
)

// roots are the directories kist lives in, <base>/kist and the bin base itself,
// every one judged. Two of them may be the same directory: what kist keeps in
// each has names of its own.
type roots struct {
	bases map[role]string // as the user's environment names them
	host  Host
	dirs  map[role]*os.Root // those that exist
}

// openRoots judges the directories of d, all of them before anything else, and
// opens those that exist. It creates nothing. What is doubtful but no ground for
// refusal is told to warn. Errors are *SystemPrefixError, *UnsafeDirError, or of
// the file system.
func openRoots(d Dirs, h Host, warn func(string)) (*roots, error) {
	r := &roots{
		bases: map[role]string{dataDir: d.Data, stateDir: d.State, cacheDir: d.Cache, configDir: d.Config, binDir: d.Bin},
		host:  h,
		dirs:  make(map[role]*os.Root),
	}
	m, err := thisMachine()
	if err != nil {
		return nil, err
	}
	told := make(map[string]bool)
	places := make(map[role]place)
	for _, which := range []role{dataDir, stateDir, cacheDir, configDir, binDir} {
		p, err := m.judgeBase(which, r.bases[which], h)
		if err != nil {
			return nil, err
		}
		for _, text := range p.warnings {
			if !told[text] {
				warn(text)
			}
			told[text] = true
		}
		places[which] = p
	}
	for which, p := range places {
		if !p.exists() {
			continue
		}
		if r.dirs[which], err = openJudged(which, p); err != nil {
			delete(r.dirs, which)
			return nil, errors.Join(err, r.close())
		}
	}
	return r, nil
}

// open returns the directory of a role, or nil while it does not exist.
func (r *roots) open(which role) *os.Root { return r.dirs[which] }

// close closes what is open; everything may be created anew afterwards.
func (r *roots) close() error {
	var errs []error
	for _, dir := range r.dirs {
		errs = append(errs, dir.Close())
	}
	clear(r.dirs)
	return errors.Join(errs...)
}

// create returns the directory of a role and makes it if it is missing, with
// those above it that are. made are the absolute paths of the directories it
// made, outermost first, also with an error. Everything is judged again, since
// time has passed.
func (r *roots) create(which role) (dir *os.Root, made []string, err error) {
	if dir := r.dirs[which]; dir != nil {
		return dir, nil, nil
	}
	before, err := r.judge(which)
	if err != nil {
		return nil, nil, err
	}
	above, err := openJudged(which, before)
	if err != nil {
		return nil, nil, err
	}
	if before.exists() {
		r.dirs[which] = above
		return above, nil, nil
	}
	defer above.Close()
	missing, err := filepath.Rel(before.at, before.real)
	if err != nil {
		return nil, nil, err
	}
	made, err = makeMissing(above, filepath.ToSlash(missing), which)
	for i, name := range made {
		made[i] = filepath.Join(before.at, filepath.FromSlash(name))
	}
	if err != nil {
		return nil, made, fmt.Errorf("%s directory %s: %w", which, before.given, err)
	}
	after, err := r.judge(which)
	if err != nil {
		return nil, made, err
	}
	if after.real != before.real || !after.exists() {
		return nil, made, &UnsafeDirError{string(which), before.given, "it changed while kist was making it"}
	}
	if dir, err = openJudged(which, after); err != nil {
		return nil, made, err
	}
	r.dirs[which] = dir
	return dir, made, nil
}

func (r *roots) judge(which role) (place, error) {
	m, err := thisMachine()
	if err != nil {
		return place{}, err
	}
	return m.judgeBase(which, r.bases[which], r.host)
}

// makeMissing makes what only this user may enter, but for the bin directory,
// whose commands other users may run.
func makeMissing(above *os.Root, name string, which role) (made []string, err error) {
	if which != binDir {
		return rootfs.MkdirAll(above, name, 0o700)
	}
	made, err = rootfs.MkdirAll(above, filepath.ToSlash(filepath.Dir(name)), 0o700)
	if err != nil {
		return made, err
	}
	last, err := rootfs.MkdirAll(above, name, 0o755)
	return append(made, last...), err
}

// openJudged opens the directory that p was judged by. From here on the handle is
// the only way in: it is the very directory that was judged, or an error.
func openJudged(which role, p place) (*os.Root, error) {
	dir, err := os.OpenRoot(p.at)
	if err != nil {
		return nil, fmt.Errorf("%s directory %s: %w", which, p.given, err)
	}
	info, err := dir.Stat(".")
	if err == nil && !os.SameFile(info, p.node.info) {
		err = &UnsafeDirError{string(which), p.given, "it changed while kist looked at it"}
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}

// A place is where a directory that was judged is, or will be.
type place struct {
	given    string
	real     string // links resolved as far as it exists, the rest appended
	at       string // real, or the nearest directory above it that exists
	node     node   // of at
	warnings []string
}

func (p place) exists() bool { return p.at == p.real }

// judgeBase judges one base directory and kist's own directory in it, of which
// it returns the place; for "bin" they are the same.
func (m *machine) judgeBase(which role, base string, h Host) (place, error) {
	outer, err := m.judgePath(which, base, h)
	if err != nil {
		return place{}, err
	}
	if which == binDir {
		return outer, m.judgeOwner(which, outer, h)
	}
	own, err := m.judgePath(which, filepath.Join(base, "kist"), h)
	if err != nil {
		return place{}, err
	}
	own.warnings = append(outer.warnings, own.warnings...)
	if err := m.judgeOwner(which, own, h); err != nil {
		return place{}, err
	}
	if outer.exists() && outer.node.uid == 0 && own.exists() {
		return own, nil // such as /opt, where an administrator made /opt/kist for this user
	}
	return own, m.judgeOwner(which, outer, h)
}

// judgePath judges where a directory lies, under every name it has here, and who
// can write to it and above it.
func (m *machine) judgePath(which role, given string, h Host) (place, error) {
	unsafe := func(format string, args ...any) (place, error) {
		return place{}, &UnsafeDirError{string(which), given, fmt.Sprintf(format, args...)}
	}
	if given == "" {
		return unsafe("it is empty")
	}
	if !m.isAbs(given) {
		return unsafe("it is not absolute")
	}
	p := place{given: given}
	var err error
	if p.real, err = m.resolve(given); err == nil {
		p.at, p.node, err = m.nearest(p.real)
	}
	if errors.Is(err, fs.ErrPermission) {
		return place{}, fmt.Errorf("%s directory %s: %w", which, given, err)
	}
	if err != nil {
		return unsafe("%v", err)
	}
	for i, name := range m.names(p.real) {
		c := claim{name: name, missing: p.real[len(p.at):], alias: i > 0, host: h, uid: p.node.uid}
		if rule := m.systemPrefix(c); rule != "" {
			return place{}, &SystemPrefixError{Role: string(which), Path: given, Is: name, Rule: rule}
		}
		if within := insideToolchain(name); within != "" {
			return unsafe("it lies inside %s, which kist fills itself", within)
		}
	}
	if !p.node.mode.IsDir() {
		return unsafe("%s is not a directory", p.at)
	}
	if !m.hasOwners() {
		return p, nil
	}
	if p.exists() && p.node.mode&0o002 != 0 {
		return unsafe("it can be written by everyone (mode %04o)", p.node.mode.Perm())
	}
	p.warnings, err = m.openToAll(which, p)
	return p, err
}

// judgeOwner asks whose p is. What does not exist will be the effective user's;
// but root must not leave things of its own in the home of its caller.
func (m *machine) judgeOwner(which role, p place, h Host) error {
	owner := p.node.uid
	switch {
	case !m.hasOwners() || owner == h.EUID:
		return nil
	case h.EUID == 0 && owner != h.Caller:
		return nil
	case h.EUID == 0:
		return &UnsafeDirError{string(which), p.given, fmt.Sprintf("%s belongs to user %d, who called kist through root", p.at, owner)}
	case !p.exists():
		return nil
	}
	return &UnsafeDirError{string(which), p.given, fmt.Sprintf("it belongs to user %d, not to user %d", owner, h.EUID)}
}

// openToAll warns of every directory above p in which anyone may rename things.
func (m *machine) openToAll(which role, p place) (warnings []string, err error) {
	for _, dir := range ancestors(p.at) {
		if dir == p.real {
			continue
		}
		n, err := m.lstat(dir)
		if err != nil {
			return nil, fmt.Errorf("%s directory %s: %w", which, p.given, err)
		}
		if n.mode&0o002 != 0 && n.mode&fs.ModeSticky == 0 {
			warnings = append(warnings, fmt.Sprintf("%s can be written by everyone, and what kist installs lies in it", dir))
		}
	}
	return warnings, nil
}
