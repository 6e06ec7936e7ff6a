//go:build unix

package rootfs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openNonblock is the flag with which opening a pipe does not block.
const openNonblock = unix.O_NONBLOCK

func syncDir(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// syncOne writes one file to the disk. On macOS the data may still be in the disk's
// own cache, which the full sync of the root at the end of the walk flushes.
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

// lockFile locks f without waiting. busy is true if another process holds the lock.
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

// Volume identifies the file system of root: directories with the same Volume are on
// the same one. Directories of one file system can differ too (subvolumes of btrfs).
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
