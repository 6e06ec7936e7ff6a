//go:build linux || darwin

package rootfs

import (
	"errors"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// withDirs opens the directories of both names and passes their descriptors and the last
// elements to call, which does op. If the system or the file system does not support the
// call, the error is errors.ErrUnsupported.
func withDirs(op string, oldRoot *os.Root, old string, newRoot *os.Root, new string, call func(oldDir int, oldName string, newDir int, newName string) error) error {
	from, err := oldRoot.Open(path.Dir(old))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := newRoot.Open(path.Dir(new))
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
	return &os.LinkError{Op: op, Old: old, New: new, Err: err}
}
