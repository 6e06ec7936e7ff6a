package rootfs

import (
	"io/fs"
	"os"
	"time"
)

// SyncDir makes the entries of dir durable: names that were made, renamed or
// removed in it. File systems that cannot sync a directory are taken at their
// word that they need not.
func SyncDir(root *os.Root, dir string) error {
	f, err := root.OpenFile(dir, os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncDir(f)
}

// A Syncer makes everything below a directory durable. It is opened before anything
// is written there, and hears of every write to the disk that fails from then on: the
// kernel tells each of them once to each descriptor (errseq), whoever else asks.
type Syncer struct {
	root *os.Root
	dir  *os.File
	quit chan struct{} // nil: nothing is made durable ahead
	done chan error
}

// OpenSyncer opens a Syncer of root. Its user calls Sync or Close.
func OpenSyncer(root *os.Root) (*Syncer, error) {
	dir, err := root.Open(".")
	return &Syncer{root: root, dir: dir}, err
}

// pause is how long is waited before what was written is made durable ahead, again
// and again: long enough to be done in large pieces.
const pause = 100 * time.Millisecond

// Ahead begins to make durable what is written, while more is written, where the
// file system can do that: Sync has less to wait for then.
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

// stop ends what Ahead began, and returns its error.
func (s *Syncer) stop() error {
	if s.quit == nil {
		return nil
	}
	close(s.quit)
	s.quit = nil
	return <-s.done
}

// Sync makes durable all that was written: by one syncfs(2) on Linux, which is some
// twenty times quicker than a sync of each file, elsewhere by a walk. Links are
// not followed. It closes the Syncer.
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

// Close closes the Syncer, where nothing is to be made durable. It may have been
// closed.
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
