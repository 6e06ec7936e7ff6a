//go:build unix

package rootfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openNonblock keeps the opening of a pipe from waiting for its other end.
const openNonblock = unix.O_NONBLOCK

func syncDir(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// syncOne hands one file to the disk. On macOS that leaves the disk's own cache,
// which the full sync of the root at the end of the walk empties once for all.
func syncOne(root *os.Root, name string, dir bool) error {
	f, err := root.OpenFile(name, os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	err = retry(func() error { return unix.Fsync(int(f.Fd())) })
	if err != nil && !(dir && errors.Is(err, unix.EINVAL)) {
		return fmt.Errorf("sync %s: %w", f.Name(), err)
	}
	return nil
}

// lockFile takes the lock on f, without waiting; busy says that another has it.
// Where there are no locks the error matches errors.ErrUnsupported.
func lockFile(f *os.File) (busy bool, err error) {
	err = retry(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) })
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return true, nil
	case errors.Is(err, unix.ENOLCK), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return false, fmt.Errorf("flock: %w (%w)", err, errors.ErrUnsupported)
	}
	return false, err
}

func unlockFile(f *os.File) error {
	return retry(func() error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) })
}

func retry(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// A Dir is a directory in which many files are made: os.Root itself asks the system
// five more things about each.
type Dir struct {
	*os.Root
	self *os.File
}

// OpenDir opens the directory name of root, a name without a slash.
func OpenDir(root *os.Root, name string) (Dir, error) {
	sub, err := root.OpenRoot(name)
	if err != nil {
		return Dir{}, err
	}
	self, err := sub.Open(".")
	if err != nil {
		return Dir{}, errors.Join(err, sub.Close())
	}
	return Dir{sub, self}, nil
}

// Close closes d.
func (d Dir) Close() error { return errors.Join(d.self.Close(), d.Root.Close()) }

// Create makes the file name, which must not exist, for writing. As it has to be
// new, and to lie in d itself, no link can lead it elsewhere.
func (d Dir) Create(name string, perm fs.FileMode) (*File, error) {
	if !isElement(name) {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrInvalid}
	}
	f := &File{name: name}
	err := retry(func() (err error) {
		f.fd, err = unix.Openat(int(d.self.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm.Perm()))
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	return f, nil
}

// Lstat says what name is, a name without a slash.
func (d Dir) Lstat(name string) (Info, error) {
	if !isElement(name) {
		return Info{}, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrInvalid}
	}
	var s unix.Stat_t
	if err := retry(func() error { return unix.Fstatat(int(d.self.Fd()), name, &s, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return Info{}, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	return Info{Mode: modeOf(uint32(s.Mode)), Size: s.Size, Stamp: Stamp{s.Ino, s.Mtim.Nano(), s.Ctim.Nano()}}, nil
}

// modeOf is a file's mode as package fs has it.
func modeOf(mode uint32) fs.FileMode {
	m := fs.FileMode(mode & 0o777)
	for _, bit := range []struct {
		bit  uint32
		mode fs.FileMode
	}{{unix.S_ISUID, fs.ModeSetuid}, {unix.S_ISGID, fs.ModeSetgid}, {unix.S_ISVTX, fs.ModeSticky}} {
		if mode&bit.bit != 0 {
			m |= bit.mode
		}
	}
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return m
	case unix.S_IFDIR:
		return m | fs.ModeDir
	case unix.S_IFLNK:
		return m | fs.ModeSymlink
	case unix.S_IFIFO:
		return m | fs.ModeNamedPipe
	case unix.S_IFSOCK:
		return m | fs.ModeSocket
	case unix.S_IFCHR:
		return m | fs.ModeDevice | fs.ModeCharDevice
	case unix.S_IFBLK:
		return m | fs.ModeDevice
	}
	return m | fs.ModeIrregular
}

// A File is a new file of a Dir. One goroutine at a time may use it.
type File struct {
	name string
	fd   int
}

// Write writes all of p, or returns why not.
func (f *File) Write(p []byte) (n int, err error) {
	for n < len(p) {
		var more int
		err := retry(func() (err error) { more, err = unix.Write(f.fd, p[n:]); return err })
		if err == nil && more == 0 {
			err = io.ErrShortWrite
		}
		if err != nil {
			return n, &fs.PathError{Op: "write", Path: f.name, Err: err}
		}
		n += more
	}
	return n, nil
}

// Close closes f. It must be called once.
func (f *File) Close() error {
	// Linux has closed it, whatever it says (close(2)); EINTR is no fault.
	if err := unix.Close(f.fd); err != nil && !errors.Is(err, unix.EINTR) {
		return &fs.PathError{Op: "close", Path: f.name, Err: err}
	}
	return nil
}

// Volume tells file systems apart: directories of which it is the same lie on
// one. Two names of one file system may differ all the same (subvolumes of btrfs).
func Volume(root *os.Root) (int64, error) {
	f, err := root.Open(".")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var s unix.Stat_t
	if err := retry(func() error { return unix.Fstat(int(f.Fd()), &s) }); err != nil {
		return 0, fmt.Errorf("stat %s: %w", f.Name(), err)
	}
	return int64(s.Dev), nil
}
