package rootfs

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// createUnnamed is CreateUnnamed with O_TMPFILE: the file never has a name. It needs a
// file system that supports O_TMPFILE, and /proc to open the file a second time.
func createUnnamed(root *os.Root, dir string) (write, read *os.File, err error) {
	d, err := root.Open(dir)
	if err != nil {
		return nil, nil, err
	}
	defer d.Close()
	raw, err := d.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	var fd int
	var failed error
	err = raw.Control(func(dirFD uintptr) {
		fd, failed = unix.Openat(int(dirFD), ".", unix.O_TMPFILE|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	})
	if err := errors.Join(err, os.NewSyscallError("openat O_TMPFILE", failed)); err != nil {
		return nil, nil, err
	}
	write = os.NewFile(uintptr(fd), "a file without a name")
	again, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("open", err), write.Close())
	}
	read = os.NewFile(uintptr(again), "a file without a name")
	if err := sameFile(write, read); err != nil {
		return nil, nil, errors.Join(err, write.Close(), read.Close())
	}
	return write, read, nil
}
