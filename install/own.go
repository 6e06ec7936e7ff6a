package install

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/record"
)

// This file tells what in kist's directories is kist's, for the removal of everything:
// for the run and for the dry run alike. A name proves nothing. Each directory's writer
// says of a file whether it wrote it, by what the file holds.

// documentsDir is where cmd/kist keeps proved documents, below the cache directory.
const documentsDir = "documents"

const notOwn = "not kist's"

// A found file is kist's, and goes.
type found struct {
	root *os.Root
	name string
	info fs.FileInfo // when it was looked at
}

// A survey is what lies in kist's directories.
type survey struct {
	own     []found // but for what goes with a receipt, a generation, or last of all
	foreign []Drift // kept, and named
}

// foreign names a file that is not kist's.
func (i *Installer) foreign(which role, name string) Drift {
	return Drift{Path: filepath.Join(i.roots.own(which), filepath.FromSlash(name)), Reason: notOwn}
}

// asGiven returns the path that a file in one of kist's directories has as the user's
// environment names the directory.
func (i *Installer) asGiven(real string) string {
	for _, which := range roles {
		if inside, ok := strings.CutPrefix(real, i.roots.real[which]+string(filepath.Separator)); ok {
			return filepath.Join(i.roots.own(which), inside)
		}
	}
	return real
}

// lookAround surveys what RemoveAll deals with: with self, all of kist's directories
// but the bin directory; else what toolchains leave behind. Nothing is touched.
func (i *Installer) lookAround(ctx context.Context, self bool) (survey, error) {
	var s survey
	judges, err := i.judges(ctx)
	if err != nil {
		return s, err
	}
	receipts, damaged, err := i.store().Receipts()
	if err != nil {
		return s, err
	}
	for _, which := range []role{dataDir, stateDir, cacheDir, configDir} {
		root := i.roots.open(which)
		if root == nil || i.sharedWithEarlier(which) {
			continue
		}
		here := func(p string) (owns []func(string) (bool, error)) {
			for _, other := range []role{dataDir, stateDir, cacheDir, configDir} {
				if judges[other] != nil && samePath(i.roots.real[other], i.roots.real[which]) {
					owns = append(owns, judges[other])
				}
			}
			return owns
		}
		err := fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.Is(err, fs.ErrNotExist):
				return nil
			case errors.Is(err, fs.ErrPermission) && p != ".": // of a directory: nothing else is read here
				kept := i.foreign(which, p)
				if i.ownDir(p) {
					kept.Reason = "cannot be read"
				}
				s.foreign = append(s.foreign, kept)
				return fs.SkipDir
			case err != nil || p == ".":
				return err
			case !self && !ofToolchains(p):
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			case d.IsDir():
				return i.lookAtDir(&s, root, which, p, receipts, damaged)
			case i.last(which, p):
				own, err := i.ownsLast(root, p)
				if err == nil && !own {
					s.foreign = append(s.foreign, i.foreign(which, p))
				}
				return err
			}
			for _, owns := range here(p) {
				own, err := owns(p)
				if err != nil {
					return err
				}
				if own {
					info, err := d.Info()
					if err == nil {
						s.own = append(s.own, found{root, p, info})
					}
					return ignore(err, fs.ErrNotExist)
				}
			}
			if stem, lock := strings.CutSuffix(p, rootfs.LockSuffix); lock && path.Dir(p) == store.Stages && i.store().Obstructed(path.Base(stem)) != nil {
				return nil // it is told what is in the way
			}
			s.foreign = append(s.foreign, i.foreign(which, p))
			return nil
		})
		if err != nil {
			return s, err
		}
	}
	if self {
		s.foreign = append(s.foreign, i.otherPlaces()...)
	}
	return s, nil
}

// lookAtDir passes by what goes with a receipt or a stage, and names a directory that is
// not kist's and has nothing in it to be named by.
func (i *Installer) lookAtDir(s *survey, root *os.Root, which role, p string, receipts map[record.ID]record.Head, damaged map[record.ID]error) error {
	dir, name := path.Split(p)
	switch dir {
	case store.Prefixes + "/":
		id := record.ID(name)
		_, known := receipts[id]
		if _, unreadable := damaged[id]; known || unreadable {
			return fs.SkipDir
		}
		names, err := fs.ReadDir(root.FS(), p)
		if err != nil || len(names) > 0 || !id.Valid() {
			s.foreign = append(s.foreign, Drift{Path: i.foreign(which, p).Path, Reason: "without a receipt"})
		}
		return fs.SkipDir
	case store.Stages + "/":
		if data := i.roots.open(dataDir); data != nil {
			own, err := i.store().OwnsStage(name)
			if err != nil {
				return err
			}
			if stuck := i.store().Obstructed(name); stuck != nil {
				s.foreign = append(s.foreign, Drift{Path: i.foreign(which, p).Path, Reason: stuck.Reason()})
				own = true // told, with all that is in it
			}
			if own {
				return fs.SkipDir
			}
			if stem, lock := strings.CutSuffix(name, rootfs.LockSuffix); lock && i.store().Obstructed(stem) != nil {
				return fs.SkipDir // it is told what is in the way
			}
		}
	}
	if i.ownDir(p) {
		return nil
	}
	names, err := fs.ReadDir(root.FS(), p)
	if errors.Is(err, fs.ErrPermission) || err == nil && len(names) == 0 {
		s.foreign = append(s.foreign, i.foreign(which, p))
		return fs.SkipDir
	}
	return ignore(err, fs.ErrNotExist)
}

