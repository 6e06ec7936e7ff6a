package sandbox

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// An act is what a compromised unpacker does. It returns nil if it succeeded.
type act struct {
	name string
	// do runs in the stage. outside is a directory next to it, with the file secret;
	// addr is the address of a listener, parent the process ID of kist.
	do func(outside, addr string, parent int) error
	// what stops it, each on its own:
	landlock int  // from this version on; 0: no version
	calls    bool // the system call filter
}

// stopped reports whether a child of level l cannot do a.
func (a act) stopped(l Level) bool {
	return a.landlock > 0 && l.Landlock >= a.landlock || a.calls && l.Calls
}

// mayFail reports whether a may fail even without the wall, because it needs root, or a
// kernel that lets processes of one user inspect each other.
func (a act) mayFail() bool {
	return (a.name == "get out by another root" || a.name == "read /etc/shadow") && os.Getuid() != 0 || a.name == "read the memory of kist"
}

var acts = []act{
	{"write to an absolute path", func(outside, _ string, _ int) error { return write(filepath.Join(outside, "evil")) }, 1, false},
	{"write above", func(string, string, int) error { return write("../outside/evil") }, 1, false},
	{"overwrite", func(outside, _ string, _ int) error {
		f, err := os.OpenFile(filepath.Join(outside, "secret"), os.O_WRONLY, 0)
		if err == nil {
			f.WriteString("evil")
			f.Close()
		}
		return err
	}, 1, false},
	{"truncate", func(outside, _ string, _ int) error { return os.Truncate(filepath.Join(outside, "secret"), 1) }, 3, true},
	{"make a link", func(outside, _ string, _ int) error { return os.Symlink(outside, "link") }, 1, true},
	{"write through a link", func(string, string, int) error { return write("planted/evil") }, 1, false}, // the test has planted it
	{"rename out", func(outside, _ string, _ int) error {
		if err := write("file"); err != nil {
			return nil
		}
		return os.Rename("file", filepath.Join(outside, "evil"))
	}, 1, true},
	{"rename in", func(outside, _ string, _ int) error {
		return os.Rename(filepath.Join(outside, "secret"), "stolen")
	}, 1, true},
	{"link out", func(outside, _ string, _ int) error {
		if err := write("file"); err != nil {
			return nil
		}
		return os.Link("file", filepath.Join(outside, "evil"))
	}, 1, true},
	{"link in", func(outside, _ string, _ int) error {
		return os.Link(filepath.Join(outside, "secret"), "stolen")
	}, 1, true},
	{"remove", func(outside, _ string, _ int) error { return os.Remove(filepath.Join(outside, "secret")) }, 1, false},
	{"make a directory", func(outside, _ string, _ int) error { return os.Mkdir(filepath.Join(outside, "evil"), 0o700) }, 1, false},
	{"read a secret", func(outside, _ string, _ int) error {
		_, err := os.ReadFile(filepath.Join(outside, "secret"))
		return err
	}, 1, false},
	{"read /etc/passwd", func(string, string, int) error { _, err := os.ReadFile("/etc/passwd"); return err }, 1, false},
	{"read /etc/shadow", func(string, string, int) error { _, err := os.ReadFile("/etc/shadow"); return err }, 1, false},
	{"list a directory", func(outside, _ string, _ int) error {
		f, err := os.Open(outside)
		if err == nil {
			f.Close()
		}
		return err
	}, 1, false},
	{"look at a file", func(outside, _ string, _ int) error { _, err := os.Stat(filepath.Join(outside, "secret")); return err }, 0, true},
	{"hold a path", func(outside, _ string, _ int) error {
		fd, err := unix.Open(filepath.Join(outside, "secret"), unix.O_PATH|unix.O_CLOEXEC, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}, 0, true},
	{"watch a directory", func(string, string, int) error {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}, 0, true},
	{"read the memory of kist", func(_, _ string, parent int) error {
		f, err := os.Open(fmt.Sprintf("/proc/%d/mem", parent))
		if err == nil {
			f.Close()
		}
		return err
	}, 1, false},
	{"change a mode", func(outside, _ string, _ int) error { return os.Chmod(filepath.Join(outside, "secret"), 0o777) }, 0, true},
	{"change a time", func(outside, _ string, _ int) error {
		return os.Chtimes(filepath.Join(outside, "secret"), time.Unix(1, 0), time.Unix(1, 0))
	}, 0, true},
	{"change an owner", func(outside, _ string, _ int) error {
		return os.Chown(filepath.Join(outside, "secret"), os.Getuid(), os.Getgid())
	}, 0, true},
	{"make a pipe", func(string, string, int) error { return unix.Mkfifo("pipe", 0o600) }, 1, true},
	{"connect", func(_, addr string, _ int) error {
		conn, err := net.DialTimeout("tcp", addr, 10*time.Second)
		if err == nil {
			conn.Close()
		}
		return err
	}, 4, true},
	{"send a datagram", func(_, addr string, _ int) error {
		conn, err := net.Dial("udp", addr)
		if err == nil {
			_, err = conn.Write([]byte("the secret"))
			conn.Close()
		}
		return err
	}, 0, true},
	{"listen", func(string, string, int) error {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			l.Close()
		}
		return err
	}, 0, true},
	{"open an abstract socket", func(string, string, int) error {
		l, err := net.Listen("unix", "@kist-test")
		if err == nil {
			l.Close()
		}
		return err
	}, 0, true},
	{"run a program", func(string, string, int) error { return exec.Command("/bin/sh", "-c", ":").Run() }, 1, true},
	{"run itself", func(string, string, int) error { return exec.Command("/proc/self/exe", "harmless").Run() }, 1, true},
	{"run what it unpacked", func(string, string, int) error {
		fd, err := unix.Open("program", unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o700)
		if err != nil {
			return nil
		}
		unix.Write(fd, []byte("#!/bin/sh\n"))
		unix.Close(fd)
		return exec.Command("./program").Run()
	}, 1, true},
	{"become two", func(string, string, int) error {
		pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		switch {
		case errno != 0:
			return errno
		case pid == 0:
			unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
		return nil
	}, 0, true},
	{"signal kist", func(_, _ string, parent int) error { return syscall.Kill(parent, 0) }, 0, true},
	{"signal a thread of kist", func(_, _ string, parent int) error { return unix.Tgkill(parent, parent, 0) }, 0, true},
	{"signal kist by a descriptor", func(_, _ string, parent int) error {
		// Anything that comes through the pipe now signals the parent: a signal that
		// it ignores.
		if _, err := unix.FcntlInt(2, unix.F_SETOWN, parent); err != nil {
			return err
		}
		if _, err := unix.FcntlInt(2, unix.F_SETSIG, int(unix.SIGWINCH)); err != nil {
			return err
		}
		_, err := unix.FcntlInt(2, unix.F_SETFL, unix.O_ASYNC)
		return err
	}, 0, true},
	{"hold kist", func(_, _ string, parent int) error {
		fd, err := unix.PidfdOpen(parent, 0)
		if err == nil {
			unix.Close(fd)
		}
		return err
	}, 0, true},
	{"limit kist", func(_, _ string, parent int) error {
		var now unix.Rlimit
		return unix.Prlimit(parent, unix.RLIMIT_CPU, nil, &now)
	}, 0, true},
	{"set the priority of kist", func(_, _ string, parent int) error {
		now, err := unix.Getpriority(unix.PRIO_PROCESS, parent) // 20 minus the nice value
		if err != nil {
			return err
		}
		return unix.Setpriority(unix.PRIO_PROCESS, parent, 20-now)
	}, 0, true},
	{"bind kist to processors", func(_, _ string, parent int) error {
		var now unix.CPUSet
		if err := unix.SchedGetaffinity(parent, &now); err != nil {
			return err
		}
		return unix.SchedSetaffinity(parent, &now)
	}, 0, true},
	{"share memory", func(string, string, int) error {
		id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
		if err == nil {
			_, err = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
		}
		return err
	}, 0, true},
	{"share a semaphore", func(string, string, int) error {
		id, _, errno := unix.RawSyscall(unix.SYS_SEMGET, unix.IPC_PRIVATE, 1, unix.IPC_CREAT|0o600)
		if errno == 0 {
			_, _, errno = unix.RawSyscall6(unix.SYS_SEMCTL, id, 0, unix.IPC_RMID, 0, 0, 0)
		}
		return nilIfZero(errno)
	}, 0, true},
	{"share a queue", func(string, string, int) error {
		id, _, errno := unix.RawSyscall(unix.SYS_MSGGET, unix.IPC_PRIVATE, unix.IPC_CREAT|0o600, 0)
		if errno == 0 {
			_, _, errno = unix.RawSyscall(unix.SYS_MSGCTL, id, unix.IPC_RMID, 0)
		}
		return nilIfZero(errno)
	}, 0, true},
	{"act as another user", func(string, string, int) error {
		_, _, errno := unix.RawSyscall(unix.SYS_SETFSUID, uintptr(os.Getuid()), 0, 0)
		return nilIfZero(errno)
	}, 0, true},
	{"control a descriptor", func(string, string, int) error { _, err := unix.IoctlGetInt(2, unix.TIOCINQ); return err }, 0, true},
	{"be dumpable", func(string, string, int) error { return unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }, 0, true},
	{"make code", func(string, string, int) error {
		m, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err == nil {
			unix.Munmap(m)
		}
		return err
	}, 0, true},
	{"make code of data", func(string, string, int) error {
		m, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return nil
		}
		defer unix.Munmap(m)
		return unix.Mprotect(m, unix.PROT_READ|unix.PROT_EXEC)
	}, 0, true},
	{"get out by another root", func(outside, _ string, _ int) error { return unix.Chroot(outside) }, 0, true},
}

