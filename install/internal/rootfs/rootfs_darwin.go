package rootfs

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func syncFS(*os.File) (done bool, err error) { return false, nil }

func renameNoReplace(root *os.Root, old, new string) error {
	return renameByDirs(root, old, new, func(oldDir int, oldName string, newDir int, newName string) error {
		return unix.RenameatxNp(oldDir, oldName, newDir, newName, unix.RENAME_EXCL)
	})
}

// Space returns what is left on the file system of root for this user: free
// bytes, and free inodes.
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

// StampOf reads the stamp out of what was said of a regular file; ok is false
// where the file system or the system has none to rely on.
func StampOf(info fs.FileInfo) (s Stamp, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return Stamp{}, false
	}
	return Stamp{st.Ino, st.Mtimespec.Nano(), st.Ctimespec.Nano()}, true
}
