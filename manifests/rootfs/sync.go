package rootfs

import (
	"io/fs"
	"os"
	"time"
)

// SyncDir makes the entries of dir durable: names that were created, renamed or
// removed in it. It ignores the error of a file system that cannot sync directories,
// on the assumption that it does not need to.
func SyncDir(root *os.Root, dir string) error {
	f, err := root.OpenFile(dir, os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncDir(f)
}

// A Syncer makes everything below a directory durable. It must be opened before
// anything is written there, so that it learns of every failed write to the disk: the
// kernel reports each failure once to each open descriptor (errseq).
type Syncer struct {
	root *os.Root
	dir  *os.File
	quit chan struct{} // nil: Ahead was not called
	done chan error
}

// OpenSyncer opens a Syncer of root. Its user calls Sync or Close.
func OpenSyncer(root *os.Root) (*Syncer, error) {
	dir, err := root.Open(".")
	return &Syncer{root: root, dir: dir}, err
}

// pause is the time between two syncs of Ahead: long enough to sync in large pieces.
const pause = 100 * time.Millisecond

// Ahead starts to sync in the background while the caller writes, where the file
// system supports it, so that Sync has less left to do.
func (s *Syncer) Ahead() {
	quit, done := make(chan struct{}), make(chan error, 1)
	s.quit, s.done = quit, done
	go func() {
		for {
			select {
			case <-quit:
				done <- nil
				return
			case <-time.After(pause):
			}
			if ok, err := syncFS(s.dir); !ok || err != nil {
				done <- err
				return
			}
		}
	}()
}

// stop ends the background syncs of Ahead, and returns their error.
func (s *Syncer) stop() error {
	if s.quit == nil {
		return nil
	}
	close(s.quit)
	s.quit = nil
	return <-s.done
}

// Sync makes everything below the directory durable: on Linux by one syncfs(2), which
// is some twenty times quicker than a sync of each file, elsewhere by a walk that
// follows no links. It closes the Syncer.
func (s *Syncer) Sync() error {
	err := s.stop()
	defer s.dir.Close()
	if err != nil {
		return err
	}
	if done, err := syncFS(s.dir); done || err != nil {
		return err
	}
	if err := syncWalk(s.root); err != nil {
		return err
	}
	return syncDir(s.dir)
}

// Close closes the Syncer without syncing. It may be called after Sync or Close.
func (s *Syncer) Close() {
	s.stop()
	s.dir.Close()
}

func syncWalk(root *os.Root) error {
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		return syncOne(root, name, d.IsDir())
	})
}
