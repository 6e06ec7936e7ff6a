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

	"github.com/kist-tools/kist/install/internal/download"
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

	i                 *Installer
	onlyToolchains    bool
	checks            map[roots.Role]func(string) (bool, error)
	receipts          map[record.ID]record.Head
	unreadableReceipt map[record.ID]error
}

// survey surveys what RemoveAll removes: with self, all of kist's directories except
// the bin directory; otherwise only the files of toolchains. It changes nothing.
func (i *Installer) survey(ctx context.Context, self bool) (s survey, err error) {
	s = survey{i: i, onlyToolchains: !self}
	if s.checks, err = i.ownershipChecks(ctx); err != nil {
		return s, err
	}
	if s.receipts, s.unreadableReceipt, err = i.store().Receipts(); err != nil {
		return s, err
	}
	for _, which := range roots.Own() {
		root := i.roots.Dir(which)
		if root == nil || i.roots.SharedWithEarlier(which) {
			continue
		}
		err := fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return s.visit(which, p, d, err)
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

// visit decides about p, in the directory of a role. err is that of reading p.
func (s *survey) visit(which roots.Role, p string, d fs.DirEntry, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, fs.ErrPermission) && p != ".": // of a directory: nothing else is read here
		if s.i.ownDir(p) {
			return s.skip(which, p, "cannot be read")
		}
		return s.skip(which, p, notOwn)
	case err != nil || p == ".":
		return err
	case s.onlyToolchains && !ofToolchains(p):
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	case d.IsDir():
		return s.visitDir(which, p)
	}
	return s.visitFile(which, p, d)
}

// skip reports the directory p as kept, with all its content.
func (s *survey) skip(which roots.Role, p, reason string) error {
	s.foreign = append(s.foreign, s.i.kept(which, p, reason))
	return fs.SkipDir
}

// visitDir skips directories that are removed with a receipt or a stage. It reports a
// directory that is not kist's only if it is empty or unreadable: otherwise its files are
// reported.
func (s *survey) visitDir(which roots.Role, p string) error {
	root, name := s.i.roots.Dir(which), path.Base(p)
	switch path.Dir(p) {
	case store.Prefixes:
		id := record.ID(name)
		_, known := s.receipts[id]
		_, unreadable := s.unreadableReceipt[id]
		if known || unreadable {
			return fs.SkipDir
		}
		if names, err := fs.ReadDir(root.FS(), p); err != nil || len(names) > 0 || !id.Valid() {
			return s.skip(which, p, "without a receipt")
		}
		return fs.SkipDir
	case store.Stages:
		if s.i.roots.Dir(roots.Data) == nil {
			break
		}
		if stuck := s.i.store().Obstructed(name); stuck != nil {
			return s.skip(which, p, stuck.Reason)
		}
		own, err := s.i.store().OwnsStage(name)
		if err != nil {
			return err
		}
		if own || s.locksStuckStage(p) {
			return fs.SkipDir
		}
	}
	if s.i.ownDir(p) {
		return nil
	}
	names, err := fs.ReadDir(root.FS(), p)
	if errors.Is(err, fs.ErrPermission) || err == nil && len(names) == 0 {
		return s.skip(which, p, notOwn)
	}
	return rootfs.IgnoreMissing(err)
}

// visitFile adds the file p to those of kist's, or reports it as kept.
func (s *survey) visitFile(which roots.Role, p string, d fs.DirEntry) error {
	if own, err := s.i.roots.OwnsBookkeeping(which, p); own || err != nil {
		return err // removed last of all
	}
	for _, other := range roots.Own() {
		if s.checks[other] == nil || !s.i.roots.Same(other, which) {
			continue
		}
		own, err := s.checks[other](p)
		if err != nil {
			return err
		}
		if own {
			info, err := d.Info()
			if err == nil {
				s.own = append(s.own, found{s.i.roots.Dir(which), p, info})
			}
			return rootfs.IgnoreMissing(err)
		}
	}
	if !s.locksStuckStage(p) {
		s.foreign = append(s.foreign, s.i.foreign(which, p))
	}
	return nil
}

// locksStuckStage reports whether p has the name of the lock of a stage that is reported,
// since it cannot be removed because of p.
func (s *survey) locksStuckStage(p string) bool {
	stage, lock := strings.CutSuffix(p, rootfs.LockSuffix)
	return lock && path.Dir(p) == store.Stages && s.i.roots.Dir(roots.Data) != nil && s.i.store().Obstructed(path.Base(stage)) != nil
}

// foreign returns the Drift of a file that is not kist's.
func (i *Installer) foreign(which roots.Role, name string) Drift { return i.kept(which, name, notOwn) }

func (i *Installer) kept(which roots.Role, name, reason string) Drift {
	return Drift{Path: filepath.Join(i.roots.Path(which), filepath.FromSlash(name)), Reason: reason}
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
	store.Generations + "/*", store.Generations,
	store.Toolchains + "/*/*", store.Toolchains + "/*", store.Toolchains,
	store.Receipts, store.Marks, store.EvidenceDir, store.Evidence,
	documentsDir + "/*", documentsDir,
	"channels", "keys",
}

func (i *Installer) ownDir(p string) bool {
	if slices.Contains(download.Dirs(), p) || store.IsGenerationDir(p) {
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
