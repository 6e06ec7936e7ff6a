package install

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// madeFile, below the state root, lists the directories that kist made above its own,
// so that the last uninstall can remove them. Paths are relative to the state root,
// since a home may be moved.
const madeFile = "made.json"

const maxMade = 1 << 20 // bytes of madeFile

// recordMade adds directories that are being made, outermost first, to madeFile. A lock
// keeps concurrent calls of other processes apart, so no entry is lost.
func (i *Installer) recordMade(dirs []string) (err error) {
	if len(dirs) == 0 {
		return nil
	}
	state := i.roots.open(stateDir)
	lock, err := rootfs.WaitLock(i.ctx, state, madeFile+rootfs.LockSuffix, i.about(), i.o.LockWait, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Remove()) }()
	have, err := i.readMade()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if !slices.Contains(have, dir) {
			have = append(have, dir)
		}
	}
	for n, dir := range have {
		if rel, err := filepath.Rel(i.roots.real[stateDir], dir); err == nil {
			have[n] = filepath.ToSlash(rel)
		}
	}
	data, err := json.MarshalIndent(have, "", "\t")
	if err != nil {
		return err
	}
	if err := rootfs.WriteFile(state, madeFile, append(data, '\n'), 0o600); err != nil {
		return err
	}
	i.reached("directories remembered")
	return nil
}

func (i *Installer) readMade() ([]string, error) {
	state := i.roots.open(stateDir)
	if state == nil {
		return nil, nil
	}
	data, err := rootfs.ReadFile(state, madeFile, maxMade)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var made []string
	if err := json.Unmarshal(data, &made); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(state.Name(), madeFile), err)
	}
	for n, dir := range made {
		if dir = filepath.FromSlash(dir); !filepath.IsAbs(dir) { // absolute: on another drive, or from an earlier kist
			made[n] = filepath.Join(i.roots.real[stateDir], dir)
		}
	}
	return made, nil
}

// removeOwn removes the files of kist's that belong to no toolchain: the cache, the marks,
// the settings. It keeps a file that has changed since the survey. Then it removes the
// directories that held them, if they are empty.
func (i *Installer) removeOwn(left survey) error {
	for _, f := range left.own {
		if ofToolchains(f.name) {
			continue // removed with its receipt or its generation, which may stay
		}
		info, err := f.root.Lstat(f.name)
		if err == nil && os.SameFile(info, f.info) && info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime()) {
			err = f.root.Remove(f.name)
		}
		if err := ignore(err, fs.ErrNotExist); err != nil {
			return err
		}
		i.reached("own files dropped")
	}
	for _, which := range []role{dataDir, stateDir, cacheDir, configDir} {
		if i.roots.open(which) == nil || i.sharedWithEarlier(which) {
			continue
		}
		if err := i.rmdirOwn(which, left.foreign); err != nil {
			return err
		}
	}
	return nil
}

// rmdirOwn removes kist's empty directories below the root of a role, innermost first,
// except those that are reported as kept. It opens only directories, since opening a
// pipe would wait for its other end.
func (i *Installer) rmdirOwn(which role, kept []Drift) error {
	root := i.roots.open(which)
	var dirs []string // outermost first
	err := fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return ignore(ignore(err, fs.ErrNotExist), fs.ErrPermission)
		case p == "." || !d.IsDir():
			return nil
		case !i.ownDir(p), slices.ContainsFunc(kept, func(k Drift) bool { return k.Path == i.foreign(which, p).Path }):
			return fs.SkipDir
		}
		dirs = append(dirs, p)
		if path.Dir(p) == store.Prefixes {
			return fs.SkipDir // kist's patterns name no directory inside a prefix
		}
		return nil
	})
	slices.Reverse(dirs)
	return errors.Join(err, rmdirs(root, dirs...))
}

