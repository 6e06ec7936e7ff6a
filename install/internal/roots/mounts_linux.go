package roots

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxMounts is the largest size in bytes of a mount table. A line has some hundred
// bytes, and Linux allows 100,000 mounts in a namespace, so this is far more than needed.
const maxMounts = 64 << 20

// thisMounts reads the mounts of this mount namespace. If /proc is not mounted, as in
// a bare chroot, there is no table, and directories are compared by device and inode
// alone.
func thisMounts() (mounts, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if errors.Is(err, fs.ErrNotExist) {
		return mounts{}, nil
	}
	if err != nil {
		return mounts{}, fmt.Errorf("mount table: %w", err)
	}
	defer f.Close()
	table, err := io.ReadAll(io.LimitReader(f, maxMounts+1))
	if err != nil {
		return mounts{}, fmt.Errorf("mount table: %w", err)
	}
	if len(table) > maxMounts {
		return mounts{}, fmt.Errorf("mount table: longer than %d bytes", maxMounts)
	}
	return parseMounts(string(table))
}
