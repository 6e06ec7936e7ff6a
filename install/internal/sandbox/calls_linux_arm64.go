package sandbox

import "golang.org/x/sys/unix"

const (
	arch       = unix.AUDIT_ARCH_AARCH64
	otherCalls = 1<<32 - 1 // none
)

// old are the forbidden calls that only this processor still has.
var old = []uint32{unix.SYS_SETRLIMIT}
