package store

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/install/internal/launcher"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// This file keeps the launcher of a generation, and its answers for projects.

// launcherLink is the target of the links in bin/ that lead to the launcher.
const launcherLink = "../" + launcher.File

// prepareLauncher writes the launcher of g, and its links in bin/.
func (s Store) prepareLauncher(g record.Generation, script []byte) error {
	if len(g.Shims) == 0 {
		return nil
	}
	dir := generationDir(g.Number)
	if err := s.Data.Mkdir(path.Join(dir, launcher.Defaults), sharedDir); err != nil {
		return err
	}
	if err := rootfs.WriteFile(s.Data, path.Join(dir, launcher.File), script, sharedDir); err != nil {
		return err
	}
	for _, name := range g.Shims {
		if err := s.Data.Symlink(launcherLink, path.Join(dir, "bin", name)); err != nil {
			return err
		}
	}
	s.reached("launcher made")
	return nil
}

// RenewLauncher replaces the launcher of generation n, if it is as this package wrote it,
// and drops its answers: both name the place of the store.
func (s Store) RenewLauncher(n uint64, script []byte) error {
	dir := generationDir(n)
	name := path.Join(dir, launcher.File)
	if own, err := s.OwnsData(name); err != nil || !own {
		return err
	}
	if err := rootfs.WriteFile(s.Data, name, script, sharedDir); err != nil {
		return err
	}
	s.reached("launcher renewed")
	return s.dropAnswers(dir, launcher.IsSeen)
}

// PutAnswer stores a in generation n; times are those of the modification of a.Files. The
// caller must hold the lock. Nothing is synced: an answer that a crash undoes is asked for
// again, and a torn one does not exist under its name. Answers name directories of the
// user, and are for the owner alone.
func (s Store) PutAnswer(n uint64, a launcher.Answer, times []time.Time) error {
	name := path.Join(generationDir(n), launcher.AnswerFile(a.Dir))
	if _, err := rootfs.MkdirAllUnsynced(s.Data, path.Dir(name), 0o700); err != nil {
		return err
	}
	if err := s.removeOwn(name); err != nil { // it must not count with the stamps of another
		return err
	}
	for i, at := range times {
		stamp := path.Join(generationDir(n), launcher.StampFile(a.Dir, i))
		if err := rootfs.WriteFileUnsynced(s.Data, stamp, nil, 0o600); err != nil {
			return err
		}
		if err := s.Data.Chtimes(stamp, at, at); err != nil {
			return err
		}
	}
	s.reached("answer stamped")
	if err := rootfs.WriteFile(s.Data, name, a.Encode(), 0o600); err != nil {
		return err
	}
	s.reached("answer stored")
	return nil
}

// dropAnswers removes the answers in the directory of a generation, and the records of
// projects, except what keep selects by its name below dir. keep may be nil.
func (s Store) dropAnswers(dir string, keep func(name string) bool) error {
	var dirs []string
	err := fs.WalkDir(s.Data.FS(), path.Join(dir, launcher.Answers), func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return rootfs.IgnoreMissing(err)
		case !d.IsDir():
			if keep != nil && keep(strings.TrimPrefix(name, dir+"/")) {
				return nil
			}
			return s.removeOwn(name)
		}
		dirs = append(dirs, name)
		return nil
	})
	s.reached("answers dropped")
	slices.Reverse(dirs)
	return errors.Join(err, rootfs.RemoveEmptyDirs(s.Data, dirs...))
}

// IsGenerationDir reports whether this package makes the directory name, which is below
// that of a generation.
func IsGenerationDir(name string) bool {
	number, inside, ok := strings.Cut(strings.TrimPrefix(name, Generations+"/"), "/")
	_, numbered := generationNumber(number)
	return ok && numbered && strings.HasPrefix(name, Generations+"/") &&
		(inside == "bin" || inside == launcher.Defaults || launcher.IsAnswerDir(inside))
}

// ownsLauncher reports whether this package wrote the regular file name, which is the
// launcher or an answer: its last line proves its content.
func (s Store) ownsLauncher(name string) (bool, error) {
	data, err := rootfs.ReadFile(s.Data, name, launcher.MaxFile)
	if err != nil {
		return ownedIfParsed(err)
	}
	return launcher.IsOwn(data), nil
}

// Launcher returns the launcher of generation n. The error matches fs.ErrNotExist if it
// has none.
func (s Store) Launcher(n uint64) (fs.FileInfo, error) {
	if s.Data == nil {
		return nil, os.ErrNotExist
	}
	return s.Data.Lstat(path.Join(generationDir(n), launcher.File))
}
