package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// Host describes the user who runs kist, as far as the checks of directories need it.
type Host struct {
	EUID int
	Home string // of EUID in the user database, "" if none; never $HOME
	// Caller is the user on whose behalf root acts (SUDO_UID, DOAS_USER or
	// PKEXEC_UID), or -1.
	Caller int
	// PrivateGroup is the id of the user's primary group if nobody else is in it, or
	// -1. Only the user can write to what that group can write to.
	PrivateGroup int
}

// A SystemPrefixError is returned for a directory that belongs to the system.
type SystemPrefixError struct {
	Role string // which base: "data", "state", "cache", "config", "bin"
	Path string // as given
	Is   string // the resolved path or another name of the same directory, if it differs
	Rule string // the prefix it lies in
}

func (e *SystemPrefixError) Error() string {
	if e.Is != "" && e.Is != e.Path {
		return fmt.Sprintf("%s directory %s is %s, which belongs to the system (%s)", e.Role, e.Path, e.Is, e.Rule)
	}
	return fmt.Sprintf("%s directory %s belongs to the system (%s)", e.Role, e.Path, e.Rule)
}

// An UnsafeDirError is returned for a directory that others control, or that lies
// where kist must not write.
type UnsafeDirError struct{ Role, Path, Why string }

func (e *UnsafeDirError) Error() string {
	return fmt.Sprintf("%s directory %s: %s", e.Role, e.Path, e.Why)
}

// An OwnerError is returned for changes in a directory of root's; kist may read it.
type OwnerError struct {
	Role, Path string
	EUID       int // the user who runs kist
}

func (e *OwnerError) Error() string {
	return fmt.Sprintf("%s directory %s belongs to root, and kist runs as user %d: only root can change what is in it", e.Role, e.Path, e.EUID)
}

// A SeparatorError is returned for a directory whose path contains the separator of
// path lists.
type SeparatorError struct {
	Role, Path string
	Separator  string
}

func (e *SeparatorError) Error() string {
	return fmt.Sprintf("%s directory %s: a PATH entry cannot contain %q, so no command below it would be found", e.Role, e.Path, e.Separator)
}

// A role is the purpose of one of the five base directories.
type role string

const (
	dataDir   role = "data"
	stateDir  role = "state"
	cacheDir  role = "cache"
	configDir role = "config"
	binDir    role = "bin"
)

// roles are all roles, in the order in which their directories are checked.
var roles = []role{dataDir, stateDir, cacheDir, configDir, binDir}

// roots are kist's directories, <base>/kist and the bin base itself, all of them
// checked. Two of them may be the same directory: the files of each role have
// different names.
type roots struct {
	bases map[role]string // as the user's environment names them
	real  map[role]string // with links resolved: where kist's own directory is, or will be
	host  Host
	dirs  map[role]*os.Root // those that exist
	// closed holds the errors of the directories that this user may not read.
	closed map[role]error
	// readOnly is the reason why nothing may be changed: an *OwnerError, or nil.
	readOnly error
}

// openRoots checks all directories of d, and then opens those that exist. It creates
// nothing. It passes doubts that are no errors to warn, once each. The cache, settings
// and bin directories may be unreadable for this user, since not every verb needs them.
// Errors are *SystemPrefixError, *UnsafeDirError, or of the file system.
func openRoots(d Dirs, h Host, warn func(string)) (*roots, error) {
	r := &roots{
		bases:  map[role]string{dataDir: d.Data, stateDir: d.State, cacheDir: d.Cache, configDir: d.Config, binDir: d.Bin},
		real:   make(map[role]string),
		host:   h,
		dirs:   make(map[role]*os.Root),
		closed: make(map[role]error),
	}
	checker, err := systemDirChecker(h)
	if err != nil {
		return nil, err
	}
	told := make(map[string]bool)
	places := make(map[role]place)
	for _, which := range roles {
		p, err := checker.checkBase(which, r.bases[which])
		if r.mayBeClosed(which, err) {
			r.closed[which], r.real[which] = err, r.own(which)
			continue
		}
		if err != nil {
			return nil, err
		}
		if r.readOnly == nil {
			r.readOnly = p.readOnly
		}
		for _, text := range p.warnings {
			if !told[text] {
				warn(text)
			}
			told[text] = true
		}
		places[which], r.real[which] = p, p.real
	}
	if err := r.checkApart(); err != nil {
		return nil, err
	}
	for which, p := range places {
		if !p.exists() {
			continue
		}
		dir, err := openChecked(which, p)
		switch {
		case err == nil:
			r.dirs[which] = dir
		case r.mayBeClosed(which, err):
			r.closed[which] = err
		default:
			return nil, errors.Join(err, r.close())
		}
	}
	return r, nil
}

