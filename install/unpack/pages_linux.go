package unpack

import (
	"reflect"
	"runtime"

	"golang.org/x/sys/unix"
)

// arena is how much address space the heap of Go takes at once, on 64-bit systems.
// One lies beside the other.
const arena = 64 << 20

// largePages asks the kernel to back with large pages (madvise(2), MADV_HUGEPAGE) what
// the heap took last: room for two windows. Those that are not written to yet then
// cost 64 page faults each, not 32,768, which on a virtual machine take longer than
// decoding does. Where the heap is elsewhere, or the kernel has no such pages, nothing
// changes.
func largePages() {
	probe := new([32 << 10]byte)
	here := reflect.ValueOf(probe).Pointer() / arena
	runtime.KeepAlive(probe)
	const around = 2*maxWindow/arena + 2
	for at := here - around; at <= here+around; at++ {
		unix.Syscall(unix.SYS_MADVISE, at*arena, arena, unix.MADV_HUGEPAGE)
	}
}
