package install

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxMounts is the size in bytes of a table of mounts, some hundred each: far
// more than the 100,000 mounts that Linux allows in a namespace.
const maxMounts = 64 << 20

// thisMounts reads the mounts of this mount namespace. Where /proc is not
// mounted, such as in a bare chroot, there is no table, and directories are
// compared by device and inode alone.
func thisMounts() (mounts, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if errors.Is(err, fs.ErrNotExist) {
		return mounts{}, nil
	}
	if err != nil {
		return mounts{}, fmt.Errorf("table of mounts: %w", err)
	}
	defer f.Close()
	table, err := io.ReadAll(io.LimitReader(f, maxMounts+1))
	if err != nil {
		return mounts{}, fmt.Errorf("table of mounts: %w", err)
	}
	if len(table) > maxMounts {
		return mounts{}, fmt.Errorf("table of mounts: longer than %d bytes", maxMounts)
	}
	return parseMounts(string(table))
}
