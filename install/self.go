package install

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/internal/store"
)

// madeFile, below the state root, lists the directories that kist made on the
// way to its own, so that the last uninstall can take them away again: by how they
// are reached from there, since a home may be moved.
const madeFile = "made.json"

const maxMade = 1 << 20

// remember adds directories that are being made, outermost first. Kists that do
// so at once take turns: all of it is kept.
func (i *Installer) remember(dirs []string) (err error) {
	if len(dirs) == 0 {
		return nil
	}
	state := i.roots.open(stateDir)
	lock, err := rootfs.WaitLock(i.ctx, state, madeFile+rootfs.LockSuffix, i.about(), i.o.LockWait, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Remove()) }()
	have, err := i.made()
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

func (i *Installer) made() ([]string, error) {
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
	err = json.Unmarshal(data, &made)
	for n, dir := range made {
		if dir = filepath.FromSlash(dir); !filepath.IsAbs(dir) { // else it is on another drive, or from an earlier kist
			made[n] = filepath.Join(i.roots.real[stateDir], dir)
		}
	}
	return made, err
}

// own are the files kist keeps besides toolchains, by pattern below each root.
// What matches no pattern is not kist's, and stays.
var own = map[role][]string{
	cacheDir:  {"blobs/sha256/*", "partial/*", "known/*", "documents/*/*"},
	stateDir:  {"marks/*.json", "evidence/sha256/*"},
	configDir: {"channels/*.toml", "keys/*.asc", "config.toml"},
}

// removeOwn takes away the cache, the marks and the settings, and returns what
// it found beside them that is not among kept.
func (i *Installer) removeOwn(kept []Drift) ([]Drift, error) {
	var left []Drift
	var seen []string
	for which, patterns := range own {
		root := i.roots.open(which)
		if root == nil {
			continue
		}
		for _, pattern := range patterns {
			if err := removeMatches(root, pattern); err != nil {
				return left, err
			}
			i.reached("own files dropped")
		}
		if err := rmdirs(root, store.Receipts); err != nil {
			return left, err
		}
	}
	// Only now: two of the roots may be the same directory.
	for which := range own {
		root := i.roots.open(which)
		if root == nil || slices.Contains(seen, i.roots.real[which]) {
			continue
		}
		seen = append(seen, i.roots.real[which])
		found, err := unrecorded(root, ".", kept)
		left = append(left, found...)
		if err != nil {
			return left, err
		}
	}
	return left, nil
}

// last tells what goes last of all.
func last(p string) bool {
	return p == store.LockFile || p == madeFile || p == madeFile+rootfs.LockSuffix
}

// bookkeeping tells what goes last, or with the paths it still speaks of.
func bookkeeping(p string) bool {
	return last(p) || path.Dir(p) == store.Receipts || strings.HasPrefix(p, store.Prefixes+"/")
}

// removeMatches removes the files that match pattern, then the pattern's
// directories where they are empty.
func removeMatches(root *os.Root, pattern string) error {
	names, err := fs.Glob(root.FS(), pattern)
	if err != nil {
		return err
	}
	for _, name := range names {
		info, err := root.Lstat(name)
		if err == nil && !info.IsDir() {
			err = root.Remove(name)
		}
		if err := ignore(err, fs.ErrNotExist); err != nil {
			return err
		}
	}
	for dir := path.Dir(pattern); dir != "."; dir = path.Dir(dir) {
		names, err := fs.Glob(root.FS(), dir)
		if err != nil {
			return err
		}
		if err := rmdirs(root, names...); err != nil {
			return err
		}
	}
	return nil
}

// removeMade takes away the directories that kist made, innermost first, where
// they are empty, and at the very end the list of them and the lock, which it
// gives back. As long as something is kept in one of kist's directories the list
// stays, for the next time.
func (i *Installer) removeMade(lock *rootfs.Lock) error {
	made, err := i.made()
	if err != nil {
		return errors.Join(err, lock.Unlock())
	}
	slices.SortFunc(made, func(a, b string) int {
		return strings.Count(b, string(filepath.Separator)) - strings.Count(a, string(filepath.Separator))
	})
	if err := i.rmdirMade(made); err != nil {
		return errors.Join(err, lock.Unlock())
	}
	i.reached("directories dropped")
	left, err := i.somethingLeft()
	if err != nil || left {
		return errors.Join(err, lock.Unlock())
	}
	if err := lock.Remove(); err != nil {
		return err
	}
	i.reached("lock dropped")
	state := i.roots.open(stateDir)
	for _, name := range []string{madeFile + rootfs.LockSuffix, madeFile} {
		if err := ignore(state.Remove(name), fs.ErrNotExist); err != nil {
			return err
		}
	}
	return i.rmdirMade(made)
}

// somethingLeft reports whether one of kist's own directories holds more than
// the lock and the list.
func (i *Installer) somethingLeft() (bool, error) {
	for _, which := range []role{dataDir, stateDir, cacheDir, configDir} {
		root := i.roots.open(which)
		if root == nil {
			continue
		}
		entries, err := fs.ReadDir(root.FS(), ".")
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // it may just have gone
			return false, err
		}
		for _, e := range entries {
			if !last(e.Name()) {
				return true, nil
			}
		}
	}
	return false, nil
}

func (i *Installer) rmdirMade(made []string) error {
	for _, dir := range made {
		if !i.leadsToOwn(dir) {
			continue // not what kist wrote there
		}
		parent, err := os.OpenRoot(filepath.Dir(dir))
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

// rmdirs removes directories that are empty, and only those.
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
