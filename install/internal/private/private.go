// Package private holds the bytes of one artifact where no other process can change
// them between the moment they are proved and the moment they are used.
//
// A file below the cache has a name. Whoever may write to it, or had it open when it
// was made, can change it after it was hashed. A private File has no name: it lies in
// memory that the kernel seals against writing (memfd_create(2), Linux), or in a file
// of the cache's file system that lost its only name before anything was written to it.
// So the bytes that are hashed there are the bytes that are decoded.
package private

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// A Budget bounds how much memory the Files that share it take together. What does
// not fit lies on the disk. The nil Budget has no memory at all.
type Budget struct {
	bytes int64
	free  *semaphore.Weighted
}

// NewBudget returns a Budget of so many bytes.
func NewBudget(bytes int64) *Budget {
	return &Budget{bytes, semaphore.NewWeighted(max(bytes, 0))}
}

// Fits reports whether a File of this size can lie in memory if no other does.
func (b *Budget) Fits(size int64) bool { return b != nil && inMemory && size <= b.bytes }

func (b *Budget) take(size int64) bool { return b.Fits(size) && b.free.TryAcquire(size) }

func (b *Budget) giveBack(size int64) {
	if size > 0 {
		b.free.Release(size)
	}
}

// step is by how much a File of unknown size asks for more memory.
const step = 4 << 20

// A File is written by one process, sealed, and then only read. Several goroutines may
// write and read parts of it at the same time if its size was stated.
type File struct {
	dir    *os.Root // where it lies if it does not fit in memory
	sub    string
	budget *Budget

	write, read *os.File // one and the same in memory
	memory      int64    // bytes taken from the budget; -1: it lies on the disk
	closed      sync.Once
}

// New makes an empty File for size bytes, 0 if that is not known. Where the budget is
// used up, it lies in the directory sub of dir.
func New(dir *os.Root, sub string, size int64, b *Budget) (*File, error) {
	f := &File{dir: dir, sub: sub, budget: b}
	if b.take(size) {
		if m, err := newMemory(); err == nil {
			f.write, f.read, f.memory = m, m, size
			return f, nil
		}
		b.giveBack(size)
	}
	f.memory = -1
	var err error
	f.write, f.read, err = rootfs.CreateUnnamed(dir, sub)
	return f, err
}

// InMemory reports whether f lies in memory.
func (f *File) InMemory() bool { return f.memory >= 0 }

// WriteAt is io.WriterAt. A File that outgrows its budget moves to the disk.
func (f *File) WriteAt(p []byte, offset int64) (int, error) {
	if end := offset + int64(len(p)); f.InMemory() && end > f.memory {
		if more := max(end-f.memory, step); f.budget.take(more) {
			f.memory += more
		} else if err := f.moveToDisk(); err != nil {
			return 0, err
		}
	}
	return f.write.WriteAt(p, offset)
}

func (f *File) moveToDisk() error {
	write, read, err := rootfs.CreateUnnamed(f.dir, f.sub)
	if err != nil {
		return err
	}
	size, err := f.write.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = io.Copy(write, io.NewSectionReader(f.read, 0, size))
	}
	if err != nil {
		return errors.Join(err, write.Close(), read.Close())
	}
	err = f.write.Close()
	f.budget.giveBack(f.memory)
	f.write, f.read, f.memory = write, read, -1
	return err
}

// ReadAt is io.ReaderAt.
func (f *File) ReadAt(p []byte, offset int64) (int, error) { return f.read.ReadAt(p, offset) }

// Reader returns the file for reading. Its offset is that of every other reader: use
// ReadAt, or read it alone.
func (f *File) Reader() *os.File { return f.read }

// A Source is what CopyFrom reads: a file from its start, or a part of one. Its Read and
// ReadAt give the same bytes.
type Source interface {
	io.Reader
	io.ReaderAt
}

// CopyFrom fills the empty File f with the first size bytes of src, or all of them if
// there are fewer, calls each for every piece of what f then holds, and returns how many
// bytes that is. A file system that can share the bytes of two files shares them.
func (f *File) CopyFrom(ctx context.Context, src Source, size int64, each func(p []byte)) (n int64, err error) {
	var from io.ReaderAt = src
	write := f.WriteAt
	if !f.InMemory() {
		if err := f.clone(ctx, src, size); err != nil {
			return 0, err
		}
		from, write = f.read, func(p []byte, _ int64) (int, error) { return len(p), nil }
	}
	buffer := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		m, err := from.ReadAt(buffer[:min(int64(len(buffer)), size-n)], n)
		if _, err := write(buffer[:m], n); err != nil {
			return n, err
		}
		each(buffer[:m])
		n += int64(m)
		switch {
		case err == io.EOF || err == nil && n == size:
			return n, nil
		case err != nil:
			return n, err
		}
	}
}

// clone has the system copy src to the disk, a part at a time.
func (f *File) clone(ctx context.Context, src io.Reader, size int64) error {
	const part = 64 << 20
	for done := int64(0); done < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.Copy(f.write, io.LimitReader(src, min(part, size-done))) // copy_file_range(2)
		if done += n; err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// Seal ends writing: from then on nobody can change f, and Reader is open for reading
// alone, or sealed.
func (f *File) Seal() error {
	if f.InMemory() {
		if err := seal(f.write); err != nil {
			return fmt.Errorf("seal memory: %w", err)
		}
		return nil
	}
	if f.write == nil {
		return nil
	}
	err := f.write.Close()
	f.write = nil
	return err
}

// Close gives the bytes up.
func (f *File) Close() (err error) {
	f.closed.Do(func() {
		if f.write != nil && f.write != f.read {
			err = f.write.Close()
		}
		err = errors.Join(err, f.read.Close())
		if f.InMemory() {
			f.budget.giveBack(f.memory)
		}
	})
	return err
}
