package rootfs

import (
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

func syncFS(*os.File) (done bool, err error) { return false, nil }

func renameNoReplace(root *os.Root, old, new string) error {
	return renameByDirs(root, old, new, func(oldDir int, oldName string, newDir int, newName string) error {
		return unix.RenameatxNp(oldDir, oldName, newDir, newName, unix.RENAME_EXCL)
	})
}

// Space returns how many bytes and inodes are free for this user on the file system
// of root.
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
	return times(s.Bavail, int64(s.Bsize)), int64(min(s.Ffree, math.MaxInt64)), nil
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
	return err == nil && s.Flags&unix.MNT_NOEXEC != 0
}

// KeepsStamps reports whether the stamps of d's file system are reliable: it must be
// a local one. A file server may report stamps that are a minute old.
func (d Dir) KeepsStamps() bool {
	var s unix.Statfs_t
	err := retry(func() error { return unix.Fstatfs(int(d.self.Fd()), &s) })
	return err == nil && s.Flags&unix.MNT_LOCAL != 0
}
