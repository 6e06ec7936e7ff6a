package durable

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"
)

// A Batch writes many files at once: it forces all of them to disk together,
// which takes far less time than one after the other. No file has its name before
// Commit.
type Batch struct {
	root  *os.Root
	perm  fs.FileMode
	files []pending
	dirs  []string        // that hold new names
	fresh map[string]bool // directories that Mkdir made
}

// pending is a file that is written, but not forced to disk, and has no name yet.
type pending struct{ temporary, name string }

// NewBatch begins a batch of files with permissions perm.
func NewBatch(root *os.Root, perm fs.FileMode) *Batch {
	return &Batch{root: root, perm: perm, fresh: map[string]bool{}}
}

// Mkdir makes one directory. That it exists is no error.
func (b *Batch) Mkdir(name string, perm fs.FileMode) error {
	err := b.root.Mkdir(name, perm)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	b.dirs, b.fresh[name] = append(b.dirs, path.Dir(name)), err == nil
	return err
}

// Copy writes what r yields to its end, to have name after Commit, and returns
// how many bytes that was. The directory of name exists already.
func (b *Batch) Copy(name string, r io.Reader) (n int64, err error) {
	if !b.fresh[path.Dir(name)] {
		if err := sweep(b.root, name); err != nil {
			return 0, err
		}
	}
	temporary := prefix(name) + rand.Text()
	f, err := b.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, b.perm)
	if err != nil {
		return 0, err
	}
	b.files = append(b.files, pending{temporary, name})
	b.dirs = append(b.dirs, path.Dir(name))
	n, err = io.Copy(f, r)
	return n, errors.Join(err, f.Close())
}

// Commit makes every file durable under its name. After an error some may have
// theirs; Discard removes the others.
func (b *Batch) Commit() error {
	if err := together(b.files, func(f pending) error { return syncFile(b.root, f.temporary) }); err != nil {
		return err
	}
	for len(b.files) > 0 {
		if err := b.root.Rename(b.files[0].temporary, b.files[0].name); err != nil {
			return err
		}
		b.files = b.files[1:]
	}
	slices.Sort(b.dirs)
	dirs := slices.Compact(b.dirs)
	b.dirs = nil
	return together(dirs, func(dir string) error { return SyncDir(b.root, dir) })
}

// Discard removes the files that do not have their names.
func (b *Batch) Discard() (err error) {
	for _, f := range b.files {
		err = errors.Join(err, b.root.Remove(f.temporary))
	}
	b.files = nil
	return err
}

func syncFile(root *os.Root, name string) error {
	f, err := root.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// together calls do for each of list, several at a time: a file system makes what
// is asked of it at once durable in one go.
func together[T any](list []T, do func(T) error) error {
	const workers = 16
	errs := make([]error, len(list))
	var work sync.WaitGroup
	for w := range min(workers, len(list)) {
		work.Go(func() {
			for i := w; i < len(list); i += workers {
				errs[i] = do(list[i])
			}
		})
	}
	work.Wait()
	return errors.Join(errs...)
}
