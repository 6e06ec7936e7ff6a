package roots

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// Modes of new directories, both subject to the umask. Other users may read installed
// files, receipts and commands. Settings and the cache may hold secrets, such as a
// password in a channel's URL.
const (
	sharedMode  fs.FileMode = 0o755
	privateMode fs.FileMode = 0o700
)

// Create returns the directory of a role. It makes missing directories, and records
// them so that the removal of kist itself can remove them. It makes the state and the
// data directory before any other. It checks the directory again, since time has passed
// since Open.
func (r *Roots) Create(which Role) (*os.Root, error) {
	if r.unfit != nil {
		return nil, r.unfit
	}
	if dir := r.dirs[which]; dir != nil {
		return dir, nil
	}
	if which != State {
		if _, err := r.Create(State); err != nil {
			return nil, err
		}
	}
	if which != State && which != Data {
		if _, err := r.Create(Data); err != nil {
			return nil, err
		}
	}
	p, err := r.check(which)
	if err != nil {
		return nil, err
	}
	if which == State { // holds the record itself; a kill before it is written leaves an empty directory
		if err := r.makeAndOpen(which, p); err != nil {
			return nil, err
		}
		r.reached("state directory made")
		return r.dirs[which], r.recordMade(p.missing())
	}
	if err := r.recordMade(p.missing()); err != nil {
		return nil, err
	}
	if err := r.makeAndOpen(which, p); err != nil {
		return nil, err
	}
	r.reached("directory made")
	return r.dirs[which], r.recordPlaces(false)
}

// makeAndOpen makes the missing directories on the way to p, the place of a role's
// directory, and opens it.
func (r *Roots) makeAndOpen(which Role, p place) error {
	above, err := openChecked(which, p)
	if err != nil {
		return err
	}
	r.real[which] = p.real
	if p.exists() {
		r.dirs[which] = above
		return nil
	}
	defer above.Close()
	missing, err := filepath.Rel(p.at, p.real)
	if err != nil {
		return err
	}
	mode := sharedMode
	if which == Cache || which == Config {
		mode = privateMode
	}
	if _, err := rootfs.MkdirAll(above, filepath.ToSlash(missing), mode); err != nil {
		return fmt.Errorf("%s directory %s: %w", which, p.given, err)
	}
	made, err := r.check(which)
	if err != nil {
		return err
	}
	if made.real != p.real || !made.exists() {
		return &UnsafeDirError{string(which), p.given, "it changed while kist was making it"}
	}
	dir, err := openChecked(which, made)
	if err == nil {
		r.dirs[which] = dir
	}
	return err
}

// check checks the directory of a role before a change.
func (r *Roots) check(which Role) (place, error) {
	checker, err := r.dirChecker()
	if err != nil {
		return place{}, err
	}
	p, err := checker.checkBase(which, r.bases[which])
	if err == nil {
		err = p.readOnly
	}
	return p, err
}

// Writable checks, before anything is stored, that settings can be written: in the
// settings directory and in the given directories below it that exist. If the settings
// directory is missing, it checks the nearest directory above it. It leaves nothing
// behind.
func (r *Roots) Writable(below ...string) error {
	if r.unfit != nil {
		return r.unfit
	}
	root := r.dirs[Config]
	if root == nil {
		p, err := r.check(Config)
		if err != nil {
			return err
		}
		above, err := openChecked(Config, p)
		if err != nil {
			return err
		}
		defer above.Close()
		return withDir(p.at, rootfs.Probe(above))
	}
	if err := rootfs.Probe(root); err != nil {
		return withDir(r.Path(Config), err)
	}
	for _, name := range below {
		dir, err := root.OpenRoot(name + "/.") // with "/.", a named pipe is an error instead of blocking
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = errors.Join(rootfs.Probe(dir), dir.Close())
		}
		if err != nil {
			return withDir(filepath.Join(r.Path(Config), name), err)
		}
	}
	return nil
}

// withDir adds the full path of the directory to err, which holds only a part of it.
func withDir(dir string, err error) error {
	var why *fs.PathError
	if errors.As(err, &why) {
		err = why.Err
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", dir, err)
	}
	return nil
}

// OpenAt opens the directory path, which must not lead through a link. The error
// matches fs.ErrNotExist if the directory does not exist or was replaced.
func (r *Roots) OpenAt(path string) (*os.Root, error) {
	checker, err := r.dirChecker()
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
	notThere := &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	if p.real != path || !p.exists() {
		return nil, notThere
	}
	dir, err := openChecked("", p)
	if _, changed := errors.AsType[*UnsafeDirError](err); changed {
		return nil, notThere
	}
	return dir, err
}

// OpenNamed checks and opens a directory that the user named for kist to write to, by
// the rules for kist's own directories. role stands for it in errors. With create, it
// makes the directory if only its last element is missing; else the error matches
// fs.ErrNotExist. warn receives doubts that are no errors.
func OpenNamed(h Host, role, path string, create bool, warn func(string)) (*os.Root, error) {
	checker, err := hostChecker(h)
	if err != nil {
		return nil, err
	}
	p, err := checker.checkPath(Role(role), path)
	if err == nil {
		p.readOnly, err = checker.checkOwner(Role(role), p)
	}
	if err == nil && create {
		err = p.readOnly
	}
	if err != nil {
		return nil, err
	}
	for _, w := range p.warnings {
		warn(w)
	}
	if p.exists() {
		return openChecked(Role(role), p)
	}
	if !create || len(p.missing()) > 1 {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	above, err := openChecked(Role(role), p)
	if err != nil {
		return nil, err
	}
	defer above.Close()
	name := filepath.Base(p.real)
	if err := rootfs.Mkdir(above, name, sharedMode); err != nil {
		return nil, fmt.Errorf("%s directory %s: %w", role, path, err)
	}
	return above.OpenRoot(name)
}

// openChecked opens the directory that was checked as p: not merely one with the same
// path, but the one with the same identity (device and inode), below the same checked
// directories. None of these is a link, so nobody can redirect kist by replacing one of
// them. From here on, kist uses only the handle. For any other directory, the error is an
// *UnsafeDirError.
func openChecked(which Role, p place) (*os.Root, error) {
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
