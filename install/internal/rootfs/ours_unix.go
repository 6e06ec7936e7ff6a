//go:build unix

package rootfs

import (
	"os"
	"syscall"
)

// IsOurs reports whether f belongs to the user whose process this is, cannot be written
// by others, and has no second name, which could be a file of somebody else.
func IsOurs(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid() && info.Mode().Perm()&0o022 == 0 && stat.Nlink == 1
}
