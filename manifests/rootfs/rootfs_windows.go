package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"golang.org/x/sys/windows"
)

const openNonblock = 0 // directories on Windows contain no pipes

// syncDir does nothing: NTFS journals its directories, and their handles cannot
// be flushed.
func syncDir(*os.File) error { return nil }

func syncFS(*os.File) (done bool, err error) { return false, nil }

// syncOne skips a file that is marked read-only, since a flush needs a handle that is
// open for writing.
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

// lockedByte is the range that a lock covers: one byte far behind the text that names
// the holder, because on Windows others cannot read a locked range.
func lockedByte() *windows.Overlapped {
	return &windows.Overlapped{Offset: math.MaxUint32 - 1, OffsetHigh: math.MaxInt32}
}

// lockFile locks f without waiting. busy is true if another process holds the lock.
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

// Space returns the bytes that are free for this user on the volume of root. Windows
// counts no inodes: that result is the largest int64.
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

// KeepsStamps returns false: on Windows any program can set all times of a file.
func (Dir) KeepsStamps() bool { return false }

// NoExec returns false: Windows has no volumes from which programs cannot be started.
func NoExec(*os.Root) bool { return false }

// Volume identifies the file system of root: directories with the same Volume are on
// the same one.
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
