package sandbox

import "golang.org/x/sys/unix"

// allowedCalls are the system calls that the child pid may make once the wall is up:
// those of the unpacker, of Go's runtime and, as kist may be built with cgo, of the C
// library when the runtime starts a thread through it. Everything else is refused.
// The most frequent ones come first. What leads to another process or kernel object is
// missing on purpose: ioctl, prctl, prlimit64, every way to send to a socket but write,
// and every call that takes a path but openat, mkdirat and unlinkat, which Landlock
// judges, and which only a child that fills a directory may make.
func allowedCalls(pid uint32, fills bool) []call {
	calls := []call{
		// The archive in, the files out.
		{unix.SYS_WRITE, always()},
		{unix.SYS_READ, always()},
		{unix.SYS_FUTEX, always()}, // goroutines wait for each other
		{unix.SYS_CLOSE, always()},
		{unix.SYS_PREAD64, always()}, // an archive is read at many places at once
		{unix.SYS_FSTAT, always()},   // is an opened file a regular one, and how large

		// Requests and pipes. Package os asks for files that never block (F_SETFL),
		// and does without where that is refused.
		{unix.SYS_RECVMSG, always()},             // the control socket, and the descriptors that come by it
		{unix.SYS_EPOLL_PWAIT, always()},         // waiting for them
		{unix.SYS_EPOLL_CTL, always()},           // a pipe that came is waited for, too
		{unix.SYS_FCNTL, only(1, unix.F_GETFL)},  // is what came a pipe that never blocks
		{unix.SYS_NANOSLEEP, always()},           // the runtime's monitor
		{unix.SYS_SCHED_YIELD, always()},         // the scheduler
		{unix.SYS_CLOCK_GETTIME, always()},       // where the machine's clock cannot be read without a call
		{unix.SYS_RESTART_SYSCALL, always()},     // sleeping on, after the process was stopped
		{unix.SYS_SCHED_GETAFFINITY, only(0, 0)}, // how many processors there are now, for itself

		// Memory. None of it is ever executable, and no page is declared broken.
		{unix.SYS_MMAP, within(2, unix.PROT_READ|unix.PROT_WRITE)},
		{unix.SYS_MUNMAP, always()},
		{unix.SYS_MADVISE, only(2, unix.MADV_DONTNEED, unix.MADV_HUGEPAGE, unix.MADV_NOHUGEPAGE, unix.MADV_COLLAPSE)},
		{unix.SYS_MPROTECT, within(2, unix.PROT_READ|unix.PROT_WRITE)}, // C library: the stack of a thread
		{unix.SYS_BRK, always()}, // C library: it takes a refusal for memory

		// Threads of this process, and no other process. clone3, whose flags cannot
		// be seen, does not exist: who called it then calls clone.
		{unix.SYS_CLONE, rule{verdict: allow, arg: 0, must: unix.CLONE_THREAD, mustNot: ^uint32(threadFlags)}},
		{unix.SYS_CLONE3, rule{verdict: missing}},
		{unix.SYS_GETTID, always()},
		{unix.SYS_SIGALTSTACK, always()},     // each thread has a stack for signals
		{unix.SYS_RT_SIGPROCMASK, always()},  // and starts with signals blocked
		{unix.SYS_SET_ROBUST_LIST, always()}, // C library: a thread starts
		{unix.SYS_RSEQ, always()},            // C library: a thread starts
		{unix.SYS_EXIT, always()},

		// Signals to itself: goroutines are interrupted by them, and a crash ends in one.
		{unix.SYS_GETPID, always()},
		{unix.SYS_TGKILL, only(0, pid)},
		{unix.SYS_RT_SIGRETURN, always()},
		{unix.SYS_RT_SIGACTION, always()},
		{unix.SYS_EXIT_GROUP, always()},
	}
	if !fills {
		return calls
	}
	return append([]call{
		// A file is made, or opened to be read: nothing is opened as a mere path
		// (O_PATH), without a name (O_TMPFILE), with signals (O_ASYNC), or truncated.
		{unix.SYS_OPENAT, within(2, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_CLOEXEC)},
		{unix.SYS_MKDIRAT, always()},  // directories
		{unix.SYS_UNLINKAT, always()}, // what a layout leaves out after all
	}, calls...)
}

// threadFlags are what threads share, and what the C libraries want to know of them:
// no flag of these makes a namespace.
const threadFlags = unix.CLONE_THREAD | unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM |
	unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID | unix.CLONE_DETACHED
