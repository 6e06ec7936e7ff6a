package store

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// This file says which files below the two roots this package wrote. A removal takes
// those alone: the name of a file proves nothing, what it holds does. For a name that
// is missing the answer is no.

// OwnsData reports whether name, below the data root, is a file or a link of this
// package's: a lock, the link of what is in force, a part of a generation, an alias.
// Of prefixes and stages it knows nothing.
func (s Store) OwnsData(name string) (bool, error) {
	info, err := s.Data.Lstat(name)
	if err != nil {
		return false, ignoreMissing(err)
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
		return err == nil && IsAlias(target), ignoreMissing(err)
	case numbered && inside == generationFile && regular:
		data, err := rootfs.ReadFile(s.Data, name, maxGeneration)
		return isGeneration(data, n, err)
	case numbered && (inside == prepared || inside == committed):
		return regular && info.Size() == 0, nil
	case numbered && path.Dir(inside) == "bin" && link:
		target, err := s.Data.Readlink(name)
		return err == nil && isCommand(target), ignoreMissing(err)
	}
	return false, nil
}

// OwnsState reports whether name, below the state root, is a file of this package's: a
// lock, a receipt, a mark, a piece of evidence.
func (s Store) OwnsState(name string) (bool, error) {
	info, err := s.State.Lstat(name)
	if err != nil {
		return false, ignoreMissing(err)
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
		return understood(err)
	case dir == Marks+"/" && isJSON:
		_, err := s.Mark(stem)
		return understood(err)
	case dir == evidenceDir+"/":
		d, err := verify.ParseDigest("sha256:" + base)
		if err != nil || evidenceName(d) != name {
			return false, nil
		}
		_, err = s.Evidence(d)
		return understood(err)
	}
	return false, nil
}

// understood tells a file that cannot be understood, or that may not be read, and so
// cannot be shown to be kist's, from the trouble of the system that kept it from being
// read.
func understood(err error) (bool, error) {
	if errors.As(err, new(*fs.PathError)) && !errors.Is(err, rootfs.ErrNotRegular) && !errors.Is(err, fs.ErrPermission) {
		return false, ignoreMissing(err)
	}
	return err == nil, nil
}

func isGeneration(data []byte, n uint64, err error) (bool, error) {
	if err == nil {
		var g record.Generation
		if g, err = record.ParseGeneration(data); err == nil && g.Number != n {
			err = fmt.Errorf("generation %d: says it is %d", n, g.Number)
		}
	}
	return understood(err)
}

// IsAlias reports whether target is where an alias leads, and so whether a link
// below toolchains/ is kist's.
func IsAlias(target string) bool {
	id, ok := strings.CutPrefix(target, path.Join("../../..", Prefixes)+"/")
	return ok && record.ID(id).Valid()
}

// isCommand reports whether target is where a command of a generation leads.
func isCommand(target string) bool {
	inside, ok := strings.CutPrefix(target, path.Join("../../..", Prefixes)+"/")
	id, command, inner := strings.Cut(inside, "/")
	return ok && inner && command != "" && record.ID(id).Valid()
}

// isStage reports whether name is one that a stage may have.
func isStage(name string) bool {
	random, err := hex.DecodeString(name)
	return err == nil && len(random) == stageName
}

// OwnsStage reports whether the directory name below stage/ is a stage: a lock of it
// lies beside it, which its writer made first and removes last.
func (s Store) OwnsStage(name string) (bool, error) {
	if !isStage(name) {
		return false, nil
	}
	info, err := s.Data.Lstat(path.Join(Stages, name))
	if err != nil || !info.IsDir() {
		return false, ignoreMissing(err)
	}
	return rootfs.IsLock(s.Data, path.Join(Stages, name+rootfs.LockSuffix))
}

// ForeignIn names what lies in the directory of generation n and is not this
// package's: what keeps the directory from being dropped.
func (s Store) ForeignIn(n uint64) (foreign []string, err error) {
	dir := generationDir(n)
	err = fs.WalkDir(s.Data.FS(), dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case d.IsDir() && (name == dir || name == path.Join(dir, "bin")):
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

// removeOwn removes name below the data root if it is this package's.
func (s Store) removeOwn(name string) error {
	own, err := s.OwnsData(name)
	if err != nil || !own {
		return err
	}
	return ignoreMissing(s.Data.Remove(name))
}

// removeOwnState removes name below the state root if it is this package's, and
// reports whether something else has that name.
func (s Store) removeOwnState(name string) (kept bool, err error) {
	own, err := s.OwnsState(name)
	if err != nil {
		return false, err
	}
	if own {
		return false, ignoreMissing(s.State.Remove(name))
	}
	_, err = s.State.Lstat(name)
	return err == nil, ignoreMissing(err)
}

// rmdir removes the directory name where it is one, and empty.
func rmdir(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if err == nil && info.IsDir() {
		err = root.Remove(name)
	}
	if rootfs.IsNotEmpty(err) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return ignoreMissing(err)
}