// mayBeClosed reports whether err means that this user may not read the directory, and
// the role is one that not every verb needs.
func (r *roots) mayBeClosed(which role, err error) bool {
	return which != dataDir && which != stateDir && errors.Is(err, fs.ErrPermission)
}

// mayChange returns why nothing may be changed in these directories, or nil.
func (r *roots) mayChange() error {
	if r.readOnly != nil {
		return r.readOnly
	}
	for _, which := range roles {
		if err := r.closed[which]; err != nil {
			return err
		}
	}
	return nil
}

// resolve follows the links of a path as far as it exists.
func (r *roots) resolve(path string) (string, error) {
	m, err := thisMachine()
	if err != nil {
		return "", err
	}
	return m.resolve(path)
}

// isOpen reports whether path is the open directory of a role, under any name.
func (r *roots) isOpen(which role, path string) bool {
	dir := r.dirs[which]
	if dir == nil {
		return false
	}
	have, err := dir.Stat(".")
	if err != nil {
		return false
	}
	other, err := os.Stat(path)
	return err == nil && os.SameFile(have, other)
}

// exists reports whether path exists. If the system cannot tell, exists returns true.
func (r *roots) exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR)
}

// dataApart reports whether the data directory is, or would be, on another file system than
// the state directory, if the system can tell.
func (r *roots) dataApart() bool {
	return device(r.real[dataDir]) != device(r.real[stateDir])
}

// device returns the device of path, or of the nearest directory above it that exists; 0
// if the system reports none.
func device(path string) uint64 {
	for {
		n, err := lstat(path)
		up := filepath.Dir(path)
		if err == nil || up == path {
			return n.dev
		}
		path = up
	}
}

