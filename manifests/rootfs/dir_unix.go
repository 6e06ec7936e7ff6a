//go:build unix

package rootfs

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// A Dir is an open directory. Its methods take single path elements and follow no
// links, so that nothing leads out of the directory. They need fewer system calls
// than those of os.Root, which follows links that stay inside.
type Dir struct{ self *os.File }

// OpenDir opens the directory of root itself.
func OpenDir(root *os.Root) (Dir, error) {
	self, err := root.Open(".")
	return Dir{self}, err
}

// Sub opens the directory name. The error matches ErrNotDir if name is something
// else, such as a link to a directory.
func (d Dir) Sub(name string) (sub Dir, err error) {
	err = d.withFD("open", name, func(fd int) error {
		self, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		switch {
		case err == nil:
			sub.self = os.NewFile(uintptr(self), name)
		case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
			return ErrNotDir
		}
		return err
	})
	return sub, err
}

// withFD checks name and passes the descriptor of d to call, which it repeats on EINTR.
func (d Dir) withFD(op, name string, call func(fd int) error) error {
	if err := checkElement(op, name); err != nil {
		return err
	}
	if err := retry(func() error { return call(int(d.self.Fd())) }); err != nil {
		return &fs.PathError{Op: op, Path: name, Err: err}
	}
	return nil
}

// Close closes d.
func (d Dir) Close() error { return d.self.Close() }

// Names returns the next n names in d, or fewer, and io.EOF at the end.
func (d Dir) Names(n int) ([]string, error) { return d.self.Readdirnames(n) }

// AllNames returns all names in d.
func (d Dir) AllNames() ([]string, error) {
	if _, err := d.self.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return d.self.Readdirnames(-1)
}

// Create creates the file name, which must not exist, for writing.
func (d Dir) Create(name string, perm fs.FileMode) (*File, error) {
	fd, err := d.create(name, unix.O_WRONLY, perm)
	if err != nil {
		return nil, err
	}
	return &File{name, fd}, nil
}

// CreateFile is Create for a file that is written and then read.
func (d Dir) CreateFile(name string, perm fs.FileMode) (*os.File, error) {
	fd, err := d.create(name, unix.O_RDWR, perm)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (d Dir) create(name string, flag int, perm fs.FileMode) (file int, err error) {
	err = d.withFD("create", name, func(fd int) (err error) {
		file, err = unix.Openat(fd, name, flag|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(perm.Perm()))
		return err
	})
	return file, err
}

// Open opens the regular file name for reading. It returns ErrNotRegular for
// anything else. Opening a pipe in its place does not block.
func (d Dir) Open(name string) (f *File, err error) {
	err = d.withFD("open", name, func(fd int) error {
		fd, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		switch {
		case errors.Is(err, unix.ELOOP):
			return ErrNotRegular
		case err != nil:
			return err
		}
		var s unix.Stat_t
		if err = unix.Fstat(fd, &s); err == nil && s.Mode&unix.S_IFMT != unix.S_IFREG {
			err = ErrNotRegular
		}
		if err != nil {
			unix.Close(fd)
			return err
		}
		f = &File{name, fd}
		return nil
	})
	return f, err
}

// OpenFile is Open for callers that need more than sequential reads.
func (d Dir) OpenFile(name string) (*os.File, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(f.fd), name), nil
}

// Mkdir makes the directory name.
func (d Dir) Mkdir(name string, perm fs.FileMode) error {
	return d.withFD("mkdir", name, func(fd int) error { return unix.Mkdirat(fd, name, uint32(perm.Perm())) })
}

// Symlink makes name a link to target.
func (d Dir) Symlink(target, name string) error {
	return d.withFD("symlink", name, func(fd int) error { return unix.Symlinkat(target, fd, name) })
}

// Remove removes the file, link or empty directory name.
func (d Dir) Remove(name string) error {
	return d.withFD("remove", name, func(fd int) error {
		err := unix.Unlinkat(fd, name, 0)
		// The error for a directory: EISDIR on Linux, EPERM by POSIX.
		if errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EPERM) {
			if asDir := unix.Unlinkat(fd, name, unix.AT_REMOVEDIR); !errors.Is(asDir, unix.ENOTDIR) {
				return asDir
			}
		}
		return err
	})
}

// Chmod sets the mode of the file or directory name, which must be readable.
func (d Dir) Chmod(name string, perm fs.FileMode) error {
	return d.withFD("chmod", name, func(fd int) error {
		f, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(f)
		return unix.Fchmod(f, uint32(perm.Perm()))
	})
}

// Lstat describes name.
func (d Dir) Lstat(name string) (Info, error) {
	var s unix.Stat_t
	if err := d.withFD("lstat", name, func(fd int) error { return unix.Fstatat(fd, name, &s, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return Info{}, err
	}
	return Info{Mode: modeOf(uint32(s.Mode)), Size: s.Size, Stamp: Stamp{s.Ino, s.Mtim.Nano(), s.Ctim.Nano()}}, nil
}

// Readlink returns the target of the link name.
func (d Dir) Readlink(name string) (target string, err error) {
	err = d.withFD("readlink", name, func(fd int) error {
		for room := 256; ; room *= 2 {
			b := make([]byte, room)
			n, err := unix.Readlinkat(fd, name, b)
			if err != nil || n < room {
				target = string(b[:max(n, 0)])
				return err
			}
		}
	})
	return target, err
}

// modeOf converts a mode of the system to an fs.FileMode.
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

// A File is a file in a Dir, created for writing or opened for reading. One goroutine
// at a time may use it. Unlike an os.File it makes no system calls but those for
// reading, writing and closing.
type File struct {
	name string
	fd   int
}

// Read reads up to len(p) bytes, and returns io.EOF at the end.
func (f *File) Read(p []byte) (n int, err error) {
	err = retry(func() (err error) { n, err = unix.Read(f.fd, p); return err })
	switch {
	case err != nil:
		return 0, &fs.PathError{Op: "read", Path: f.name, Err: err}
	case n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write writes all of p, or returns an error.
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
	// Linux closes the descriptor even on an error (close(2)); EINTR is harmless.
	if err := unix.Close(f.fd); err != nil && !errors.Is(err, unix.EINTR) {
		return &fs.PathError{Op: "close", Path: f.name, Err: err}
	}
	return nil
}
