package private

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// inMemory says that a File can lie in memory that nobody else can write to.
const inMemory = true

const seals = unix.F_SEAL_WRITE | unix.F_SEAL_GROW | unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL

// newMemory makes a file that lies in memory and has no name.
func newMemory() (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	// Some systems allow only memory that nothing can be run from, and kernels before
	// 6.3 do not know that there is such memory.
	fd, err := unix.MemfdCreate("kist", flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate("kist", flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "memory"), nil
}

// seal has the kernel refuse every change of f from now on.
func seal(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { _, failed = unix.FcntlInt(fd, unix.F_ADD_SEALS, seals) })
	return errors.Join(err, os.NewSyscallError("fcntl F_ADD_SEALS", failed))
}