// owns reports whether another directory of a role holds the note id. It returns false only
// if the directory is missing, or holds no note or another one, or is a data directory with
// nothing installed in it.
func (r *roots) owns(which role, path, id string) bool {
	dir, err := os.OpenRoot(path)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR)
	}
	defer dir.Close()
	n, err := readNote(dir)
	if err == nil && (n == nil || n.ID != id) {
		return false
	}
	if which != dataDir {
		return true
	}
	for _, name := range []string{store.Current, store.Prefixes} {
		if _, err := dir.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

// checkApart returns an error if a directory lies in a part of the data directory that
// kist fills.
func (r *roots) checkApart() error {
	for which, real := range r.real {
		for _, name := range []string{store.Prefixes, store.Stages, store.Generations, store.Toolchains, store.Current} {
			filled := filepath.Join(r.real[dataDir], name)
			if real == filled || strings.HasPrefix(real, filled+string(filepath.Separator)) {
				return &UnsafeDirError{string(which), r.bases[which], fmt.Sprintf("it lies in %s, which only kist itself fills", filled)}
			}
		}
	}
	return nil
}

// open returns the directory of a role, or nil while it does not exist.
func (r *roots) open(which role) *os.Root { return r.dirs[which] }

// empty reports whether none of them exists.
func (r *roots) empty() bool { return len(r.dirs) == 0 }

// own returns the path of a role's directory, as the user's environment names it.
func (r *roots) own(which role) string {
	if which == binDir {
		return filepath.Clean(r.bases[which])
	}
	return filepath.Join(r.bases[which], "kist")
}

// close closes the open directories. They may be created again afterwards.
func (r *roots) close() error {
	var errs []error
	for _, dir := range r.dirs {
		errs = append(errs, dir.Close())
	}
	clear(r.dirs)
	return errors.Join(errs...)
}

// missing returns the directories that create would make, outermost first.
func (r *roots) missing(which role) ([]string, error) {
	p, err := r.check(which)
	if err != nil {
		return nil, err
	}
	return p.missing(), nil
}

// create returns the directory of a role. It makes it if it is missing, and the
// missing directories above it. made are the absolute paths of the directories it
// made, outermost first, also if there is an error. It checks everything again,
// since time has passed.
func (r *roots) create(which role) (dir *os.Root, made []string, err error) {
	if dir := r.dirs[which]; dir != nil {
		return dir, nil, nil
	}
	before, err := r.check(which)
	if err != nil {
		return nil, nil, err
	}
	above, err := openChecked(which, before)
	if err != nil {
		return nil, nil, err
	}
	r.real[which] = before.real
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
	after, err := r.check(which)
	if err != nil {
		return nil, made, err
	}
	if after.real != before.real || !after.exists() {
		return nil, made, &UnsafeDirError{string(which), before.given, "it changed while kist was making it"}
	}
	if dir, err = openChecked(which, after); err != nil {
		return nil, made, err
	}
	r.dirs[which] = dir
	return dir, made, nil
}

func systemDirChecker(h Host) (*dirChecker, error) {
	m, err := thisMachine()
	if err != nil {
		return nil, err
	}
	m.cacheLstat()
	return newDirChecker(m, h), nil
}

// check checks the directory of a role before a change.
func (r *roots) check(which role) (place, error) {
	checker, err := systemDirChecker(r.host)
	if err != nil {
		return place{}, err
	}
	p, err := checker.checkBase(which, r.bases[which])
	if err == nil {
		err = p.readOnly
	}
	return p, err
}

// Modes of new directories, both subject to the umask. Other users may read installed
// files, receipts and commands. Settings and the cache may hold secrets, such as a
// password in a channel's URL.
const (
	sharedMode  fs.FileMode = 0o755
	privateMode fs.FileMode = 0o700
)

// makeMissing makes the directory name of a role, and the missing directories above it.
func makeMissing(above *os.Root, name string, which role) (made []string, err error) {
	if which == cacheDir || which == configDir {
		return rootfs.MkdirAll(above, name, privateMode)
	}
	return rootfs.MkdirAll(above, name, sharedMode)
}

// openAt opens the directory path, which must not lead through a link. The error
// matches fs.ErrNotExist if the directory does not exist or was replaced.
func (r *roots) openAt(path string) (*os.Root, error) {
	checker, err := systemDirChecker(r.host)
	if err != nil {
		return nil, err
	}
	p, err := checker.find(path)
	if err == nil && checker.hasOwners() {
		err = checker.lookAbove("", &p)
	}
	if err != nil {
		return nil, err
	}
	if p.real != path || !p.exists() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	dir, err := openChecked("", p)
	if _, changed := errors.AsType[*UnsafeDirError](err); changed {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return dir, err
}

// openChecked opens the directory that was checked as p: not merely one with the same
// path, but the one with the same identity (device and inode), below the same checked
// directories. None of these is a link, so nobody can redirect kist by replacing one of
// them. From here on, kist uses only the handle. For any other directory, the error is an
// *UnsafeDirError.
func openChecked(which role, p place) (*os.Root, error) {
	if !p.node.info.IsDir() { // opening a named pipe would block
		return nil, fmt.Errorf("%s directory %s: %w", which, p.given, syscall.ENOTDIR)
	}
	dir, err := os.OpenRoot(p.at)
	if err != nil {
		return nil, fmt.Errorf("%s directory %s: %w", which, p.given, err)
	}
	info, err := dir.Stat(".")
	same := err == nil && os.SameFile(info, p.node.info)
	if same {
		same, err = liesAt(dir, p)
	}
	if err == nil && !same {
		err = &UnsafeDirError{string(which), p.given, "it changed while kist looked at it"}
	}
	if err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}
