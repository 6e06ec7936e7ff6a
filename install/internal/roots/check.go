package roots

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// A dirChecker decides for one user on one machine which directories kist may use.
type dirChecker struct {
	machine
	host   Host
	strict bool       // nobody but root and the user may be able to change or replace a directory
	system []landmark // the system's directories on this machine
	homes  []string   // every name of the home in the user database
}

func newDirChecker(m machine, h Host) *dirChecker {
	d := &dirChecker{machine: m, host: h}
	if d.hasOwners() {
		d.system = m.landmarks()
		d.homes = d.homeNames()
	}
	return d
}

// hostChecker returns the checker for this machine.
func hostChecker(h Host) (*dirChecker, error) {
	m, err := thisMachine()
	if err != nil {
		return nil, err
	}
	m.cacheLstat()
	return newDirChecker(m, h), nil
}

func (r *Roots) dirChecker() (*dirChecker, error) {
	d, err := hostChecker(r.o.Host)
	if err == nil {
		d.strict = r.o.ReadOnly
	}
	return d, err
}

// A place is where a checked directory is, or will be.
type place struct {
	given    string
	real     string // links resolved as far as it exists, the rest appended
	at       string // real, or the nearest directory above it that exists
	node     node   // of at
	above    []node // of the directories on the way to at, "/" first; none on Windows
	links    []node // of the links that given leads through, and of the directories above them
	warnings []string
	// readOnly is the reason why kist may only read: an *OwnerError, or nil.
	readOnly error
}

func (p place) exists() bool { return p.at == p.real }

// missing returns the directories that must be made for p, outermost first.
func (p place) missing() (dirs []string) {
	for dir := p.real; dir != p.at; dir = filepath.Dir(dir) {
		dirs = append(dirs, dir)
	}
	slices.Reverse(dirs)
	return dirs
}

// checkBase checks one base directory and kist's own directory in it, and returns the
// place of the latter; for the bin directory the two are the same.
func (d *dirChecker) checkBase(which Role, base string) (place, error) {
	outer, err := d.checkPath(which, base)
	if err != nil {
		return place{}, err
	}
	if which == Bin {
		outer.readOnly, err = d.checkOwner(which, outer)
		return outer, err
	}
	own, err := d.checkPath(which, filepath.Join(base, "kist"))
	if err != nil {
		return place{}, err
	}
	own.warnings = append(outer.warnings, own.warnings...)
	if own.readOnly, err = d.checkOwner(which, own); err != nil {
		return place{}, err
	}
	if outer.exists() && outer.node.uid == 0 && own.exists() {
		return own, nil // such as /opt, where an administrator made /opt/kist for this user
	}
	readOnly, err := d.checkOwner(which, outer)
	if own.readOnly == nil {
		own.readOnly = readOnly
	}
	return own, err
}

// checkPath checks where a directory lies, under each of its names on this machine, and
// who can write to it and to the directories above it.
func (d *dirChecker) checkPath(which Role, given string) (place, error) {
	unsafe := func(format string, args ...any) (place, error) {
		return place{}, &UnsafeDirError{string(which), given, fmt.Sprintf(format, args...)}
	}
	switch {
	case given == "":
		return unsafe("it is empty")
	case !filepath.IsAbs(given):
		return unsafe("it is not absolute")
	case strings.Contains(given, d.listSeparator()):
		return place{}, &SeparatorError{string(which), given, d.listSeparator()}
	}
	p, err := d.find(given)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EIO) { // it is not known whether the directory is safe
		return place{}, fmt.Errorf("%s directory %s: %w", which, given, err)
	}
	if err != nil {
		return unsafe("%v", err)
	}
	for i, name := range d.names(p.real) {
		c := claim{name: name, missing: p.real[len(p.at):], alias: i > 0, uid: p.node.uid}
		if rule := d.systemPrefix(c); rule != "" {
			return place{}, &SystemPrefixError{Role: string(which), Path: given, Is: name, Rule: rule}
		}
		if inside := insideToolchain(name); inside != "" {
			return unsafe("it lies inside %s, which only kist itself fills", inside)
		}
	}
	switch {
	case !p.node.mode.IsDir():
		return unsafe("%s is not a directory", p.at)
	case !d.hasOwners():
		return p, nil
	case p.exists() && p.node.openToAll():
		return unsafe("it can be written by everyone (mode %04o)", p.node.mode.Perm())
	}
	if p.exists() && p.node.openToGroup() && p.node.gid != d.host.PrivateGroup {
		p.warnings = append(p.warnings, fmt.Sprintf("%s can be written by its group (id %d), and so by others than you; chmod g-w %s ends that", p.at, p.node.gid, p.at))
	}
	return p, d.lookAbove(which, &p)
}

