package rootfs

import (
	"errors"
	"fmt"
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
	return withDirs("rename", root, old, root, new, func(oldDir int, oldName string, newDir int, newName string) error {
		return unix.Renameat2(oldDir, oldName, newDir, newName, unix.RENAME_NOREPLACE)
	})
}

const mountedNoExec = unix.ST_NOEXEC

func blockSize(s unix.Statfs_t) int64 {
	if s.Frsize != 0 {
		return int64(s.Frsize)
	}
	return int64(s.Bsize)
}

func isLocal(s unix.Statfs_t) bool {
	switch int64(s.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC,
		unix.OVERLAYFS_SUPER_MAGIC, 0x2fc12fc1 /* zfs */, 0xca451a4e /* bcachefs */ :
		return true
	}
	return false
}
