//go:build linux || darwin

package rootfs

import (
	"errors"
	"math"
	"math/bits"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// renameByDirs opens the directories of both names and passes their descriptors and
// the last elements to call. If the system or the file system does not support the
// call, the error is errors.ErrUnsupported.
func renameByDirs(root *os.Root, old, new string, call func(oldDir int, oldName string, newDir int, newName string) error) error {
	from, err := root.Open(path.Dir(old))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := root.Open(path.Dir(new))
	if err != nil {
		return err
	}
	defer to.Close()
	err = retry(func() error { return call(int(from.Fd()), path.Base(old), int(to.Fd()), path.Base(new)) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOTSUP):
		return errors.ErrUnsupported
	}
	return &os.LinkError{Op: "rename", Old: old, New: new, Err: err}
}

// times returns blocks*size, or the largest int64 on overflow.
func times(blocks uint64, size int64) int64 {
	high, low := bits.Mul64(blocks, uint64(size))
	if high != 0 || low > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(low)
}