func (d *dirChecker) find(given string) (p place, err error) {
	p.given = given
	var links []string
	if p.real, links, err = d.resolveLinks(given); err == nil {
		p.at, p.node, err = d.nearest(p.real)
	}
	for _, link := range links {
		for _, name := range ancestors(link) {
			n, failed := d.lstat(name)
			if failed != nil {
				return p, failed
			}
			if n.mode&fs.ModeSymlink != 0 {
				n.mode &^= fs.ModePerm // the system ignores it
			}
			p.links = append(p.links, n)
		}
	}
	return p, err
}

// lookAbove records the directories above p. It adds a warning for each in which anyone
// can replace one of kist's directories.
func (d *dirChecker) lookAbove(which Role, p *place) error {
	for _, dir := range ancestors(p.at) {
		if dir == p.real {
			continue
		}
		n, err := d.lstat(dir)
		if err != nil {
			return fmt.Errorf("%s directory %s: %w", which, p.given, err)
		}
		if dir != p.at {
			p.above = append(p.above, n)
		}
		if n.openToAll() && n.mode&fs.ModeSticky == 0 {
			p.warnings = append(p.warnings, fmt.Sprintf("%s can be written by everyone: any user of this machine can replace what kist keeps below it", dir))
		}
	}
	return nil
}

// checkOwner checks the owner of p. A missing directory will belong to the effective user,
// but root must not leave files of root's in the home of the user who called it. If
// p belongs to root and nobody else can write to it, checkOwner returns an *OwnerError as
// readOnly: kist may read p.
func (d *dirChecker) checkOwner(which Role, p place) (readOnly, err error) {
	switch uid := p.node.uid; {
	case !d.hasOwners():
		return nil, nil
	case d.strict:
		return nil, d.checkStrictly(which, p)
	case uid == d.host.EUID:
		return nil, nil
	case d.host.EUID == 0 && uid == d.host.Caller:
		return nil, &UnsafeDirError{string(which), p.given, fmt.Sprintf("%s belongs to %s, for whom root is running kist", p.at, d.host.describe(uid))}
	case d.host.EUID == 0, !p.exists():
		return nil, nil
	}
	if err := d.checkStrictly(which, p); err != nil {
		return nil, err
	}
	return &OwnerError{string(which), p.given, d.host.describe(p.node.uid), d.host.EUID}, nil
}

// checkStrictly checks that p belongs to root or to the effective user, and that nobody
// else can write to it or replace it.
func (d *dirChecker) checkStrictly(which Role, p place) error {
	unsafe := func(format string, args ...any) error {
		return &UnsafeDirError{string(which), p.given, fmt.Sprintf(format, args...)}
	}
	owner := d.host.describe(p.node.uid)
	switch {
	case p.node.uid != 0 && p.node.uid != d.host.EUID:
		return unsafe("it belongs to %s, and kist runs as user %d", owner, d.host.EUID)
	case !p.exists():
		return nil
	case p.node.openToGroup() && (p.node.uid != d.host.EUID || p.node.gid != d.host.PrivateGroup):
		return unsafe("it belongs to %s, and can be written by its group (id %d)", owner, p.node.gid)
	case !d.onlyRootOrUser(p.above):
		return unsafe("it belongs to %s, and lies in a directory where another user can replace it", owner)
	case !d.onlyRootOrUser(p.links):
		return unsafe("it belongs to %s, and is reached through a link that another user can replace", owner)
	}
	return nil
}

// onlyRootOrUser reports whether only root and the effective user can replace entries
// of these directories.
func (d *dirChecker) onlyRootOrUser(dirs []node) bool {
	return !slices.ContainsFunc(dirs, func(n node) bool {
		shared := n.openToAll() || n.openToGroup() && n.gid != d.host.PrivateGroup
		return n.uid != 0 && n.uid != d.host.EUID || shared && n.mode&fs.ModeSticky == 0
	})
}

// names returns every name of the directory real, a resolved path, on this machine:
// real first, then its names through mounts.
func (d *dirChecker) names(real string) []string {
	names := []string{real}
	if d.hasOwners() {
		names = append(names, d.mounts.names(real)...)
		names = append(names, d.systemNames(real)...)
	}
	return names
}

// homeNames returns every name of the home, the one in the user database first.
func (d *dirChecker) homeNames() []string {
	home := filepath.Clean(d.host.Home)
	if !filepath.IsAbs(home) || home == "/" {
		return nil
	}
	real, err := d.resolve(home)
	if err != nil {
		return []string{home}
	}
	return append([]string{home}, d.names(real)...)
}

// systemNames returns the names of real below directories of the system, which it
// recognizes by device and inode.
func (d *dirChecker) systemNames(real string) (names []string) {
	for _, dir := range ancestors(real) {
		n, err := d.lstat(dir)
		if err != nil || n.ino == 0 || dir == "/" {
			continue
		}
		for _, l := range d.system {
			if l.node.dev == n.dev && l.node.ino == n.ino {
				names = append(names, filepath.Join(l.name, real[len(dir):]))
			}
		}
	}
	return names
}
