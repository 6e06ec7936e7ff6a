//go:build unix && !linux

package install

// thisMounts has nothing to read: directories are compared by device and inode.
func thisMounts() (mounts, error) { return mounts{}, nil }
