package install

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/internal/store"
)

// Host is who runs kist, as far as the judgement of directories depends on it.
type Host struct {
	EUID int
	Home string // that the user database gives EUID, "" if none; never $HOME
	// Caller is the user on whose behalf root acts (SUDO_UID, DOAS_USER or
	// PKEXEC_UID), or -1.
	Caller int
	// PrivateGroup is the id of the user's primary group where nobody else is in it,
	// or -1. What that group may write, only the user may.
	PrivateGroup int
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

// An OwnerError refuses to change what is in a directory of root's, which may be read.
type OwnerError struct {
	Role, Path string
	EUID       int // the user who runs kist
}

func (e *OwnerError) Error() string {
	return fmt.Sprintf("%s directory %s belongs to root, and kist runs as user %d: only root can change what is in it", e.Role, e.Path, e.EUID)
}

// A SeparatorError refuses a directory whose path holds the separator of path lists.
type SeparatorError struct {
	Role, Path string
	Separator  string
}

func (e *SeparatorError) Error() string {
	return fmt.Sprintf("%s directory %s: no entry of PATH can hold %q, so that no command below it would be found", e.Role, e.Path, e.Separator)
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

// roles are all of them, in the order in which they are judged.
var roles = []role{dataDir, stateDir, cacheDir, configDir, binDir}

// roots are the directories kist lives in, <base>/kist and the bin base itself,
// every one judged. Two of them may be the same directory: what kist keeps in
// each has names of its own.
type roots struct {
	bases map[role]string // as the user's environment names them
	real  map[role]string // with links resolved: where kist's own directory is, or will be
	host  Host
	dirs  map[role]*os.Root // those that exist
	// closed are the directories that this user may not read, and the errors that said so.
	closed map[role]error
	// readOnly is why nothing may be changed: an *OwnerError, or nil.
	readOnly error
}

// openRoots judges the directories of d, all of them before anything else, and
// opens those that exist. It creates nothing. What is doubtful but no ground for
// refusal is told to warn, once each. The cache, settings and bin directories may be closed
// to this user, since not every verb needs them. Errors are *SystemPrefixError,
// *UnsafeDirError, or of the file system.
func openRoots(d Dirs, h Host, warn func(string)) (*roots, error) {
	r := &roots{
		bases:  map[role]string{dataDir: d.Data, stateDir: d.State, cacheDir: d.Cache, configDir: d.Config, binDir: d.Bin},
		real:   make(map[role]string),
		host:   h,
		dirs:   make(map[role]*os.Root),
		closed: make(map[role]error),
	}
	judge, err := thisJudge(h)
	if err != nil {
		return nil, err
	}
	told := make(map[string]bool)
	places := make(map[role]place)
	for _, which := range roles {
		p, err := judge.base(which, r.bases[which])
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
	if err := r.apart(); err != nil {
		return nil, err
	}
	for which, p := range places {
		if !p.exists() {
			continue
		}
		dir, err := openJudged(which, p)
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

// mayBeClosed reports whether err says that this user may not look into the directory of a
// role that not every verb needs.
func (r *roots) mayBeClosed(which role, err error) bool {
	return which != dataDir && which != stateDir && errors.Is(err, fs.ErrPermission)
}

// mayChange returns why nothing may be changed in these directories.
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

// isOpen reports whether path, under whatever name, is the open directory of a role.
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

// exists reports whether there is anything at path, or may be: it says no only where
// the system does.
func (r *roots) exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR)
}

// dataApart reports whether the data directory is, or would be, on another file system than
// the state directory, as far as the system tells.
func (r *roots) dataApart() bool {
	return device(r.real[dataDir]) != device(r.real[stateDir])
}

// device is that of path, or of the nearest directory above it that exists; 0 where the
// system does not say.
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

// owns reports whether another directory of a role holds the note id, or may: it says no
// only where the directory is missing, or holds no note or another one. A data directory
// with nothing installed in it has no claim either.
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

// apart refuses a base that lies in what kist fills in its data directory.
func (r *roots) apart() error {
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

// own is the path of a role's own directory, as the user's environment names it.
func (r *roots) own(which role) string {
	if which == binDir {
		return filepath.Clean(r.bases[which])
	}
	return filepath.Join(r.bases[which], "kist")
}

// close closes what is open; everything may be created anew afterwards.
func (r *roots) close() error {
	var errs []error
	for _, dir := range r.dirs {
		errs = append(errs, dir.Close())
	}
	clear(r.dirs)
	return errors.Join(errs...)
}

// missing are the directories that create would make, outermost first.
func (r *roots) missing(which role) ([]string, error) {
	p, err := r.judge(which)
	if err != nil {
		return nil, err
	}
	return p.missing(), nil
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

func thisJudge(h Host) (*judge, error) {
	m, err := thisMachine()
	if err != nil {
		return nil, err
	}
	m.remember()
	return newJudge(m, h), nil
}

// judge judges the directory of a role for whoever is about to change something there.
func (r *roots) judge(which role) (place, error) {
	judge, err := thisJudge(r.host)
	if err != nil {
		return place{}, err
	}
	p, err := judge.base(which, r.bases[which])
	if err == nil {
		err = p.readOnly
	}
	return p, err
}

// The modes of directories that are made, both subject to the umask. Other users may
// read what is installed, its receipts and its commands. Settings and the cache may hold
// what is secret, such as a password in a channel's URL.
const (
	sharedMode  fs.FileMode = 0o755
	privateMode fs.FileMode = 0o700
)

// makeMissing makes the directory name of a role, and those above it that are missing.
func makeMissing(above *os.Root, name string, which role) (made []string, err error) {
	if which == cacheDir || which == configDir {
		return rootfs.MkdirAll(above, name, privateMode)
	}
	return rootfs.MkdirAll(above, name, sharedMode)
}

// openAt opens the directory path, to which no link may lead. The error matches
// fs.ErrNotExist where there is no such directory, or another one by now.
func (r *roots) openAt(path string) (*os.Root, error) {
	judge, err := thisJudge(r.host)
	if err != nil {
		return nil, err
	}
	p, err := judge.find(path)
	if err == nil && judge.hasOwners() {
		err = judge.lookAbove("", &p)
	}
	if err != nil {
		return nil, err
	}
	if p.real != path || !p.exists() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	dir, err := openJudged("", p)
	if _, changed := errors.AsType[*UnsafeDirError](err); changed {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return dir, err
}

// openJudged opens the directory that p was judged by: not merely one that has its
// path, but the one with that identity (device and inode), below the very directories
// that were judged on the way to it. Of these none is a link, so that nobody who swaps
// one of them meanwhile leads kist elsewhere. From here on the handle is the only way
// in. Another directory is an *UnsafeDirError.
func openJudged(which role, p place) (*os.Root, error) {
	if !p.node.info.IsDir() { // a pipe would be waited for
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