// write writes a file as the unpacker does.
func write(name string) error {
	f, err := create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("evil")
	return err
}

func nilIfZero(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

func init() {
	// broken OUTSIDE ADDR WALL ACT: an unpacker that does ACT, behind the whole
	// wall, a part of it, or none, and reports the result on stderr.
	parts["broken"] = func(args []string) int {
		outside, addr, wall, name := args[0], args[1], args[2], args[3]
		s, err := enterStage(walled[wall])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer s.conn.Close()
		for _, a := range acts {
			if a.name == name {
				if err := a.do(outside, addr, os.Getppid()); err != nil {
					fmt.Fprintln(os.Stderr, "refused:", err)
				} else {
					fmt.Fprintln(os.Stderr, "succeeded")
				}
				unix.Exit(0) // at once: the race detector takes a second to end
			}
		}
		fmt.Fprintln(os.Stderr, "no such act")
		return 1
	}
	parts["harmless"] = func([]string) int { return 0 }
}

// walled holds the functions that confine a child, by name.
var walled = withOlderKernels(map[string]func(unpack.Limits) (Level, error){
	"no wall":  func(unpack.Limits) (Level, error) { return Level{Child: true}, nil },
	"the wall": func(l unpack.Limits) (Level, error) { return confine(l, true, newestABI) },
	"Landlock": func(unpack.Limits) (l Level, err error) {
		l.Child = true
		l.Landlock, err = restrictPaths(true, newestABI)
		return
	},
	"the filter": func(unpack.Limits) (l Level, err error) { l.Child = true; l.Calls, err = filterCalls(true); return },
})

// olderABIs are the versions of Landlock in use that do not restrict signals and
// abstract sockets, which version 6 does.
var olderABIs = []int{1, 2, 3, 4, 5}

// onLandlock names the wall of a kernel with that version of Landlock.
func onLandlock(abi int) string { return fmt.Sprint("the wall on Landlock ", abi) }

func withOlderKernels(ways map[string]func(unpack.Limits) (Level, error)) map[string]func(unpack.Limits) (Level, error) {
	for _, abi := range olderABIs {
		ways[onLandlock(abi)] = func(l unpack.Limits) (Level, error) { return confine(l, true, abi) }
	}
	return ways
}

// enterStage does what a child does before it unpacks.
func enterStage(confine func(unpack.Limits) (Level, error)) (*server, error) {
	conn, err := net.FileConn(os.NewFile(control, "control"))
	if err != nil {
		return nil, err
	}
	s := &server{conn: conn.(*net.UnixConn)}
	q, dir, err := s.next()
	if err == nil {
		err = dir.Chdir()
	}
	if err != nil {
		return nil, err
	}
	level, err := confine(*q.Limits)
	if err != nil {
		return nil, err
	}
	return s, s.send(answer{Say: sayLevel, Level: &level})
}

// A field is a stage and what an unpacker in it could harm.
type field struct {
	*stage
	outside, addr string
}

func newField(t *testing.T) *field {
	s := newStage(t)
	outside := filepath.Join(filepath.Dir(s.dir), "outside")
	if err := os.Mkdir(outside, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(s.dir, "planted")); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &field{s, outside, l.Addr().String()}
}

// holds describes the files outside.
func (f *field) holds(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(f.outside, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&all, "%s %v %d", name, info.Mode(), info.Sys().(*syscall.Stat_t).Nlink)
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			fmt.Fprintf(&all, " %v %s", info.ModTime(), data)
		}
		all.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// play makes a broken unpacker do its act, and returns what it printed and its level.
func (f *field) play(t *testing.T, a act, wall string) (said string, level Level) {
	t.Helper()
	u := f.start(t, childOf("broken", f.outside, f.addr, wall, a.name), unpack.DefaultLimits())
	k := u.child.(*child)
	select {
	case <-k.exited:
	case <-time.After(time.Minute):
		t.Fatal("the child does not end")
	}
	crash, ok := k.exitError.(*CrashError)
	if !ok {
		t.Fatalf("the child ended with %v", k.exitError)
	}
	return crash.Said, u.Level()
}

// A broken unpacker succeeds without the wall, and fails behind it: behind the whole wall,
// each of its halves, and the wall of older kernels. -short mostly leaves out all but the
// whole wall.
func TestBrokenUnpacker(t *testing.T) {
	names := map[string]bool{}
	for _, a := range acts {
		if names[a.name] {
			t.Fatalf("two acts are called %q", a.name)
		}
		names[a.name] = true
		t.Run(strings.ReplaceAll(a.name, " ", "-"), func(t *testing.T) {
			if said, _ := newField(t).play(t, a, "no wall"); said != "succeeded" && !a.mayFail() {
				t.Errorf("without a wall: %s", said)
			}
			behind := []string{"the wall"}
			if !short.Leaves(t, 4) {
				behind = append(behind, "Landlock", "the filter")
			}
			if !short.Leaves(t, 52) {
				for _, abi := range olderABIs {
					behind = append(behind, onLandlock(abi))
				}
			}
			for _, wall := range behind {
				f := newField(t)
				before := f.holds(t)
				said, level := f.play(t, a, wall)
				if !a.stopped(level) {
					continue // this does not stop it, or the kernel does not have it
				}
				if !strings.HasPrefix(said, "refused: ") {
					t.Errorf("behind %s (%v): %s", wall, level, said)
				}
				if after := f.holds(t); after != before {
					t.Errorf("behind %s: outside, before:\n%s\nafter:\n%s", wall, before, after)
				}
			}
		})
	}
}
