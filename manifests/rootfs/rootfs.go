// Package rootfs holds the few operations that os.Root lacks: writing a file or
// a link in one step, renaming without replacing, locking, and making changes
// durable.
//
// Every operation takes an *os.Root and a slash-separated name below it, and
// reaches the disk through that root alone, so that no symbolic link, no ".."
// and no directory that is swapped meanwhile leads out of it. A Dir is for many
// operations in one directory: it accepts only names directly in that directory,
// and follows no links.
//
// Once a call has returned, its writes survive a crash of the machine. Until then
// a reader finds either the old or the new content. A crash may leave a temporary
// file next to the target; IsTemp recognizes its name, and IsNamedTemp that of
// ReplaceFile and Batch.
//
// Locks are advisory, between processes that use this package: flock(2), or
// LockFileEx on Windows. They end with the process that holds them, however it
// ends. A stage directory d is locked by d + LockSuffix, which is locked before d
// is created and removed after d, so that a process that gets that lock knows that
// no other process is using d.
package rootfs

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	tempPrefix = ".kist-"
	tempSuffix = ".tmp"
)

// randomSize is how many of the 26 characters in a temporary file's name are random
// (80 bits); the others are a checksum of those, which shows that this package made
// the name.
const randomSize = 16

// IsTemp reports whether the last element of name is the name of a temporary file or
// link of this package, which is all that an interrupted write can leave behind. No
// other program makes such a name, because it contains its own checksum.
func IsTemp(name string) bool {
	random, ok := strings.CutPrefix(path.Base(name), tempPrefix)
	random, tmp := strings.CutSuffix(random, tempSuffix)
	return ok && tmp && len(random) == 26 && random[randomSize:] == tempCheck(random[:randomSize])
}

func tempCheck(random string) string {
	sum := sha256.Sum256([]byte("kist temporary file " + random))
	return base32.StdEncoding.EncodeToString(sum[:])[:26-randomSize]
}

// SweepTemps removes the temporary files and links in dir. The caller must know that
// no process is writing there. It does nothing if dir does not exist.
func SweepTemps(root *os.Root, dir string) error {
	entries, err := ReadDir(root, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !IsTemp(e.Name()) || e.IsDir() {
			continue
		}
		if err := root.Remove(path.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func tempBeside(name string) string {
	random := rand.Text()[:randomSize]
	return path.Join(path.Dir(name), tempPrefix+random+tempCheck(random)+tempSuffix)
}

// isElement reports whether name is a single path element other than "." and "..".
func isElement(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00"+string(os.PathSeparator))
}

// checkElement returns an error of the operation op unless name is a single path element.
func checkElement(op, name string) error {
	if isElement(name) {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
}

// WriteFile is WriteFrom for data in memory.
func WriteFile(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	return WriteFrom(root, name, bytes.NewReader(data), int64(len(data)), perm)
}

// WriteFileUnsynced is WriteFile without the syncs: a crash of the machine may undo it.
func WriteFileUnsynced(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	return writeUnsynced(root, tempBeside(name), name, bytes.NewReader(data), int64(len(data)), perm, func(*os.File) error { return nil })
}

// WriteFrom makes name a regular file with the bytes that content writes, replacing a
// file or link of that name in one step. perm is subject to the umask. If content
// writes more than limit bytes, the error matches ErrTooLarge. On an error name is
// unchanged, unless the last step failed, the fsync of its directory.
func WriteFrom(root *os.Root, name string, content io.WriterTo, limit int64, perm fs.FileMode) error {
	return writeVia(root, tempBeside(name), name, content, limit, perm)
}

// writeVia is WriteFrom by way of the temporary file temp.
func writeVia(root *os.Root, temp, name string, content io.WriterTo, limit int64, perm fs.FileMode) error {
	if err := writeUnsynced(root, temp, name, content, limit, perm, (*os.File).Sync); err != nil {
		return err
	}
	return SyncDir(root, path.Dir(name))
}

// writeUnsynced is writeVia without the sync of the directory. sync is called with the
// whole file before it is renamed.
func writeUnsynced(root *os.Root, temp, name string, content io.WriterTo, limit int64, perm fs.FileMode, sync func(*os.File) error) error {
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return named(name, err)
	}
	_, err = content.WriteTo(&bounded{f, limit, tooLarge(f, limit)})
	if err == nil {
		err = sync(f)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		root.Remove(temp)
		return named(name, err)
	}
	return nil
}

// A bounded writer fails with full once more than left bytes are written.
type bounded struct {
	w    io.Writer
	left int64
	full error
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, b.full
	}
	b.left -= int64(len(p))
	return b.w.Write(p)
}

// ReplaceLink makes name a symbolic link to target, replacing a file or link of
// that name in one step; a directory of that name is an error. It does not check
// who made the file that it replaces; the caller does.
func ReplaceLink(root *os.Root, target, name string) error {
	temp := tempBeside(name)
	if err := root.Symlink(target, temp); err != nil {
		return named(name, err)
	}
	if err := root.Rename(temp, name); err != nil {
		root.Remove(temp)
		return named(name, err)
	}
	return SyncDir(root, path.Dir(name))
}

// IsNotEmpty reports whether err means that a directory could not be removed because
// it is not empty.
func IsNotEmpty(err error) bool {
	return errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrExist)
}

// IgnoreMissing returns nil for the error of a name that is missing, as is every name
// below something that is not a directory.
func IgnoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return err
}

