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
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// This file decides which files in kist's directories are kist's, for RemoveAll and its
// dry run. A name proves nothing: the package that writes a directory decides by the
// content of a file whether it wrote it.

// documentsDir is where proved documents are, below the cache directory.
const documentsDir = manifests.DocumentsDir

const notOwn = "not kist's"

// A found is a file of kist's, to be removed.
type found struct {
	root *os.Root
	name string
	info fs.FileInfo // at the time of the survey
}

// A survey is the content of kist's directories.
type survey struct {
	own     []found // except what is removed with a receipt or a generation, or last of all
	foreign []Drift // kept, and reported
}

// foreign returns the Drift of a file that is not kist's.
func (i *Installer) foreign(which role, name string) Drift {
	return Drift{Path: filepath.Join(i.roots.own(which), filepath.FromSlash(name)), Reason: notOwn}
}

// asGiven returns the path of a file in one of kist's directories as the user's
// environment spells it.
func (i *Installer) asGiven(real string) string {
	for _, which := range roles {
		if inside, ok := strings.CutPrefix(real, i.roots.real[which]+string(filepath.Separator)); ok {
			return filepath.Join(i.roots.own(which), inside)
		}
	}
	return real
}

// surveyDirs surveys what RemoveAll removes: with self, all of kist's directories except
// the bin directory; otherwise only the files of toolchains. It changes nothing.
func (i *Installer) surveyDirs(ctx context.Context, self bool) (survey, error) {
	var s survey
	checks, err := i.ownershipChecks(ctx)
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
		checksFor := func(p string) (owns []func(string) (bool, error)) {
			for _, other := range []role{dataDir, stateDir, cacheDir, configDir} {
				if checks[other] != nil && samePath(i.roots.real[other], i.roots.real[which]) {
					owns = append(owns, checks[other])
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
				return i.surveyDir(&s, root, which, p, receipts, damaged)
			case i.isDeletedLast(which, p):
				own, err := i.ownsDeletedLast(root, p)
				if err == nil && !own {
					s.foreign = append(s.foreign, i.foreign(which, p))
				}
				return err
			}
			for _, owns := range checksFor(p) {
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
				return nil // the obstructed stage is reported
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

// surveyDir skips directories that are removed with a receipt or a stage. It reports a
// directory that is not kist's only if it is empty or unreadable: otherwise its files are
// reported.
func (i *Installer) surveyDir(s *survey, root *os.Root, which role, p string, receipts map[record.ID]record.Head, damaged map[record.ID]error) error {
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
				own = true // reported with all its content
			}
			if own {
				return fs.SkipDir
			}
			if stem, lock := strings.CutSuffix(name, rootfs.LockSuffix); lock && i.store().Obstructed(stem) != nil {
				return fs.SkipDir // the obstructed stage is reported
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

// ofToolchains reports whether RemoveAll removes p even if kist itself stays.
func ofToolchains(p string) bool {
	for _, dir := range []string{store.Prefixes, store.Stages, store.Generations, store.Toolchains, store.Receipts, store.Evidence} {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return p == store.Current
}

// ownershipChecks returns, by role, the functions that report which files are kist's.
func (i *Installer) ownershipChecks(ctx context.Context) (map[role]func(string) (bool, error), error) {
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

// sharedWithEarlier reports whether the directory of a role is also that of an earlier
// role in roles.
func (i *Installer) sharedWithEarlier(which role) bool {
	for _, other := range roles[:slices.Index(roles, which)] {
		if i.roots.open(other) != nil && samePath(i.roots.real[other], i.roots.real[which]) {
			return true
		}
	}
	return false
}

// ownDirs are the directories that kist makes in its own, as patterns of path.Match.
// They are removed if they are empty, the innermost first.
var ownDirs = []string{
	store.Prefixes + "/*", store.Prefixes,
	store.Stages,
	store.Generations + "/*/bin", store.Generations + "/*", store.Generations,
	store.Toolchains + "/*/*", store.Toolchains + "/*", store.Toolchains,
	store.Receipts, store.Marks, store.EvidenceDir, store.Evidence,
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

// isDeletedLast reports whether p, in the directory of a role, has the name of a file that
// is removed after everything else: the locks, the notes, and the list of directories that
// kist made.
func (i *Installer) isDeletedLast(which role, p string) bool {
	state := samePath(i.roots.real[which], i.roots.real[stateDir])
	switch p {
	case store.LockFile, notesFile:
		return state || samePath(i.roots.real[which], i.roots.real[dataDir])
	case madeFile, madeFile + rootfs.LockSuffix:
		return state
	}
	return false
}

// ownsDeletedLast reports whether p, for which isDeletedLast is true, is kist's.
func (i *Installer) ownsDeletedLast(root *os.Root, p string) (bool, error) {
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
	_, err = i.readMade()
	return err == nil, nil
}

// otherPlaces returns the directories that kist used under another environment and that
// still exist. RemoveAll does not touch them.
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
			for _, p := range known.placesOf(which) {
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

// inUse reports whether p is one of kist's directories under the present environment.
func (i *Installer) inUse(p knownPlace) bool {
	for _, which := range roles {
		if samePath(i.roots.real[which], p.Real) || i.roots.isOpen(which, p.Real) {
			return true
		}
	}
	return false
}
