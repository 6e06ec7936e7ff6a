package sandbox

import "golang.org/x/sys/unix"

const (
	arch       = unix.AUDIT_ARCH_X86_64
	otherCalls = 1 << 30 // the first of the x32 interface
)

// old are the forbidden calls that only this processor still has.
var old = []uint32{
	unix.SYS_FORK, unix.SYS_VFORK, unix.SYS_CHMOD, unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_UTIME, unix.SYS_UTIMES,
	unix.SYS_FUTIMESAT, unix.SYS_LINK, unix.SYS_SYMLINK, unix.SYS_MKNOD,
	unix.SYS_SETRLIMIT, unix.SYS_IOPL, unix.SYS_IOPERM,
}
