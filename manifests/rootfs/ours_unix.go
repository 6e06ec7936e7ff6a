//go:build unix

package rootfs

import (
	"os"
	"syscall"
)

// IsOurs reports whether f belongs to this process's user, is not writable by group or
// others, and has no second hard link, which could be another user's file.
func IsOurs(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && info.Mode().Perm()&0o022 == 0 && stat.Nlink == 1
}
