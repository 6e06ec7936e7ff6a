package roots

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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

const madeLock = madeFile + rootfs.LockSuffix

const maxMade = 1 << 20 // bytes of madeFile

// recordMade adds directories that are being made, outermost first, to madeFile. A lock
// keeps concurrent calls of other processes apart, so no entry is lost.
func (r *Roots) recordMade(dirs []string) (err error) {
	if len(dirs) == 0 {
		return nil
	}
	state := r.dirs[State]
	lock, err := rootfs.WaitLock(r.ctx, state, madeLock, r.o.About, r.o.LockWait, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Remove()) }()
	have, err := r.readMade()
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if !slices.Contains(have, dir) {
			have = append(have, dir)
		}
	}
	for n, dir := range have {
		if rel, err := filepath.Rel(r.real[State], dir); err == nil {
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
	r.reached("directories remembered")
	return nil
}

// readMade returns the absolute paths of the directories in madeFile.
func (r *Roots) readMade() ([]string, error) {
	state := r.dirs[State]
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
			made[n] = filepath.Join(r.real[State], dir)
		}
	}
	return made, nil
}

// RemoveMade removes the directories that kist made, innermost first, if they are
// empty, and at the very end the list of them, the notes and the locks, which it
// releases. While something is kept in one of kist's own directories, the list stays for
// the next call.
func (r *Roots) RemoveMade(held Locks) (err error) {
	defer func() { err = errors.Join(err, held.Unlock()) }()
	removeLock := func() error {
		lock := held[0]
		held = held[1:]
		return lock.Remove()
	}
	made, err := r.readMade()
	if err != nil {
		return nil // the list was reported as kept
	}
	slices.SortFunc(made, func(a, b string) int {
		return strings.Count(b, string(filepath.Separator)) - strings.Count(a, string(filepath.Separator))
	})
	if err := r.removeMadeDirs(made); err != nil {
		return err
	}
	r.reached("directories dropped")
	if left, err := r.holdsMore(); err != nil || left {
		return err
	}
	// The list of directories is removed after the directories that it names, except the
	// state directory and those above it: they are removed last, since they hold the list.
	if err := rootfs.IgnoreMissing(r.dirs[Data].Remove(notesFile)); err != nil {
		return err
	}
	r.reached("note dropped")
	if err := removeLock(); err != nil {
		return err
	}
	r.reached("lock dropped")
	if err := r.removeMadeDirs(made); err != nil {
		return err
	}
	r.reached("data directory dropped")
	for len(held) > 0 {
		if err := removeLock(); err != nil {
			return err
		}
	}
	for _, name := range []string{notesFile, madeLock, madeFile} {
		if err := rootfs.IgnoreMissing(r.dirs[State].Remove(name)); err != nil {
			return err
		}
	}
	return r.removeMadeDirs(made)
}

// holdsMore reports whether one of kist's own directories holds more than its
// bookkeeping.
func (r *Roots) holdsMore() (bool, error) {
	for _, which := range Own() {
		root := r.dirs[which]
		if root == nil {
			continue
		}
		entries, err := fs.ReadDir(root.FS(), ".")
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may just have been removed
			return false, err
		}
		for _, e := range entries {
			if own, err := r.OwnsBookkeeping(which, e.Name()); err != nil || !own {
				return !own, err
			}
		}
	}
	return false, nil
}

func (r *Roots) removeMadeDirs(made []string) error {
	for _, dir := range made {
		if !r.leadsToOwn(dir) {
			continue // not an entry that kist wrote
		}
		parent, err := r.OpenAt(filepath.Dir(dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(rootfs.RemoveEmptyDirs(parent, filepath.Base(dir)), parent.Close()); err != nil {
			return err
		}
	}
	return nil
}

// leadsToOwn reports whether dir is the bin directory, kist's own directory
// below one of the other bases, or on the way to one of them.
func (r *Roots) leadsToOwn(dir string) bool {
	for _, own := range r.real {
		if own == dir || strings.HasPrefix(own, dir+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

// OwnsBookkeeping reports whether name, in the directory of a role, is one of the files
// that only RemoveMade removes: the locks, the notes, and the list of directories that
// kist made. Its content must show that kist wrote it.
func (r *Roots) OwnsBookkeeping(which Role, name string) (bool, error) {
	state := r.Same(which, State)
	if notes := name == store.LockFile || name == notesFile; !state && !(notes && r.Same(which, Data)) {
		return false, nil
	}
	root := r.dirs[which]
	switch name {
	case store.LockFile, madeLock:
		return rootfs.IsLock(root, name)
	case notesFile:
		n, err := readNote(root)
		if _, damaged := errors.AsType[*NoteError](err); damaged {
			return false, nil
		}
		return n != nil, err
	case madeFile:
	default:
		return false, nil
	}
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false, rootfs.IgnoreMissing(err)
	}
	_, err = r.readMade()
	return err == nil, nil
}