// ofToolchains reports whether p is what RemoveAll deals with even where kist stays.
func ofToolchains(p string) bool {
	for _, dir := range []string{store.Prefixes, store.Stages, store.Generations, store.Toolchains, store.Receipts, store.Evidence} {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return p == store.Current
}

// judges are those who say, by role, which files of a directory are kist's.
func (i *Installer) judges(ctx context.Context) (map[role]func(string) (bool, error), error) {
	all := map[role]func(string) (bool, error){}
	if i.roots.open(dataDir) != nil {
		all[dataDir] = i.store().OwnsData
	}
	if i.roots.open(stateDir) != nil {
		all[stateDir] = i.store().OwnsState
	}
	if cache := i.roots.open(cacheDir); cache != nil {
		all[cacheDir] = func(name string) (bool, error) {
			if strings.HasPrefix(name, documentsDir+"/") && i.o.Documents != nil {
				return i.o.Documents(cache, name)
			}
			return download.Owns(ctx, cache, name)
		}
	}
	if config := i.roots.open(configDir); config != nil && i.o.Settings != nil {
		owns, err := i.o.Settings(config)
		if err != nil {
			return nil, err
		}
		all[configDir] = owns
	}
	return all, nil
}

// sharedWithEarlier reports whether a directory is also that of a role before it.
func (i *Installer) sharedWithEarlier(which role) bool {
	for _, other := range roles[:slices.Index(roles, which)] {
		if i.roots.open(other) != nil && samePath(i.roots.real[other], i.roots.real[which]) {
			return true
		}
	}
	return false
}

// ownDirs are the directories that kist makes in its own, as patterns of path.Match.
// They go where they are empty, the innermost first.
var ownDirs = []string{
	store.Prefixes + "/*", store.Prefixes,
	store.Stages,
	store.Generations + "/*/bin", store.Generations + "/*", store.Generations,
	store.Toolchains + "/*/*", store.Toolchains + "/*", store.Toolchains,
	store.Receipts, store.Marks, store.Evidence + "/sha256", store.Evidence,
	documentsDir + "/*", documentsDir,
	"channels", "keys",
}

func (i *Installer) ownDir(p string) bool {
	if slices.Contains(download.Dirs(), p) {
		return true
	}
	return slices.ContainsFunc(ownDirs, func(pattern string) bool {
		matches, err := path.Match(pattern, p)
		return err == nil && matches
	})
}

// last reports whether p, in the directory of a role, has the name of what goes last of
// all: the locks, the notes, and the list of directories that kist made.
func (i *Installer) last(which role, p string) bool {
	state := samePath(i.roots.real[which], i.roots.real[stateDir])
	switch p {
	case store.LockFile, notesFile:
		return state || samePath(i.roots.real[which], i.roots.real[dataDir])
	case madeFile, madeFile + rootfs.LockSuffix:
		return state
	}
	return false
}

// ownsLast reports whether what has the name of such a file is one.
func (i *Installer) ownsLast(root *os.Root, p string) (bool, error) {
	switch p {
	case store.LockFile, madeFile + rootfs.LockSuffix:
		return rootfs.IsLock(root, p)
	case notesFile:
		n, err := readNote(root)
		if _, damaged := errors.AsType[*NoteError](err); damaged {
			return false, nil
		}
		return n != nil, err
	}
	info, err := root.Lstat(p)
	if err != nil || !info.Mode().IsRegular() {
		return false, ignore(err, fs.ErrNotExist)
	}
	_, err = i.made()
	return err == nil, nil
}

// otherPlaces names the directories that were kist's under another setting of the
// environment and are still there: they are not touched.
func (i *Installer) otherPlaces() (other []Drift) {
	n, err := i.readNotes()
	if err != nil {
		return nil
	}
	places := map[string]role{}
	for _, known := range []*note{n.data, n.state} {
		if known == nil {
			continue
		}
		for _, which := range []role{cacheDir, configDir} {
			for _, p := range known.of(which) {
				if !i.inUse(p) && i.roots.exists(p.Real) {
					places[p.Real] = which
				}
			}
		}
	}
	for _, at := range slices.Sorted(maps.Keys(places)) {
		other = append(other, Drift{Path: at, Reason: "kist's under another XDG_" + strings.ToUpper(string(places[at])) + "_HOME"})
	}
	return other
}

// inUse reports whether p is a directory of kist's under the present environment.
func (i *Installer) inUse(p knownPlace) bool {
	for _, which := range roles {
		if samePath(i.roots.real[which], p.Real) || i.roots.isOpen(which, p.Real) {
			return true
		}
	}
	return false
}
