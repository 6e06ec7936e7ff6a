package rootfs

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

func syncFS(f *os.File) (done bool, err error) {
	err = retry(func() error { return unix.Syncfs(int(f.Fd())) })
	if errors.Is(err, unix.ENOSYS) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("syncfs %s: %w", f.Name(), err)
	}
	return true, nil
}

func renameNoReplace(root *os.Root, old, new string) error {
	return renameByDirs(root, old, new, func(oldDir int, oldName string, newDir int, newName string) error {
		return unix.Renameat2(oldDir, oldName, newDir, newName, unix.RENAME_NOREPLACE)
	})
}

// Space returns how many bytes and inodes are free for this user on the file system
// of root. Where inodes are not counted (btrfs), that result is the largest int64.
func Space(root *os.Root) (free, inodes int64, err error) {
	f, err := root.Open(".")
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	var s unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(int(f.Fd()), &s) }); err != nil {
		return 0, 0, fmt.Errorf("statfs %s: %w", f.Name(), err)
	}
	unit := s.Frsize
	if unit == 0 {
		unit = s.Bsize
	}
	free, inodes = times(s.Bavail, int64(unit)), int64(min(s.Ffree, math.MaxInt64))
	if s.Files == 0 {
		inodes = math.MaxInt64
	}
	return free, inodes, nil
}

// NoExec reports whether the file system of root is known to be mounted noexec.
func NoExec(root *os.Root) bool {
	f, err := root.Open(".")
	if err != nil {
		return false
	}
	defer f.Close()
	var s unix.Statfs_t
	err = retry(func() error { return unix.Fstatfs(int(f.Fd()), &s) })
	return err == nil && s.Flags&unix.ST_NOEXEC != 0
}

// KeepsStamps reports whether the stamps of d's file system are reliable: it must be
// a local one of a known kind. A file server may report stamps that are a minute old.
func (d Dir) KeepsStamps() bool {
	var s unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(int(d.self.Fd()), &s) }); err != nil {
		return false
	}
	switch int64(s.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC,
		unix.OVERLAYFS_SUPER_MAGIC, 0x2fc12fc1 /* zfs */, 0xca451a4e /* bcachefs */ :
		return true
	}
	return false
}
