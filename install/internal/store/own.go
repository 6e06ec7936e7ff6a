package store

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/kist-tools/kist/install/internal/launcher"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// This file decides which files below the two roots this package wrote. Only those are
// ever removed. A file's name proves nothing; its content does. A missing file is not
// owned.

// OwnsData reports whether this package wrote name, a file or link below the data root:
// a lock, the link "current", a part of a generation, or an alias. It does not cover
// prefixes and stages.
func (s Store) OwnsData(name string) (bool, error) {
	info, err := s.Data.Lstat(name)
	if err != nil {
		return false, rootfs.IgnoreMissing(err)
	}
	regular, link := info.Mode().IsRegular(), info.Mode().Type() == fs.ModeSymlink
	dir, base := path.Split(name)
	number, inside, _ := strings.Cut(strings.TrimPrefix(name, Generations+"/"), "/")
	n, numbered := generationNumber(number)
	numbered = numbered && strings.HasPrefix(name, Generations+"/")
	switch {
	case rootfs.IsTemp(name):
		return regular || link, nil
	case name == LockFile, dir == Stages+"/" && isStage(strings.TrimSuffix(base, rootfs.LockSuffix)):
		return rootfs.IsLock(s.Data, name)
	case name == Current:
		return ownsCurrent(s.Data, info), nil
	case strings.HasPrefix(name, Toolchains+"/"):
		if !link || strings.Count(name, "/") != 3 {
			return false, nil
		}
		target, err := s.Data.Readlink(name)
		return err == nil && IsAlias(target), rootfs.IgnoreMissing(err)
	case numbered && inside == generationFile && regular:
		_, err := s.readGeneration(n)
		return ownedIfParsed(err)
	case numbered && (inside == prepared || inside == committed):
		return regular && info.Size() == 0, nil
	case numbered && (path.Dir(inside) == "bin" || path.Dir(inside) == launcher.Defaults) && link:
		target, err := s.Data.Readlink(name)
		return err == nil && (isCommand(target) || target == launcherLink), rootfs.IgnoreMissing(err)
	case numbered && (inside == launcher.File || launcher.IsAnswer(inside) || launcher.IsSeen(inside)) && regular:
		return s.ownsLauncher(name)
	case numbered && launcher.IsStamp(inside):
		return regular && info.Size() == 0, nil
	}
	return false, nil
}

// OwnsState reports whether this package wrote name, a file below the state root: a
// lock, a receipt, a mark, or a piece of evidence.
func (s Store) OwnsState(name string) (bool, error) {
	info, err := s.State.Lstat(name)
	if err != nil {
		return false, rootfs.IgnoreMissing(err)
	}
	if rootfs.IsTemp(name) {
		return info.Mode().IsRegular() || info.Mode().Type() == fs.ModeSymlink, nil
	}
	if !info.Mode().IsRegular() {
		return false, nil
	}
	dir, base := path.Split(name)
	stem, isJSON := strings.CutSuffix(base, ".json")
	switch {
	case name == LockFile:
		return rootfs.IsLock(s.State, name)
	case dir == Receipts+"/" && isJSON && record.ID(stem).Valid():
		_, err := s.head(record.ID(stem))
		return ownedIfParsed(err)
	case dir == Marks+"/" && isJSON:
		_, err := s.Mark(stem)
		return ownedIfParsed(err)
	case dir == EvidenceDir+"/":
		d, err := verify.ParseDigest("sha256:" + base)
		if err != nil || EvidenceFile(d) != name {
			return false, nil
		}
		_, err = s.Evidence(d)
		return ownedIfParsed(err)
	}
	return false, nil
}

// ownedIfParsed turns the error of reading and parsing a file into the answer whether
// kist wrote it: no, if the file cannot be parsed or may not be read. Other failures of
// the system stay errors.
func ownedIfParsed(err error) (bool, error) {
	if errors.As(err, new(*fs.PathError)) && !errors.Is(err, rootfs.ErrNotRegular) && !errors.Is(err, fs.ErrPermission) {
		return false, rootfs.IgnoreMissing(err)
	}
	return err == nil, nil
}

// IsAlias reports whether target is the target of an alias, which shows that kist made
// the link below toolchains/ that has it.
func IsAlias(target string) bool {
	id, ok := strings.CutPrefix(target, path.Join("../../..", Prefixes)+"/")
	return ok && record.ID(id).Valid()
}

// isCommand reports whether target is the target of a generation's command link, to this
// store or to another one.
func isCommand(target string) bool {
	inside, ok := strings.CutPrefix(target, path.Join("../../..", Prefixes)+"/")
	if filepath.IsAbs(target) {
		_, inside, ok = strings.Cut(filepath.ToSlash(target), "/kist/"+Prefixes+"/")
	}
	id, command, inner := strings.Cut(inside, "/")
	return ok && inner && command != "" && record.ID(id).Valid()
}

// isStage reports whether name has the form of a stage's name.
func isStage(name string) bool {
	random, err := hex.DecodeString(name)
	return err == nil && len(random) == stageName
}

// OwnsStage reports whether the directory name below stage/ is a stage: its lock is
// next to it, which the writer creates first and removes last.
func (s Store) OwnsStage(name string) (bool, error) {
	if !isStage(name) {
		return false, nil
	}
	info, err := s.Data.Lstat(path.Join(Stages, name))
	if err != nil || !info.IsDir() {
		return false, rootfs.IgnoreMissing(err)
	}
	return rootfs.IsLock(s.Data, path.Join(Stages, name+rootfs.LockSuffix))
}

// ForeignIn returns the files and directories in the directory of generation n that
// this package did not write. Because of them the directory cannot be dropped.
func (s Store) ForeignIn(n uint64) (foreign []string, err error) {
	dir := generationDir(n)
	err = fs.WalkDir(s.Data.FS(), dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir() && (name == dir || IsGenerationDir(name)):
			return nil
		case d.IsDir():
			foreign = append(foreign, name)
			return fs.SkipDir
		}
		own, err := s.OwnsData(name)
		if err == nil && !own {
			foreign = append(foreign, name)
		}
		return err
	})
	return foreign, err
}

// removeOwn removes name below the data root if this package wrote it.
func (s Store) removeOwn(name string) error {
	own, err := s.OwnsData(name)
	if err != nil || !own {
		return err
	}
	return rootfs.IgnoreMissing(s.Data.Remove(name))
}

// removeOwnState removes name below the state root if this package wrote it. kept
// reports that it was left alone because something else has that name.
func (s Store) removeOwnState(name string) (kept bool, err error) {
	own, err := s.OwnsState(name)
	if err != nil {
		return false, err
	}
	if own {
		return false, rootfs.IgnoreMissing(s.State.Remove(name))
	}
	_, err = s.State.Lstat(name)
	return err == nil, rootfs.IgnoreMissing(err)
}
