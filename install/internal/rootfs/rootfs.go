// Package rootfs holds the few operations that os.Root lacks: writing a file or
// a link in one step, renaming without replacing, locking, and making changes
// durable.
//
// Every operation takes an *os.Root and a slash-separated name below it, and
// reaches the disk through that root alone, so that no symbolic link, no ".."
// and no directory that is swapped meanwhile leads out of it. Where there is much
// to do in one directory, a Dir takes the names of what is right in it, and goes
// through no link at all.
//
// What is written survives a crash of the machine once the call has returned,
// and is either the old or the new content at any moment before. A crash may
// leave a temporary file beside the goal; IsTemp tells such names.
//
// Locks are advisory, between processes that use this package: flock(2), or
// LockFileEx on Windows. They end with the process that holds them, however it
// ends. A stage directory d is locked by d + LockSuffix, taken before d is made
// and removed after d has gone, so that whoever gets that lock knows that
// nobody is at work in d.
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

// randomSize is how many of the 26 characters that name a temporary file are random,
// 80 bits; the others are a check of these, so that a name proves to be of this package.
const randomSize = 16

// IsTemp reports whether name, or its last element, is that of a temporary file
// or link of this package: all that an interrupted write can leave behind. No other
// program gives such a name: it holds its own check.
func IsTemp(name string) bool {
	random, ok := strings.CutPrefix(path.Base(name), tempPrefix)
	random, tmp := strings.CutSuffix(random, tempSuffix)
	return ok && tmp && len(random) == 26 && random[randomSize:] == tempCheck(random[:randomSize])
}

func tempCheck(random string) string {
	sum := sha256.Sum256([]byte("kist temporary file " + random))
	return base32.StdEncoding.EncodeToString(sum[:])[:26-randomSize]
}

