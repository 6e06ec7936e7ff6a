//go:build interop && linux

package main

import "golang.org/x/sys/unix"

func arguments(r *unix.PtraceRegs) (number uint64, arguments [6]uint64) {
	return r.Orig_rax, [6]uint64{r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9}
}

// failCall prevents the call and sets its result.
func failCall(r *unix.PtraceRegs, errno unix.Errno) {
	r.Orig_rax, r.Rax = ^uint64(0), -uint64(errno)
}
