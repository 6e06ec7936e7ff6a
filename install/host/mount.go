package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// MountOf returns the root of the file system that dir is on: the topmost directory, from
// dir upward, on the same device.
func MountOf(dir string) string {
	for {
		above := filepath.Dir(dir)
		if above == dir || !OnOneDevice(dir, above) {
			return dir
		}
		dir = above
	}
}

// Reach says whether a directory can be reached.
type Reach int

// The values of Reach.
const (
	Present    Reach = iota
	Gone             // it was deleted
	OutOfReach       // its file system is not mounted, or the system cannot tell
)

// ReachOf returns whether dir can be reached. mount is what MountOf(dir) returned while it
// existed. A directory that does not exist is gone only if mount is the root of a file
// system now: otherwise perhaps a disk or a share is missing.
func ReachOf(dir, mount string) Reach {
	_, err := os.Lstat(dir)
	if err == nil {
		return Present
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) || mount == "" {
		return OutOfReach
	}
	if _, err := os.Lstat(mount); err != nil || MountOf(mount) != mount {
		return OutOfReach
	}
	return Gone
}