// removeMade removes the directories that kist made, innermost first, if they are
// empty, and at the very end the list of them, the notes and the locks, which it
// releases. While something is kept in one of kist's directories, the list stays for
// the next call.
func (i *Installer) removeMade(held locks) error {
	made, err := i.readMade()
	if err != nil { // lookAround reported it as kept
		return held.Unlock()
	}
	slices.SortFunc(made, func(a, b string) int {
		return strings.Count(b, string(filepath.Separator)) - strings.Count(a, string(filepath.Separator))
	})
	if err := i.removeMadeDirs(made); err != nil {
		return errors.Join(err, held.Unlock())
	}
	i.reached("directories dropped")
	left, err := i.somethingLeft()
	if err != nil || left {
		return errors.Join(err, held.Unlock())
	}
	// The list of directories is removed after the directories that it names, except the
	// state directory and those above it: they are removed last, since they hold the list.
	data, state := i.roots.open(dataDir), i.roots.open(stateDir)
	if err := ignore(data.Remove(notesFile), fs.ErrNotExist); err != nil {
		return errors.Join(err, held.Unlock())
	}
	i.reached("note dropped")
	if err := held[0].Remove(); err != nil {
		return errors.Join(err, held[1:].Unlock())
	}
	i.reached("lock dropped")
	if err := i.removeMadeDirs(made); err != nil {
		return errors.Join(err, held[1:].Unlock())
	}
	i.reached("data directory dropped")
	for _, lock := range held[1:] {
		if err := lock.Remove(); err != nil {
			return err
		}
	}
	for _, name := range []string{notesFile, madeFile + rootfs.LockSuffix, madeFile} {
		if err := ignore(state.Remove(name), fs.ErrNotExist); err != nil {
			return err
		}
	}
	return i.removeMadeDirs(made)
}

// somethingLeft reports whether one of kist's own directories holds more than
// the locks, the notes and the list.
func (i *Installer) somethingLeft() (bool, error) {
	for _, which := range []role{dataDir, stateDir, cacheDir, configDir} {
		root := i.roots.open(which)
		if root == nil {
			continue
		}
		entries, err := fs.ReadDir(root.FS(), ".")
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may just have been removed
			return false, err
		}
		for _, e := range entries {
			own := i.isDeletedLast(which, e.Name())
			if own {
				if own, err = i.ownsDeletedLast(root, e.Name()); err != nil {
					return false, err
				}
			}
			if !own {
				return true, nil
			}
		}
	}
	return false, nil
}

func (i *Installer) removeMadeDirs(made []string) error {
	for _, dir := range made {
		if !i.leadsToOwn(dir) {
			continue // not an entry that kist wrote
		}
		parent, err := i.roots.openAt(filepath.Dir(dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(rmdirs(parent, filepath.Base(dir)), parent.Close()); err != nil {
			return err
		}
	}
	return nil
}

// leadsToOwn reports whether dir is the bin directory, kist's own directory
// below one of the other bases, or on the way to one of them.
func (i *Installer) leadsToOwn(dir string) bool {
	for _, own := range i.roots.real {
		if own == dir || strings.HasPrefix(own, dir+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

// rmdirs removes those of the directories that are empty.
func rmdirs(root *os.Root, names ...string) error {
	for _, name := range names {
		info, err := root.Lstat(name)
		if err == nil && info.IsDir() {
			err = root.Remove(name)
		}
		if err := ignore(err, fs.ErrNotExist); err != nil && !rootfs.IsNotEmpty(err) {
			return err
		}
	}
	return nil
}

func ignore(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

// ProgramRemover returns a function that removes kist itself, the file name in the bin
// directory, to be called after everything else is removed. It removes only the file that
// exists now, through a handle of the directory that is open now.
func (i *Installer) ProgramRemover(name string) (remove func() error, err error) {
	dir := i.roots.open(binDir)
	if dir == nil {
		return nil, &fs.PathError{Op: "open", Path: i.o.Dirs.Bin, Err: fs.ErrNotExist}
	}
	bin, err := dir.OpenRoot(".")
	if err != nil {
		return nil, err
	}
	was, err := bin.Lstat(name)
	if err != nil {
		return nil, errors.Join(err, bin.Close())
	}
	return func() error {
		defer bin.Close()
		is, err := bin.Lstat(name)
		if err == nil && !os.SameFile(was, is) {
			err = fmt.Errorf("%s was replaced by another file", filepath.Join(i.o.Dirs.Bin, name))
		}
		if err != nil {
			return err
		}
		return bin.Remove(name)
	}, nil
}
