package store

import (
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// A Leftover is something that an interrupted change left, and that the next one mends.
type Leftover struct {
	Path   string `json:"path"` // absolute
	Reason string `json:"reason"`
}

// Holder reports whether a process holds the lock of the store, and how it described itself.
func (s Store) Holder() (holder string, held bool, err error) {
	if s.Data == nil {
		return "", false, nil
	}
	return rootfs.Holder(s.Data, LockFile)
}

// Leftovers returns what Sweep and DropUncommitted would remove. It changes nothing. While
// another process changes the store, what that process is writing counts, too.
func (s Store) Leftovers() (found []Leftover, err error) {
	add := func(root *os.Root, name, reason string) {
		found = append(found, Leftover{filepath.Join(root.Name(), filepath.FromSlash(name)), reason})
	}
	stages, err := s.staleStages()
	if err != nil {
		return nil, err
	}
	for _, name := range stages {
		add(s.Data, name, "left by an install that did not end")
	}
	for _, at := range s.tempDirs() {
		names, err := list(at.root, at.dir)
		if err != nil {
			return found, err
		}
		for _, name := range names {
			if rootfs.IsTemp(name) {
				add(at.root, path.Join(at.dir, name), "a temporary file")
			}
		}
	}
	uncommitted, err := s.uncommitted()
	for _, n := range uncommitted {
		if foreign, err := s.ForeignIn(n); err == nil && len(foreign) == 0 {
			add(s.Data, generationDir(n), "a generation that was never in force")
		}
	}
	return found, err
}

// Obstacles returns what has the name of one of the locks of the store and is another file:
// as long as it is there, nothing can be changed, or a stage cannot be removed.
func (s Store) Obstacles() (found []Leftover, err error) {
	names, err := list(s.Data, Stages)
	locks := []string{LockFile}
	for _, name := range names {
		if stage, ok := strings.CutSuffix(name, rootfs.LockSuffix); ok && isStage(stage) {
			locks = append(locks, path.Join(Stages, name))
		}
	}
	for _, root := range []*os.Root{s.Data, s.State} {
		if root == nil {
			continue
		}
		for _, name := range locks {
			if _, err := root.Lstat(name); err != nil {
				continue
			}
			if own, err := rootfs.IsLock(root, name); err == nil && !own {
				found = append(found, Leftover{filepath.Join(root.Name(), filepath.FromSlash(name)), rootfs.NotALock})
			}
		}
	}
	return found, err
}

// staleStages returns the stages and the locks of stages that have no writer.
func (s Store) staleStages() (stale []string, err error) {
	names, err := list(s.Data, Stages)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, name := range names {
		name = strings.TrimSuffix(name, rootfs.LockSuffix)
		at := path.Join(Stages, name)
		if !isStage(name) || seen[name] {
			continue
		}
		seen[name] = true
		if own, err := rootfs.IsLock(s.Data, at+rootfs.LockSuffix); err != nil || !own {
			continue // Obstructed describes it
		}
		if _, held, err := rootfs.Holder(s.Data, at+rootfs.LockSuffix); err != nil || held {
			continue
		}
		stale = append(stale, at)
	}
	return stale, nil
}
