//go:build amd64 || arm64

// The filter exists on these architectures alone.

package sandbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// behindTheFilter runs a part of this program that installs the filter itself, and returns
// the lines that it prints.
func behindTheFilter(t *testing.T, part string, args ...string) []string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", append([]string{part}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, said.String())
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// mustFilter installs the filter after the rest of the wall.
func mustFilter(fills bool) {
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	if err == nil {
		var ok bool
		if ok, err = filterCalls(fills); err == nil && !ok {
			err = errors.New("no filter")
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// allNumbers returns more numbers than any kernel has calls: those of this architecture,
// those with the bit of x32, and negative ones.
func allNumbers() (all []int) {
	const most = 4096
	for n := range most {
		all = append(all, n, 1<<30|n, -1-n, -1<<31+n)
	}
	return all
}

// never reports whether a call is in the table but cannot be tried, because it does not
// return.
func never(number int) bool {
	switch number {
	case unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_RT_SIGRETURN:
		return true
	}
	return false
}

// traps reports whether newer kernels let a call through every filter, because they make
// it themselves in a process that is traced by probes. Other callers get SIGILL or ENXIO.
func traps(number int) bool {
	return runtime.GOARCH == "amd64" && (number == 335 || number == 336) // uretprobe, uprobe
}

func init() {
	// numbers fills|hashes: makes every possible call, with arguments with which the allowed
	// ones do nothing, and prints how each ended.
	parts["numbers"] = func(args []string) int {
		runtime.LockOSThread()
		mustFilter(args[0] == "fills")
		numbers := allNumbers()
		ends := make([]syscall.Errno, len(numbers))
		const bad = ^uintptr(0)
		for i, n := range numbers {
			if !never(n) && !traps(n) {
				_, _, ends[i] = syscall.RawSyscall6(uintptr(n), bad, bad, bad, bad, bad, bad)
			}
		}
		out := bufio.NewWriter(os.Stdout)
		for i, n := range numbers {
			fmt.Fprintln(out, n, int(ends[i]))
		}
		if out.Flush() != nil {
			return 1
		}
		return 0
	}
}

// Every system call that is not in the table is refused, including those of future
// kernels. Those in the table are refused only by a rule on their arguments. The child
// that hashes an archive can open no file, whatever the version of Landlock.
func TestEverySystemCall(t *testing.T) {
	for _, part := range []string{"fills", "hashes"} {
		t.Run(part, func(t *testing.T) { testEverySystemCall(t, part) })
	}
}

func testEverySystemCall(t *testing.T, part string) {
	rules := map[int]rule{}
	for _, c := range allowedCalls(1, part == "fills") {
		if _, twice := rules[int(c.number)]; twice {
			t.Errorf("call %d is in the table twice", c.number)
		}
		rules[int(c.number)] = c.rule
	}
	lines := behindTheFilter(t, "numbers", part)
	if len(lines) != len(allNumbers()) {
		t.Fatalf("%d calls were tried, of %d", len(lines), len(allNumbers()))
	}
	tried := 0
	for i, n := range allNumbers() {
		number, end, _ := strings.Cut(lines[i], " ")
		if number != strconv.Itoa(n) {
			t.Fatalf("call %d is said to be %s", n, number)
		}
		errno, err := strconv.Atoi(end)
		if err != nil {
			t.Fatal(err)
		}
		got := syscall.Errno(errno)
		r, listed := rules[n]
		switch {
		case never(n):
			if !listed {
				t.Errorf("call %d was not tried, and is not in the table", n)
			}
		case traps(n):
			if listed {
				t.Errorf("call %d is in the table", n)
			}
		case listed && r.verdict == missing:
			if got != unix.ENOSYS {
				t.Errorf("call %d ended with %v, as if there were such a call", n, got)
			}
		case listed && r.oneOf == nil && r.mustNot == 0: // without rules on its arguments
			tried++
			if got == unix.EPERM {
				t.Errorf("call %d is in the table, and refused", n)
			}
		default: // the arguments break each rule
			if got != unix.EPERM {
				t.Errorf("call %d ended with %v, not EPERM", n, got)
			}
		}
	}
	if tried < 20 {
		t.Errorf("%d calls were allowed", tried)
	}
	for _, n := range []int{unix.SYS_OPENAT, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT} {
		if _, listed := rules[n]; listed != (part == "fills") {
			t.Errorf("call %d is in the table: %v", n, listed)
		}
	}
}

func init() {
	parts["number"] = func(args []string) int {
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return 1
		}
		mustFilter(true)
		_, _, errno := syscall.RawSyscall6(uintptr(n), 0, 0, 0, 0, 0, 0)
		fmt.Println(int(errno))
		return 0
	}
}

// Calls that no filter sees do no harm: they are refused or end the process.
func TestCallsThatNoFilterSees(t *testing.T) {
	for _, n := range allNumbers() {
		if !traps(n) {
			continue
		}
		cmd := exec.Command("/proc/self/exe", "number", strconv.Itoa(n))
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		refused := err == nil && (string(out) == fmt.Sprintln(int(unix.EPERM)) || string(out) == fmt.Sprintln(int(unix.ENXIO)))
		if ended := err != nil && strings.HasPrefix(said.String(), "SIGILL"); !refused && !ended {
			t.Errorf("call %d: %v, errno %q, %s", n, err, out, said.String())
		}
	}
}

// A probe is a call with arguments that a rule applies to.
type probe struct {
	name    string
	allowed bool
	call    func() error // returns what the call did
}

func rawCall(number int, args ...uintptr) func() error {
	args = append(args, make([]uintptr, 6-len(args))...)
	return func() error {
		_, _, errno := unix.RawSyscall6(uintptr(number), args[0], args[1], args[2], args[3], args[4], args[5])
		return nilIfZero(errno)
	}
}

// probes returns calls that the rules allow, and similar ones that they refuse.
func probes() (all []probe) {
	add := func(name string, allowed bool, call func() error) { all = append(all, probe{name, allowed, call}) }
	self, parent := uintptr(os.Getpid()), uintptr(os.Getppid())

	add("fcntl F_GETFL", true, rawCall(unix.SYS_FCNTL, 0, unix.F_GETFL))
	for command := range 2048 { // all there are, and F_SETOWN, F_SETOWN_EX, F_SETSIG, F_SETLEASE, F_NOTIFY, F_SETFL among them
		if command != unix.F_GETFL {
			add(fmt.Sprint("fcntl ", command), false, rawCall(unix.SYS_FCNTL, 0, uintptr(command)))
		}
	}

	var mask unix.CPUSet
	set, size := uintptr(unsafe.Pointer(&mask)), unsafe.Sizeof(mask)
	add("sched_getaffinity of itself", true, func() error {
		_, _, errno := unix.RawSyscall(unix.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
		return nilIfZero(errno)
	})
	add("sched_getaffinity of another", false, rawCall(unix.SYS_SCHED_GETAFFINITY, parent, size, set))
	add("sched_setaffinity of another", false, rawCall(unix.SYS_SCHED_SETAFFINITY, parent, size, set))
	add("sched_setaffinity of itself", false, rawCall(unix.SYS_SCHED_SETAFFINITY, 0, size, set))

	add("tgkill itself", true, rawCall(unix.SYS_TGKILL, self, self, 0))
	add("tgkill the parent", false, rawCall(unix.SYS_TGKILL, parent, parent, 0))
	add("tgkill any", false, rawCall(unix.SYS_TGKILL, ^uintptr(0), self, 0))
	add("kill itself", false, rawCall(unix.SYS_KILL, self, 0))
	add("tkill itself", false, rawCall(unix.SYS_TKILL, self, 0))

	add("start threads", true, startThreads)
	thread := uintptr(unix.CLONE_THREAD | unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM)
	add("clone a process", false, rawCall(unix.SYS_CLONE, uintptr(unix.SIGCHLD)))
	add("clone as vfork", false, rawCall(unix.SYS_CLONE, uintptr(unix.CLONE_VM|unix.CLONE_VFORK|int(unix.SIGCHLD))))
	for _, flag := range []uintptr{unix.CLONE_NEWNET, unix.CLONE_NEWUSER, unix.CLONE_NEWNS, unix.CLONE_NEWIPC, unix.CLONE_NEWUTS,
		unix.CLONE_NEWPID, unix.CLONE_NEWCGROUP, unix.CLONE_PIDFD, unix.CLONE_PARENT, unix.CLONE_PTRACE, unix.CLONE_IO} {
		add(fmt.Sprintf("clone a thread with flag %#x", flag), false, rawCall(unix.SYS_CLONE, thread|flag))
	}

	const anonymous = unix.MAP_PRIVATE | unix.MAP_ANON
	none := ^uintptr(0) // no descriptor
	add("mmap", true, rawCall(unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, anonymous, none))
	add("mmap nothing", true, rawCall(unix.SYS_MMAP, 0, 4096, unix.PROT_NONE, anonymous, none))
	add("mmap code", false, rawCall(unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, anonymous, none))
	page, _, errno := unix.RawSyscall6(unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, anonymous, none, 0)
	if errno != 0 {
		add(fmt.Sprint("mmap before: ", errno), false, func() error { return nil })
	}
	add("mprotect", true, rawCall(unix.SYS_MPROTECT, page, 4096, unix.PROT_READ))
	add("mprotect code", false, rawCall(unix.SYS_MPROTECT, page, 4096, unix.PROT_READ|unix.PROT_EXEC))
	add("madvise", true, rawCall(unix.SYS_MADVISE, page, 4096, unix.MADV_DONTNEED))
	for advice := range uintptr(256) { // all there are; as root, MADV_HWPOISON and MADV_SOFT_OFFLINE take memory from the machine
		switch advice {
		case unix.MADV_DONTNEED, unix.MADV_HUGEPAGE, unix.MADV_NOHUGEPAGE, unix.MADV_COLLAPSE:
		default:
			add(fmt.Sprint("madvise ", advice), false, rawCall(unix.SYS_MADVISE, page, 4096, advice))
		}
	}

	open := func(flags uintptr) func() error {
		name := [...]byte{'/', 'd', 'e', 'v', '/', 'n', 'u', 'l', 'l', 0}
		at := unix.AT_FDCWD
		return func() error {
			fd, _, errno := unix.RawSyscall6(unix.SYS_OPENAT, uintptr(at), uintptr(unsafe.Pointer(&name)), flags, 0, 0, 0)
			if errno == 0 {
				unix.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
			}
			return nilIfZero(errno)
		}
	}
	add("open to read", true, open(unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC))
	add("open to write", true, open(unix.O_WRONLY|unix.O_CLOEXEC))
	for name, flag := range map[string]uintptr{"O_PATH": unix.O_PATH, "O_TMPFILE": unix.O_TMPFILE, "O_ASYNC": unix.O_ASYNC, "O_TRUNC": unix.O_TRUNC,
		"O_RDWR": unix.O_RDWR, "O_DIRECT": unix.O_DIRECT, "O_NOATIME": unix.O_NOATIME, "O_SYNC": unix.O_SYNC, "O_APPEND": unix.O_APPEND} {
		add("open with "+name, false, open(flag|unix.O_CLOEXEC))
	}
	return all
}

// startThreads makes Go's runtime start threads, by locking several goroutines to one each.
func startThreads() error {
	var all sync.WaitGroup
	ready, enough := make(chan bool), make(chan bool)
	for range 20 {
		all.Go(func() {
			runtime.LockOSThread() // until its end, which ends the thread
			ready <- true
			<-enough
		})
	}
	for range 20 {
		<-ready
	}
	close(enough)
	all.Wait()
	return nil
}

func init() {
	parts["probes"] = func([]string) int {
		all := probes()
		mustFilter(true)
		var out bytes.Buffer
		for _, p := range all {
			errno := syscall.Errno(0)
			if err := p.call(); err != nil && !errors.As(err, &errno) {
				fmt.Fprintln(os.Stderr, p.name, err)
				return 1
			}
			fmt.Fprintln(&out, int(errno))
		}
		if _, err := os.Stdout.Write(out.Bytes()); err != nil {
			return 1
		}
		return 0
	}
}

// A call in the table works with the arguments that its rules allow, and with no others.
func TestRulesOnArguments(t *testing.T) {
	all := probes()
	lines := behindTheFilter(t, "probes")
	if len(lines) != len(all) {
		t.Fatalf("%d probes, of %d", len(lines), len(all))
	}
	for i, p := range all {
		want := syscall.Errno(0)
		if !p.allowed {
			want = unix.EPERM
		}
		if lines[i] != strconv.Itoa(int(want)) {
			t.Errorf("%s: errno %s, not %d (%v)", p.name, lines[i], int(want), want)
		}
	}
}

func init() {
	// foreign: makes a call behind a filter for another architecture.
	parts["foreign"] = func([]string) int {
		other := uint32(unix.AUDIT_ARCH_AARCH64)
		if arch() == other {
			other = unix.AUDIT_ARCH_X86_64
		}
		program := filter(other, allowedCalls(uint32(os.Getpid()), true))
		fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return 1
		}
		unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
		return 0
	}
}

// The call numbers of another architecture mean other calls, so a process that makes them is killed.
func TestCallsOfAnotherArchitecture(t *testing.T) {
	err := exec.Command("/proc/self/exe", "foreign").Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGSYS {
		t.Errorf("it ended with %v", err)
	}
}
