package install

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
)

// madeFile, below the state root, lists the directories that kist made on the
// way to its own, so that the last uninstall can take them away again.
const madeFile = "made.json"

const maxMade = 1 << 20

// remember adds directories that were just made, outermost first.
func (i *Installer) remember(made []string) error {
	if len(made) == 0 {
		return nil
	}
	have, err := i.made()
	if err != nil {
		return err
	}
	for _, dir := range made {
		if !slices.Contains(have, dir) {
			have = append(have, dir)
		}
	}
	data, err := json.MarshalIndent(have, "", "\t")
	if err != nil {
		return err
	}
	return rootfs.WriteFile(i.roots.open(stateDir), madeFile, append(data, '\n'), 0o600)
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
	return made, json.Unmarshal(data, &made)
}

// RemoveAll uninstalls everything: toolchains, links, receipts, generations.
// With self it removes besides what else kist keeps (cache, marks, settings)
// and the parent directories that kist made. Like every removal it goes by
// names kist gave, keeps what it does not know, and can be run again.
func (i *Installer) RemoveAll(ctx context.Context, self bool) (Result, error) {
	s, err := i.State()
	if err != nil {
		return Result{}, err
	}
	for id, err := range s.Damaged {
		return Result{}, &ReceiptError{id, err}
	}
	var all []record.ID
	for id, r := range s.Receipts {
		if !r.Removed {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	p, err := plan.Make(s, plan.Change{Remove: all})
	if err != nil {
		return Result{}, err
	}
	res, err := i.Apply(ctx, p)
	if err != nil {
		return res, err
	}
	if i.roots.empty() {
		return res, nil
	}
	lock, err := i.lock(ctx, "uninstall everything")
	if err != nil {
		return res, err
	}
	err = i.removeGenerations()
	if err == nil {
		res.Kept, err = i.keptEarlier(res.Kept)
	}
	if err == nil && self {
		var left []Drift
		left, err = i.removeOwn()
		res.Kept = append(res.Kept, left...)
	}
	if err = errors.Join(err, lock.Unlock()); err != nil || !self {
		return res, err
	}
	return res, i.removeMade()
}

// keptEarlier adds to kept what earlier uninstalls left in place and is still there.
func (i *Installer) keptEarlier(kept []Drift) ([]Drift, error) {
	heads, _, err := i.store().Receipts()
	if err != nil {
		return kept, err
	}
	for _, id := range slices.Sorted(maps.Keys(heads)) {
		if slices.ContainsFunc(kept, func(d Drift) bool { return d.ID == id }) {
			continue
		}
		r, err := i.Receipt(id)
		if err != nil {
			return kept, err
		}
		for _, e := range r.Entries {
			if e.Type != record.Dir {
				kept = append(kept, Drift{id, filepath.Join(i.Prefix(id), filepath.FromSlash(e.Path)), "kept earlier"})
			}
		}
	}
	return kept, nil
}

// removeGenerations takes away the current link, every generation and the
// directories they were in, where those are empty.
func (i *Installer) removeGenerations() error {
	data := i.roots.open(dataDir)
	if data == nil {
		return nil
	}
	all, _, err := i.store().Generations()
	if err != nil {
		return err
	}
	if err := ignore(data.Remove(store.Current), fs.ErrNotExist); err != nil {
		return err
	}
	for n := range all {
		if err := i.store().DropGeneration(n); err != nil {
			return err
		}
	}
	return rmdirs(data, store.Generations, store.Toolchains, store.Stages, store.Prefixes)
}

// own are the files kist keeps besides toolchains, by pattern below each root.
// What matches no pattern is not kist's, and stays.
var own = map[role][]string{
	cacheDir:  {"blobs/sha256/*", "partial/*", "known/*", "documents/*/*"},
	stateDir:  {"marks/*.json", "evidence/sha256/*"},
	configDir: {"channels/*.toml", "keys/*.asc", "config.toml"},
}

// removeOwn takes away the cache, the marks and the settings, and returns what
// it found beside them.
func (i *Installer) removeOwn() ([]Drift, error) {
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
		err := fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
			if err == nil && rootfs.IsTemp(p) {
				return root.Remove(p)
			}
			if err == nil && !d.IsDir() && !bookkeeping(p) {
				left = append(left, Drift{Path: filepath.Join(root.Name(), filepath.FromSlash(p)), Reason: "not kist's"})
			}
			return err
		})
		if err != nil {
			return left, err
		}
	}
	return left, nil
}

// bookkeeping tells what goes last, or with the paths it still speaks of.
func bookkeeping(p string) bool {
	return p == store.LockFile || p == madeFile || path.Dir(p) == store.Receipts ||
		strings.HasPrefix(p, store.Prefixes+"/")
}

// removeMatches removes the files that match pattern, then the pattern's
// directories where they are empty.
func removeMatches(root *os.Root, pattern string) error {
	names, err := fs.Glob(root.FS(), pattern)
	if err != nil {
		return err
	}
	for _, name := range names {
		if info, err := root.Lstat(name); err != nil || info.IsDir() {
			continue
		}
		if err := root.Remove(name); err != nil {
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

// removeMade takes away the lock, the list of made directories, and those
// directories, innermost first, where they are empty.
func (i *Installer) removeMade() error {
	made, err := i.made()
	if err != nil {
		return err
	}
	state := i.roots.open(stateDir)
	if state != nil {
		for _, name := range []string{store.LockFile, madeFile} {
			if err := ignore(state.Remove(name), fs.ErrNotExist); err != nil {
				return err
			}
		}
	}
	if err := i.roots.close(); err != nil {
		return err
	}
	slices.SortFunc(made, func(a, b string) int {
		return strings.Count(b, string(filepath.Separator)) - strings.Count(a, string(filepath.Separator))
	})
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
		if info, err := root.Lstat(name); err != nil || !info.IsDir() {
			continue
		}
		if err := root.Remove(name); err != nil && !notEmpty(err) {
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
