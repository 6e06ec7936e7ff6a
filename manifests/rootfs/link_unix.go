//go:build linux || darwin

package rootfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// linkByDirs makes name, below to, a hard link to old, below from.
func linkByDirs(from *os.Root, old string, to *os.Root, name string) error {
	return withDirs("link", from, old, to, name, func(oldDir int, oldName string, newDir int, newName string) error {
		return unix.Linkat(oldDir, oldName, newDir, newName, 0) // without AT_SYMLINK_FOLLOW
	})
}
