//go:build linux || darwin

package rootfs

import (
	"fmt"
	"math"
	"math/bits"
	"os"

	"golang.org/x/sys/unix"
)

// statfs describes the file system of f.
func statfs(f *os.File) (s unix.Statfs_t, err error) {
	if err := retry(func() error { return unix.Fstatfs(int(f.Fd()), &s) }); err != nil {
		return s, fmt.Errorf("statfs %s: %w", f.Name(), err)
	}
	return s, nil
}

// statfsOf describes the file system of root.
func statfsOf(root *os.Root) (s unix.Statfs_t, err error) {
	f, err := root.Open(".")
	if err != nil {
		return s, err
	}
	defer f.Close()
	return statfs(f)
}

// Space returns how many bytes and inodes are free for this user on the file system
// of root. Where inodes are not counted (btrfs), that result is the largest int64.
func Space(root *os.Root) (free, inodes int64, err error) {
	s, err := statfsOf(root)
	if err != nil {
		return 0, 0, err
	}
	inodes = int64(min(s.Ffree, math.MaxInt64))
	if s.Files == 0 {
		inodes = math.MaxInt64
	}
	return times(s.Bavail, blockSize(s)), inodes, nil
}

// times returns blocks*size, or the largest int64 on overflow.
func times(blocks uint64, size int64) int64 {
	high, low := bits.Mul64(blocks, uint64(size))
	if high != 0 || low > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(low)
}

// NoExec reports whether the file system of root is known to be mounted noexec.
func NoExec(root *os.Root) bool {
	s, err := statfsOf(root)
	return err == nil && s.Flags&mountedNoExec != 0
}

// KeepsStamps reports whether the stamps of d's file system are reliable: it must be
// a local one of a known kind. A file server may report stamps that are a minute old.
func (d Dir) KeepsStamps() bool {
	s, err := statfs(d.self)
	return err == nil && isLocal(s)
}
