//go:build interop && linux

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Programs are traced by ptrace(2), on amd64: the system calls on files of all threads
// and children, in the order in which the kernel began them. strace counts the calls of
// each thread separately, and so cannot fail or kill at the nth of all. A seccomp(2)
// filter stops the program only at those calls, because there are many more.

// call is a system call on a file below a directory.
type call struct {
	name string // "openat", …
	path string // of the file, below the directory; "." for itself
	to   string // the other path of a rename or link
	flag int    // of openat
}

func (c call) String() string {
	if c.to != "" {
		return fmt.Sprintf("%s %s to %s", c.name, c.path, c.to)
	}
	return c.name + " " + c.path
}

// changes reports whether c alters the disk, or makes a change durable.
func (c call) changes() bool {
	switch c.name {
	case "read", "pread64", "getdents64", "newfstatat", "fstat", "fstatfs", "readlinkat", "flock":
		return false
	}
	return c.name != "openat" || c.flag&unix.O_CREAT != 0
}

// makesLast reports whether c waits until something is durable.
func (c call) makesLast() bool { return strings.Contains(c.name, "sync") }

// What to do with a call.
type verdict struct {
	errno syscall.Errno // it fails; 0: it is made
	kill  bool          // the program is killed instead
}

// traced runs h's kist and asks what to do about every call on a file below h's
// directory.
func (h *home) traced(ask func(call) verdict, args ...string) outcome {
	h.t.Helper()
	// The thread that starts a tracee is the one that traces it, and it waits for
	// all that it has started: no other test's process may be among that.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for len(takeFile(h.t, "/proc/thread-self/children")) > 0 {
		runtime.UnlockOSThread()
		time.Sleep(time.Millisecond) // and go on where there is room
		runtime.LockOSThread()
	}
	var out, talk = tempFile(h.t), tempFile(h.t)
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	program, err := os.StartProcess(self, append([]string{self, "-test.run=^TestTracee$", "--", h.program}, args...), &os.ProcAttr{
		Dir: h.dir, Env: h.env, Files: []*os.File{nil, out, talk}, Sys: &syscall.SysProcAttr{Ptrace: true}})
	if err != nil {
		h.t.Fatal(err)
	}
	defer program.Release()
	t := &tracer{dir: h.dir, ask: ask, leader: program.Pid, threads: map[int]bool{}}
	if err := t.run(); err != nil {
		h.t.Fatalf("tracing kist %s: %v", strings.Join(args, " "), err)
	}
	return outcome{t.code, readAgain(h.t, out), readAgain(h.t, talk)}
}

// TestTracee is the process that the tracer starts: it becomes the program that its
// arguments name, with the filter.
func TestTracee(t *testing.T) {
	program := flag.Args()
	if len(program) == 0 {
		return // of use to the tracer alone
	}
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}} // the number of the call
	for _, number := range slices.Sorted(maps.Keys(calls)) {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(number), Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_TRACE})
	}
	filter = append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	runtime.LockOSThread() // the filter is that of the thread which becomes the program
	if _, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0,
		uintptr(unsafe.Pointer(&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}))); errno != 0 {
		t.Fatal(errno)
	}
	t.Fatal(unix.Exec(program[0], program, os.Environ()))
}

func tempFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func readAgain(t *testing.T, f *os.File) string {
	t.Helper()
	defer f.Close()
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

type tracer struct {
	dir     string
	ask     func(call) verdict
	leader  int
	threads map[int]bool
	code    int // with which the leader ended, -1: by a signal
}

func (t *tracer) run() error {
	const options = unix.PTRACE_O_TRACESECCOMP | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK |
		unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC | unix.PTRACE_O_EXITKILL
	for {
		var status unix.WaitStatus
		id, err := unix.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ECHILD):
			return nil // all have ended
		case err != nil:
			return err
		case !status.Stopped():
			delete(t.threads, id)
			if id == t.leader {
				t.code = status.ExitStatus()
			}
			continue
		}
		signal := 0
		switch stop := status.StopSignal(); {
		case !t.threads[id]: // its first stop
			t.threads[id] = true
			if id == t.leader {
				if err := unix.PtraceSetOptions(id, options); err != nil {
					return err
				}
			}
		case status.TrapCause() == unix.PTRACE_EVENT_SECCOMP:
			if err := t.atCall(id); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		case stop != unix.SIGTRAP: // else an event, such as a new thread
			signal = int(stop)
		}
		if err := unix.PtraceCont(id, signal); err != nil && !errors.Is(err, unix.ESRCH) { // killed meanwhile
			return err
		}
	}
}

