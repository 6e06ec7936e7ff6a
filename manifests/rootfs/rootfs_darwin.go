package rootfs

import (
	"os"

	"golang.org/x/sys/unix"
)

func syncFS(*os.File) (done bool, err error) { return false, nil }

func renameNoReplace(root *os.Root, old, new string) error {
	return withDirs("rename", root, old, root, new, func(oldDir int, oldName string, newDir int, newName string) error {
		return unix.RenameatxNp(oldDir, oldName, newDir, newName, unix.RENAME_EXCL)
	})
}

const mountedNoExec = unix.MNT_NOEXEC

func blockSize(s unix.Statfs_t) int64 { return int64(s.Bsize) }

func isLocal(s unix.Statfs_t) bool { return s.Flags&unix.MNT_LOCAL != 0 }