// RemoveEmptyDirs removes those of the directories that are empty, in this order.
func RemoveEmptyDirs(root *os.Root, names ...string) error {
	for _, name := range names {
		info, err := root.Lstat(name)
		if err == nil && info.IsDir() {
			err = root.Remove(name)
		}
		if err := IgnoreMissing(err); err != nil && !IsNotEmpty(err) {
			return err
		}
	}
	return nil
}

var (
	// ErrTooLarge is returned for a file that is, or would be, longer than its reader accepts.
	ErrTooLarge = errors.New("too large")
	// ErrNotRegular is returned where a regular file was expected and something else found.
	ErrNotRegular = errors.New("not a regular file")
	// ErrNotDir is returned where a directory was expected and something else found.
	ErrNotDir = errors.New("is not a real directory")
)

// An ObstacleError reports that something else has the name of a directory or a lock
// that kist needs: a file, a pipe, or a link that leads out of the root or nowhere.
// Nothing may be written to it. It matches fs.ErrExist.
type ObstacleError struct {
	Path   string
	Reason string // NotADir or NotALock
}

// The reasons of an ObstacleError.
const (
	NotADir  = "is not a directory"
	NotALock = "has the name of a lock but is another file"
)

func (e *ObstacleError) Error() string { return e.Path + " " + e.Reason }
func (*ObstacleError) Kind() string    { return "refused" }
func (e *ObstacleError) Unwrap() error { return fs.ErrExist }