// atCall is called when a thread is about to make a system call.
func (t *tracer) atCall(id int) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(id, &regs); err != nil {
		return err
	}
	c, ok := t.read(id, &regs)
	if !ok {
		return nil
	}
	switch v := t.ask(c); {
	case v.kill:
		return unix.Kill(t.leader, unix.SIGKILL)
	case v.errno != 0:
		failCall(&regs, v.errno)
		return unix.PtraceSetRegs(id, &regs)
	}
	return nil
}

// calls lists the system calls on files, by number, with their names and the meaning of
// their arguments.
var calls = map[uint64]struct {
	name         string
	fd, text     int // argument of the descriptor; of the path, -1 if there is none
	toFD, toText int // the same of the other path; 0: there is none
	flag         int // argument of the flags; 0: there is none
}{
	unix.SYS_OPENAT:     {name: "openat", fd: 0, text: 1, flag: 2},
	unix.SYS_MKDIRAT:    {name: "mkdirat", fd: 0, text: 1},
	unix.SYS_UNLINKAT:   {name: "unlinkat", fd: 0, text: 1},
	unix.SYS_SYMLINKAT:  {name: "symlinkat", fd: 1, text: 2},
	unix.SYS_RENAMEAT:   {name: "renameat", fd: 0, text: 1, toFD: 2, toText: 3},
	unix.SYS_RENAMEAT2:  {name: "renameat2", fd: 0, text: 1, toFD: 2, toText: 3},
	unix.SYS_LINKAT:     {name: "linkat", fd: 0, text: 1, toFD: 2, toText: 3},
	unix.SYS_FCHMODAT:   {name: "fchmodat", fd: 0, text: 1},
	unix.SYS_NEWFSTATAT: {name: "newfstatat", fd: 0, text: 1},
	unix.SYS_READLINKAT: {name: "readlinkat", fd: 0, text: 1},
	unix.SYS_FSTAT:      {name: "fstat", fd: 0, text: -1},
	unix.SYS_FSTATFS:    {name: "fstatfs", fd: 0, text: -1},
	unix.SYS_READ:       {name: "read", fd: 0, text: -1},
	unix.SYS_PREAD64:    {name: "pread64", fd: 0, text: -1},
	unix.SYS_GETDENTS64: {name: "getdents64", fd: 0, text: -1},
	unix.SYS_WRITE:      {name: "write", fd: 0, text: -1},
	unix.SYS_PWRITE64:   {name: "pwrite64", fd: 0, text: -1},
	unix.SYS_SENDFILE:   {name: "sendfile", fd: 0, text: -1},
	unix.SYS_FSYNC:      {name: "fsync", fd: 0, text: -1},
	unix.SYS_FDATASYNC:  {name: "fdatasync", fd: 0, text: -1},
	unix.SYS_SYNCFS:     {name: "syncfs", fd: 0, text: -1},
	unix.SYS_FTRUNCATE:  {name: "ftruncate", fd: 0, text: -1},
	unix.SYS_FCHMOD:     {name: "fchmod", fd: 0, text: -1},
	unix.SYS_FLOCK:      {name: "flock", fd: 0, text: -1},

	unix.SYS_COPY_FILE_RANGE: {name: "copy_file_range", fd: 2, text: -1},
}

// read returns the call that a thread is about to make, if it is on a file below
// the directory.
func (t *tracer) read(id int, regs *unix.PtraceRegs) (c call, ok bool) {
	number, arguments := arguments(regs)
	kind, ok := calls[number]
	if !ok {
		return call{}, false
	}
	c.name = kind.name
	if c.path, ok = t.path(id, arguments[kind.fd], kind.text, arguments); !ok {
		return call{}, false
	}
	if kind.toText > 0 {
		c.to, _ = t.path(id, arguments[kind.toFD], kind.toText, arguments)
	}
	if kind.flag > 0 {
		c.flag = int(arguments[kind.flag])
	}
	return c, true
}

func (t *tracer) path(id int, fd uint64, text int, arguments [6]uint64) (string, bool) {
	at := t.dir
	if int32(fd) != unix.AT_FDCWD {
		var err error
		if at, err = os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", id, int32(fd))); err != nil {
			return "", false
		}
	}
	if text >= 0 {
		name := readText(id, uintptr(arguments[text]))
		if filepath.IsAbs(name) {
			at = name
		} else {
			at = filepath.Join(at, name)
		}
	}
	rel, err := filepath.Rel(t.dir, strings.TrimSuffix(at, " (deleted)"))
	return rel, err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// readText reads a path from the memory of a thread.
func readText(id int, address uintptr) string {
	var text []byte
	for len(text) < unix.PathMax {
		chunk := make([]byte, 64)
		n, _ := unix.PtracePeekData(id, address+uintptr(len(text)), chunk)
		if n == 0 {
			break
		}
		if end := slices.Index(chunk[:n], 0); end >= 0 {
			return string(append(text, chunk[:end]...))
		}
		text = append(text, chunk[:n]...)
	}
	return string(text)
}
