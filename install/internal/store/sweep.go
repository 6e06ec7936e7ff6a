package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// A Stuck is something that a crash left behind and that cannot be removed. The caller
// can go on, because it does no harm there.
type Stuck struct {
	Path, Reason string
	// Broken is the error if the disk failed, and nil if something is in the way.
	Broken error
}

func (s *Stuck) String() string { return s.Path + " " + s.Reason }

func stuckAt(root *os.Root, name string, err error) *Stuck {
	s := &Stuck{Path: filepath.Join(root.Name(), filepath.FromSlash(name)), Reason: fmt.Sprintf("cannot be removed: %v", err)}
	if errors.Is(err, syscall.EIO) {
		s.Broken = err
	}
	return s
}

// Sweep removes what a crash left half-written: stages without a writer, and temporary
// files. It goes on after a failure, and returns all of them. The caller must hold the
// lock.
func (s Store) Sweep() (stuck []*Stuck) {
	stuck = s.sweepStages()
	for _, at := range s.tempDirs() {
		stuck = append(stuck, sweepTemps(at.root, at.dir)...)
	}
	return stuck
}

// A tempDir is a directory in which an interrupted write leaves a temporary file.
type tempDir struct {
	root *os.Root
	dir  string
}

func (s Store) tempDirs() []tempDir {
	return []tempDir{{s.Data, "."}, {s.State, Receipts}, {s.State, Marks}}
}

func sweepTemps(root *os.Root, dir string) (stuck []*Stuck) {
	names, err := list(root, dir)
	if err != nil {
		return []*Stuck{stuckAt(root, dir, err)}
	}
	for _, name := range names {
		if !rootfs.IsTemp(name) {
			continue
		}
		name = path.Join(dir, name)
		if err := rootfs.IgnoreMissing(root.Remove(name)); err != nil {
			stuck = append(stuck, stuckAt(root, name, err))
		}
	}
	return stuck
}

func (s Store) sweepStages() (stuck []*Stuck) {
	names, err := list(s.Data, Stages)
	if err != nil {
		return []*Stuck{stuckAt(s.Data, Stages, err)}
	}
	swept := map[string]bool{}
	for _, name := range names {
		name = strings.TrimSuffix(name, rootfs.LockSuffix)
		if !isStage(name) || swept[name] {
			continue // not kist's, or done: the stage and its lock are both listed
		}
		swept[name] = true
		own, err := rootfs.IsLock(s.Data, path.Join(Stages, name+rootfs.LockSuffix))
		switch {
		case err != nil:
			stuck = append(stuck, stuckAt(s.Data, path.Join(Stages, name), err))
		case !own:
			if err := s.Obstructed(name); err != nil {
				stuck = append(stuck, err)
			}
		default:
			if err := s.sweepStage(path.Join(Stages, name)); err != nil {
				stuck = append(stuck, err)
			}
		}
	}
	return stuck
}

// Obstructed returns an error if the directory name below stage/ has the name of a
// stage but another file has the name of its lock, so that nothing shows that kist made
// the directory. It returns nil if there is no such file or directory.
func (s Store) Obstructed(name string) *Stuck {
	dir := path.Join(Stages, name)
	info, err := s.Data.Lstat(dir)
	if !isStage(name) || err != nil || !info.IsDir() {
		return nil
	}
	lock := dir + rootfs.LockSuffix
	if own, err := rootfs.IsLock(s.Data, lock); own || err != nil {
		return nil
	}
	if _, err := s.Data.Lstat(lock); err != nil {
		return nil
	}
	return stuckAt(s.Data, dir, &rootfs.ObstacleError{Path: filepath.Join(s.Data.Name(), filepath.FromSlash(lock)), Reason: rootfs.NotALock})
}

// sweepStage removes the stage dir and its lock, if the stage has no writer.
func (s Store) sweepStage(dir string) *Stuck {
	lock, err := rootfs.TryLock(s.Data, dir+rootfs.LockSuffix, "sweep")
	if _, busy := errors.AsType[*rootfs.BusyError](err); busy {
		return nil
	}
	if err != nil {
		if _, missing := s.Data.Lstat(dir); missing != nil {
			dir += rootfs.LockSuffix // only the lock exists
		}
		return stuckAt(s.Data, dir, err)
	}
	if err := removeStage(s.Data, dir); err != nil {
		// The lock file stays, so that the next sweep recognizes the rest as a stage.
		return stuckAt(s.Data, dir, errors.Join(err, lock.Unlock()))
	}
	if err := lock.Remove(); err != nil {
		return stuckAt(s.Data, dir+rootfs.LockSuffix, err)
	}
	s.reached("stage swept")
	return nil
}

// removeStage removes the directory dir of data, and everything in it. A compromised
// unpacker may have made directories that not even their owner can list.
func removeStage(data *os.Root, dir string) error {
	err := data.RemoveAll(dir)
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if root, err := data.OpenRoot(dir); err == nil {
		unlockDirs(root)
		root.Close()
	}
	return data.RemoveAll(dir)
}

// unlockDirs gives each directory below root a mode with which its owner can empty it.
// It ignores errors, since the removal that follows fails with the reason.
func unlockDirs(root *os.Root) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		root.Chmod(e.Name(), 0o700)
		if sub, err := root.OpenRoot(e.Name()); err == nil {
			unlockDirs(sub)
			sub.Close()
		}
	}
}
