package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"golang.org/x/sys/windows"
)

const openNonblock = 0 // no pipe has a name below a directory

// syncDir does nothing: NTFS journals its directories, and their handles cannot
// be flushed.
func syncDir(*os.File) error { return nil }

func syncFS(*os.File) (done bool, err error) { return false, nil }

// syncOne passes over a file that is marked read-only: it cannot be opened for
// the writing that a flush asks for.
func syncOne(root *os.Root, name string, dir bool) error {
	if dir {
		return nil
	}
	f, err := root.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func renameNoReplace(*os.Root, string, string) error { return errors.ErrUnsupported }

// A lock on Windows forbids others to read what it covers, so it covers one
// byte far behind the text that names the holder.
func lockedByte() *windows.Overlapped {
	return &windows.Overlapped{Offset: math.MaxUint32 - 1, OffsetHigh: math.MaxInt32}
}

// lockFile takes the lock on f, without waiting; busy says that another has it.
// Where there are no locks the error matches errors.ErrUnsupported.
func lockFile(f *os.File) (busy bool, err error) {
	err = windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, lockedByte())
	switch {
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION), errors.Is(err, windows.ERROR_IO_PENDING):
		return true, nil
	case errors.Is(err, windows.ERROR_NOT_SUPPORTED), errors.Is(err, windows.ERROR_INVALID_FUNCTION):
		return false, fmt.Errorf("LockFileEx: %w (%w)", err, errors.ErrUnsupported)
	}
	return false, err
}

func unlockFile(f *os.File) error {
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, lockedByte())
}

// Space returns the free bytes that are left for this user on the volume of
// root. Windows counts no inodes: they are the largest int64.
func Space(root *os.Root) (free, inodes int64, err error) {
	name, err := windows.UTF16PtrFromString(root.Name())
	if err != nil {
		return 0, 0, err
	}
	var bytes uint64
	if err := windows.GetDiskFreeSpaceEx(name, &bytes, nil, nil); err != nil {
		return 0, 0, fmt.Errorf("free space of %s: %w", root.Name(), err)
	}
	return int64(min(bytes, math.MaxInt64)), math.MaxInt64, nil
}

// KeepsStamps finds none to rely on: there, anybody can set the times of a file.
func (Dir) KeepsStamps() bool { return false }

// NoExec reports whether no program on the file system of root can be started: there
// are none such.
func NoExec(*os.Root) bool { return false }

// Volume tells file systems apart: directories of which it is the same lie on
// one.
func Volume(root *os.Root) (int64, error) {
	f, err := root.Open(".")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var info windows.ByHandleFileInformation
	if err := windows.GetFileInformationByHandle(windows.Handle(f.Fd()), &info); err != nil {
		return 0, fmt.Errorf("volume of %s: %w", root.Name(), err)
	}
	return int64(info.VolumeSerialNumber), nil
}
