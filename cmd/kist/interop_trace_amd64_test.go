//go:build interop && linux

package main

import "golang.org/x/sys/unix"

func arguments(r *unix.PtraceRegs) (number uint64, arguments [6]uint64) {
	return r.Orig_rax, [6]uint64{r.Rdi, r.Rsi, r.Rdx, r.R10, r.R8, r.R9}
}

// skipCall keeps the kernel from making the call, setResult says how it ended.
func skipCall(r *unix.PtraceRegs)                { r.Orig_rax = ^uint64(0) }
func setResult(r *unix.PtraceRegs, result int64) { r.Rax = uint64(result) }
