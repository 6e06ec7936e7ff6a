package install

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/install/internal/roots"
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
func (i *Installer) foreign(which roots.Role, name string) Drift {
	return Drift{Path: filepath.Join(i.roots.Path(which), filepath.FromSlash(name)), Reason: notOwn}
}

// survey surveys what RemoveAll removes: with self, all of kist's directories except
// the bin directory; otherwise only the files of toolchains. It changes nothing.
func (i *Installer) survey(ctx context.Context, self bool) (survey, error) {
	var s survey
	checks, err := i.ownershipChecks(ctx)
	if err != nil {
		return s, err
	}
	receipts, damaged, err := i.store().Receipts()
	if err != nil {
		return s, err
	}
	for _, which := range roots.Own() {
		root := i.roots.Dir(which)
		if root == nil || i.roots.SharedWithEarlier(which) {
			continue
		}
		checksFor := func(p string) (owns []func(string) (bool, error)) {
			for _, other := range roots.Own() {
				if checks[other] != nil && i.roots.Same(other, which) {
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
			}
			if own, err := i.roots.OwnsBookkeeping(which, p); own || err != nil {
				return err // removed last of all
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
					return rootfs.IgnoreMissing(err)
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
func (i *Installer) surveyDir(s *survey, root *os.Root, which roots.Role, p string, receipts map[record.ID]record.Head, damaged map[record.ID]error) error {
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
		if data := i.roots.Dir(roots.Data); data != nil {
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
	return rootfs.IgnoreMissing(err)
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
func (i *Installer) ownershipChecks(ctx context.Context) (map[roots.Role]func(string) (bool, error), error) {
	all := map[roots.Role]func(string) (bool, error){}
	if i.roots.Dir(roots.Data) != nil {
		all[roots.Data] = i.store().OwnsData
	}
	if i.roots.Dir(roots.State) != nil {
		all[roots.State] = i.store().OwnsState
	}
	if cache := i.roots.Dir(roots.Cache); cache != nil {
		all[roots.Cache] = func(name string) (bool, error) {
			if strings.HasPrefix(name, documentsDir+"/") && i.o.Documents != nil {
				return i.o.Documents(cache, name)
			}
			return download.Owns(ctx, cache, name)
		}
	}
	if config := i.roots.Dir(roots.Config); config != nil && i.o.Settings != nil {
		owns, err := i.o.Settings(config)
		if err != nil {
			return nil, err
		}
		all[roots.Config] = owns
	}
	return all, nil
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

// otherPlaces returns the directories that kist used under another environment and that
// still exist. RemoveAll does not touch them.
func (i *Installer) otherPlaces() (other []Drift) {
	for _, which := range []roots.Role{roots.Cache, roots.Config} {
		paths, err := i.roots.Elsewhere(which)
		if err != nil {
			return nil
		}
		for _, path := range paths {
			if slices.ContainsFunc(other, func(d Drift) bool { return d.Path == path }) {
				continue
			}
			other = append(other, Drift{Path: path, Reason: "kist's under another XDG_" + strings.ToUpper(string(which)) + "_HOME"})
		}
	}
	slices.SortFunc(other, func(a, b Drift) int { return strings.Compare(a.Path, b.Path) })
	return other
}
