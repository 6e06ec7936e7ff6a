package sandbox

import (
	"errors"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Where the filter finds its input in struct seccomp_data (seccomp(2)).
const (
	dataCall = 0
	dataArch = 4
	dataArgs = 16 // eight bytes each
)

// The verdicts of the filter.
const (
	allow   = unix.SECCOMP_RET_ALLOW
	refuse  = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	missing = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS) // as if the kernel did not have it
	kill    = unix.SECCOMP_RET_KILL_PROCESS
)

// arch is the architecture whose system calls this program makes, as the kernel
// names it (AUDIT_ARCH_*), or 0 where the filter is not known to work.
func arch() uint32 {
	switch runtime.GOARCH {
	case "amd64":
		return unix.AUDIT_ARCH_X86_64
	case "arm64":
		return unix.AUDIT_ARCH_AARCH64
	}
	return 0
}

// filterCalls limits all threads of this process to the calls in allowedCalls: with
// those that open, make and remove files if it fills a directory. It reports false where the kernel has no such filters or a container withholds them,
// and on architectures other than those of arch.
func filterCalls(fills bool) (bool, error) {
	if arch() == 0 {
		return false, nil
	}
	program := filter(arch(), allowedCalls(uint32(os.Getpid()), fills))
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	switch {
	case errno == 0:
		return true, nil
	case errors.Is(errno, unix.ENOSYS), errors.Is(errno, unix.EINVAL), errors.Is(errno, unix.EPERM):
		return false, nil
	}
	return false, errno
}

// filter returns the BPF program that allows calls, tried in their order, and refuses
// every other call with EPERM, including calls that later kernels add and those of
// x32, whose numbers have bit 30 set. A process that makes a call of another
// architecture, whose numbers mean something else, is killed.
func filter(arch uint32, calls []call) []unix.SockFilter {
	p := []unix.SockFilter{
		load(dataArch), jump(unix.BPF_JEQ, arch, 1, 0), end(kill),
		load(dataCall),
	}
	for _, c := range calls {
		body := c.rule.program()
		p = append(p, jump(unix.BPF_JEQ, c.number, 0, uint8(len(body))))
		p = append(p, body...)
	}
	return append(p, end(refuse))
}

// A call is a system call and the rule that decides it.
type call struct {
	number uint32
	rule   rule
}

// A rule decides a system call by at most one argument. Of an argument it sees the
// lower 32 bits, where the kernel looks for everything that the rules compare.
type rule struct {
	verdict uint32   // if the argument passes, or there is none to check; otherwise EPERM
	arg     uint32   // which argument is checked, from 0
	oneOf   []uint32 // the values it may have; nil: it is checked by bits
	must    uint32   // bits that must be set
	mustNot uint32   // bits that must not be set
}

// program returns instructions that end with a verdict on a call.
func (r rule) program() []unix.SockFilter {
	var p []unix.SockFilter
	if r.oneOf != nil || r.must != 0 || r.mustNot != 0 {
		p = append(p, load(dataArgs+8*r.arg))
	}
	for _, v := range r.oneOf {
		p = append(p, jump(unix.BPF_JEQ, v, 0, 1), end(r.verdict))
	}
	if r.oneOf != nil {
		return append(p, end(refuse))
	}
	if r.mustNot != 0 {
		p = append(p, jump(unix.BPF_JSET, r.mustNot, 0, 1), end(refuse))
	}
	if r.must != 0 {
		p = append(p, unix.SockFilter{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: r.must},
			jump(unix.BPF_JEQ, r.must, 1, 0), end(refuse))
	}
	return append(p, end(r.verdict))
}

// always allows a call whatever its arguments.
func always() rule { return rule{verdict: allow} }

// only allows a call if an argument has one of values.
func only(arg uint32, values ...uint32) rule { return rule{verdict: allow, arg: arg, oneOf: values} }

// within allows a call if an argument has no bits but these.
func within(arg, bits uint32) rule { return rule{verdict: allow, arg: arg, mustNot: ^bits} }

// load reads four bytes of the input.
func load(at uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
}

// jump compares what was read with k, and skips as many instructions as yes or no says.
func jump(how uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | how | unix.BPF_K, K: k, Jt: yes, Jf: no}
}

// end gives a verdict.
func end(verdict uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: verdict}
}