// ReadFile returns the content of the regular file name. If the file is longer than
// limit bytes, the error matches ErrTooLarge. A pipe, device or directory is
// ErrNotRegular; opening one never blocks.
func ReadFile(root *os.Root, name string, limit int64) ([]byte, error) {
	var b bytes.Buffer
	err := Read(root, name, limit, func(r io.Reader, size int64) error {
		b.Grow(int(size) + bytes.MinRead) // room for the last read too, which finds the end
		_, err := b.ReadFrom(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Read is ReadFile for a long file, whose content it passes to read as a stream. size
// is the size of the file when it is opened.
func Read(root *os.Root, name string, limit int64, read func(r io.Reader, size int64) error) error {
	f, err := openRegular(root, name, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() > limit {
		return tooLarge(f, limit)
	}
	limited := &io.LimitedReader{R: f, N: limit + 1}
	err = read(limited, info.Size())
	if limited.N == 0 {
		return tooLarge(f, limit)
	}
	return err
}

func tooLarge(f *os.File, limit int64) error {
	return fmt.Errorf("%s: %w: more than %d bytes", f.Name(), ErrTooLarge, limit)
}

// OpenRegular opens the regular file name for reading. A FIFO in its place is an
// error; opening it does not block.
func OpenRegular(root *os.Root, name string) (*os.File, error) {
	return openRegular(root, name, os.O_RDONLY, 0)
}

func openRegular(root *os.Root, name string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := root.OpenFile(name, flag|openNonblock, perm)
	if err != nil {
		return nil, err
	}
	return closeIfNotRegular(f)
}

// closeIfNotRegular returns f, or closes it and returns an error if it is not a
// regular file.
func closeIfNotRegular(f *os.File) (*os.File, error) {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: f.Name(), Err: ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// MkdirAll makes the directory name and its missing parents, all with perm (subject
// to the umask), and returns the ones it made, outermost first. It returns them on an
// error too, so that the caller can remove them. The error is an *ObstacleError if
// something other than a directory has one of these names.
func MkdirAll(root *os.Root, name string, perm fs.FileMode) (made []string, err error) {
	made, err = MkdirAllUnsynced(root, name, perm)
	for _, dir := range made {
		err = errors.Join(err, SyncDir(root, path.Dir(dir)))
	}
	return made, err
}

// MkdirAllUnsynced is MkdirAll for directories that may be lost in a crash of the
// machine, or whose parents are synced later.
func MkdirAllUnsynced(root *os.Root, name string, perm fs.FileMode) (made []string, err error) {
	name = path.Clean(name)
	if name == "." {
		return nil, nil
	}
	made, err = MkdirAllUnsynced(root, path.Dir(name), perm)
	if err != nil {
		return made, err
	}
	err = root.Mkdir(name, perm)
	if errors.Is(err, fs.ErrExist) {
		return made, checkDir(root, name)
	}
	if err != nil {
		return made, err
	}
	return append(made, name), nil
}

// checkDir returns an *ObstacleError if name, which exists, is not a directory below root
// or a link to one.
func checkDir(root *os.Root, name string) error {
	info, err := root.Stat(name)
	if err == nil && info.IsDir() || errors.Is(err, fs.ErrPermission) {
		return err
	}
	for _, trouble := range []error{syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, trouble) { // nobody knows what it is
			return err
		}
	}
	if _, lstatErr := root.Lstat(name); lstatErr != nil {
		return lstatErr
	}
	return &ObstacleError{filepath.Join(root.Name(), filepath.FromSlash(name)), NotADir}
}

// RenameNoReplace renames old to new, both below root. If new exists, the error
// matches fs.ErrExist. Where the system or the file system cannot do this in one
// step (NFS, some FUSE), it checks first and then renames: a file made in between is
// replaced, but never a directory that is not empty. It syncs neither directory; the
// caller does, once.
func RenameNoReplace(root *os.Root, old, new string) error {
	err := renameNoReplace(root, old, new)
	if errors.Is(err, errors.ErrUnsupported) {
		return checkThenRename(root, old, new)
	}
	return err
}

func checkThenRename(root *os.Root, old, new string) error {
	if _, err := root.Lstat(new); err == nil {
		return &os.LinkError{Op: "rename", Old: old, New: new, Err: fs.ErrExist}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return root.Rename(old, new)
}

// named replaces the name of a temporary file in err by name, which the caller knows.
func named(name string, err error) error {
	var pathErr *fs.PathError
	var linkErr *os.LinkError
	switch {
	case errors.As(err, &pathErr):
		return &fs.PathError{Op: pathErr.Op, Path: name, Err: pathErr.Err}
	case errors.As(err, &linkErr):
		return &fs.PathError{Op: linkErr.Op, Path: name, Err: linkErr.Err}
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Probe checks that files can be created in root by creating one and removing it. It
// fails for lack of permission, on a read-only or full file system, and at a quota.
func Probe(root *os.Root) error {
	_, err := Clock(root)
	return err
}
