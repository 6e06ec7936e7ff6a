package unpack

import (
	"reflect"
	"runtime"

	"golang.org/x/sys/unix"
)

// arena is the unit in which Go's heap reserves address space on 64-bit systems. Arenas are
// adjacent.
const arena = 64 << 20

// largePages asks the kernel to back the most recent part of the heap, room for two
// windows, with large pages (madvise(2), MADV_HUGEPAGE). A window that is not written to
// yet then costs 64 page faults instead of 32,768, which on a virtual machine take longer
// than decoding. It has no effect if the heap is elsewhere or the kernel has no large
// pages.
func largePages() {
	probe := new([32 << 10]byte)
	here := reflect.ValueOf(probe).Pointer() / arena
	runtime.KeepAlive(probe)
	const around = 2*maxWindow/arena + 2
	for i := here - around; i <= here+around; i++ {
		unix.Syscall(unix.SYS_MADVISE, i*arena, arena, unix.MADV_HUGEPAGE)
	}
}