// SweepTemps removes the temporary files and links in dir, for a caller who knows
// that nobody is writing there. A directory that is missing holds none.
func SweepTemps(root *os.Root, dir string) error {
	f, err := root.OpenFile(dir, os.O_RDONLY|openNonblock, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := f.Readdirnames(-1)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	for _, name := range names {
		if !IsTemp(name) {
			continue
		}
		if info, err := root.Lstat(path.Join(dir, name)); err == nil && info.IsDir() {
			continue
		}
		if err := root.Remove(path.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func tempBeside(name string) string {
	random := rand.Text()[:randomSize]
	return path.Join(path.Dir(name), tempPrefix+random+tempCheck(random)+tempSuffix)
}

// isElement reports whether name is one element of a path, that leads nowhere else.
func isElement(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00"+string(os.PathSeparator))
}

// element refuses what is more than one element, for the operation what.
func element(what, name string) error {
	if isElement(name) {
		return nil
	}
	return &fs.PathError{Op: what, Path: name, Err: fs.ErrInvalid}
}

// WriteFile is WriteFrom for what is in memory.
func WriteFile(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	return WriteFrom(root, name, bytes.NewReader(data), int64(len(data)), perm)
}

// WriteFileUnsynced is WriteFile for what a crash of the machine may take back.
func WriteFileUnsynced(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	temp := tempBeside(name)
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return named(name, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		root.Remove(temp)
		return named(name, err)
	}
	return nil
}

// WriteFrom makes name a regular file that holds what content writes, limit bytes at
// most, replacing a file or link of that name in one step. perm is subject to the
// umask. More than limit is a *TooLargeError. On an error name is what it was before,
// unless the error is that of the last step, the fsync of its directory.
func WriteFrom(root *os.Root, name string, content io.WriterTo, limit int64, perm fs.FileMode) error {
	temp := tempBeside(name)
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return named(name, err)
	}
	_, err = content.WriteTo(&bounded{f, limit, &TooLargeError{f.Name(), limit}})
	if err == nil {
		err = f.Sync()
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
	return SyncDir(root, path.Dir(name))
}

// A bounded writer writes what there is room for.
type bounded struct {
	w    io.Writer
	left int64
	full error // where there is more
}

func (b *bounded) Write(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		return 0, b.full
	}
	b.left -= int64(len(p))
	return b.w.Write(p)
}

// SwapLink makes name a symbolic link to target, replacing a file or link of
// that name in one step; a directory of that name is an error. It does not ask
// whose the file is: the caller does.
func SwapLink(root *os.Root, target, name string) error {
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

// IsNotEmpty reports whether err says that a directory could not be removed because
// something is in it.
func IsNotEmpty(err error) bool {
	return errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, fs.ErrExist)
}

// A TooLargeError says that a file is, or would be, longer than its reader accepts.
type TooLargeError struct {
	Path  string
	Limit int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%s: longer than the %d bytes it may have", e.Path, e.Limit)
}

var (
	// ErrNotRegular says that something other than a regular file has the name of one.
	ErrNotRegular = errors.New("not a regular file")
	// ErrNotDir says that something other than a directory has the name of one.
	ErrNotDir = errors.New("is not a real directory")
)

// An ObstacleError says that something else has the name of a directory that kist needs:
// a file, a pipe, or a link that leads out of the root or nowhere.
type ObstacleError struct{ Path string }

func (e *ObstacleError) Error() string { return e.Path + " is not a directory" }
func (e *ObstacleError) Unwrap() error { return fs.ErrExist }

// ReadFile returns the content of the regular file name, of limit bytes at most.
// Longer ones are a *TooLargeError; a pipe, device or directory is ErrNotRegular
// and is never waited for.
func ReadFile(root *os.Root, name string, limit int64) ([]byte, error) {
	var b bytes.Buffer
	err := Read(root, name, limit, func(r io.Reader, size int64) error {
		b.Grow(int(size) + bytes.MinRead) // and that it fits is seen without growing
		_, err := b.ReadFrom(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Read is ReadFile for a long file, of which read makes what it will. size is what
// the file has when it is opened.
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
		return &TooLargeError{Path: f.Name(), Limit: limit}
	}
	most := &io.LimitedReader{R: f, N: limit + 1}
	err = read(most, info.Size())
	if most.N == 0 {
		return &TooLargeError{Path: f.Name(), Limit: limit}
	}
	return err
}

// OpenRegular opens a regular file for reading and nothing else: a FIFO in its
// place is an error, not a wait.
func OpenRegular(root *os.Root, name string) (*os.File, error) {
	return openRegular(root, name, os.O_RDONLY, 0)
}

func openRegular(root *os.Root, name string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := root.OpenFile(name, flag|openNonblock, perm)
	if err != nil {
		return nil, err
	}
	return regular(f)
}

// regular closes f if it is no regular file.
func regular(f *os.File) (*os.File, error) {
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

// MkdirAll makes the directory name and those above it that are missing, all
// with perm (subject to the umask), and returns the ones it made, outermost
// first: also where it fails half-way, so that they can be removed again. The error is an
// *ObstacleError where something else has the name of one.
func MkdirAll(root *os.Root, name string, perm fs.FileMode) (made []string, err error) {
	made, err = MkdirAllUnsynced(root, name, perm)
	for _, dir := range made {
		err = errors.Join(err, SyncDir(root, path.Dir(dir)))
	}
	return made, err
}

// MkdirAllUnsynced is MkdirAll for directories that a crash of the machine may take
// back, or whose parents are synced later.
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

// checkDir returns an *ObstacleError if name, which exists, leads to no directory below
// root.
func checkDir(root *os.Root, name string) error {
	info, err := root.Stat(name)
	if err == nil && info.IsDir() || errors.Is(err, fs.ErrPermission) {
		return err
	}
	if _, gone := root.Lstat(name); gone != nil {
		return gone
	}
	return &ObstacleError{filepath.Join(root.Name(), filepath.FromSlash(name))}
}

// RenameNoReplace renames old to new, both below root, and returns an error that
// is fs.ErrExist if something has that name already. Where the system or the
// file system cannot rename so in one step (NFS, some FUSE), it looks first and
// then renames: a file made in between is replaced, a directory that is not
// empty never is. Neither directory is synced: the caller does, once.
func RenameNoReplace(root *os.Root, old, new string) error {
	err := renameNoReplace(root, old, new)
	if errors.Is(err, errors.ErrUnsupported) {
		return lookThenRename(root, old, new)
	}
	return err
}

func lookThenRename(root *os.Root, old, new string) error {
	if _, err := root.Lstat(new); err == nil {
		return &os.LinkError{Op: "rename", Old: old, New: new, Err: fs.ErrExist}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return root.Rename(old, new)
}

// named gives an error about a temporary file the name that the caller knows.
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

// Probe reports whether names can be made in root, by making one and taking it
// away: permissions, a read-only or full file system, a quota.
func Probe(root *os.Root) error {
	_, err := Clock(root)
	return err
}
