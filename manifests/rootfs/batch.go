package rootfs

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"
)

// A Batch writes many files and syncs all of them to disk together, which is much
// faster than one after the other. No file has its final name before Commit.
type Batch struct {
	root  *os.Root
	perm  fs.FileMode
	files []pending
	dirs  []string        // directories with new names
	fresh map[string]bool // directories that Mkdir made
}

// A pending file is written, but neither synced to disk nor renamed to its final name.
type pending struct{ temporary, name string }

// NewBatch begins a batch of files with permissions perm.
func NewBatch(root *os.Root, perm fs.FileMode) *Batch {
	return &Batch{root: root, perm: perm, fresh: map[string]bool{}}
}

// Mkdir makes one directory. An existing directory is not an error.
func (b *Batch) Mkdir(name string, perm fs.FileMode) error {
	err := b.root.Mkdir(name, perm)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	b.dirs, b.fresh[name] = append(b.dirs, path.Dir(name)), err == nil
	return err
}

// Copy writes the content of r to a file that Commit gives the name name, and returns
// the number of bytes. The directory of name must exist.
func (b *Batch) Copy(name string, r io.Reader) (n int64, err error) {
	if !b.fresh[path.Dir(name)] {
		if err := sweepNamed(b.root, name); err != nil {
			return 0, err
		}
	}
	temporary := NamedTemp(name)
	f, err := b.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, b.perm)
	if err != nil {
		return 0, err
	}
	b.files = append(b.files, pending{temporary, name})
	b.dirs = append(b.dirs, path.Dir(name))
	n, err = io.Copy(f, r)
	return n, errors.Join(err, f.Close())
}

// Link is Copy for a file that is below the root already, under the name old. It fails on
// a file system without hard links.
func (b *Batch) Link(old, name string) error {
	temporary := NamedTemp(name)
	if err := b.root.Link(old, temporary); err != nil {
		return err
	}
	b.files = append(b.files, pending{temporary, name})
	b.dirs = append(b.dirs, path.Dir(name))
	return nil
}

// Commit makes every file durable under its final name. After an error some files may
// have theirs; Discard removes the others.
func (b *Batch) Commit() error {
	if err := concurrently(b.files, func(f pending) error { return syncFile(b.root, f.temporary) }); err != nil {
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
	return concurrently(dirs, func(dir string) error { return SyncDir(b.root, dir) })
}

// Discard removes the files that do not have their final names yet.
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

// concurrently calls do for each element of list, several at a time: file systems
// combine syncs that are requested at the same time.
func concurrently[T any](list []T, do func(T) error) error {
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
