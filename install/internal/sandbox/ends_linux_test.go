package sandbox

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// ways are the ways in which a child can fail or misbehave when it gets its first
// archive.
var ways = map[string]func(s *server, q request, archive *os.File){
	"panics": func(*server, request, *os.File) { panic("a fault in a decoder") },
	"is killed": func(*server, request, *os.File) {
		syscall.RawSyscall(unix.SYS_TGKILL, uintptr(os.Getpid()), uintptr(os.Getpid()), uintptr(unix.SIGKILL))
		select {}
	},
	"ends": func(*server, request, *os.File) { os.Exit(0) },
	"takes all memory": func(*server, request, *os.File) {
		var hoard [][]byte
		for {
			hoard = append(hoard, make([]byte, 64<<20))
			runtime.KeepAlive(hoard)
		}
	},
	"writes for ever": func(*server, request, *os.File) {
		f, err := create("endless")
		for block := make([]byte, 1<<20); err == nil; {
			_, err = f.Write(block)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	},
	"opens files without end": func(*server, request, *os.File) {
		for n := 0; ; n++ {
			if _, err := create(fmt.Sprint("f", n)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
	},
	"sends garbage":       func(s *server, _ request, _ *os.File) { s.conn.Write([]byte("hello")); select {} },
	"sends a long packet": func(s *server, _ request, _ *os.File) { s.conn.Write(make([]byte, maxPacket+1)); select {} },
	"answers an unknown request": func(s *server, q request, _ *os.File) {
		s.send(answer{Say: sayDone, ID: q.ID + 1})
		select {}
	},
	"reports a second level": func(s *server, q request, _ *os.File) {
		s.send(answer{Say: sayLevel, ID: q.ID, Level: &Level{Child: true, Landlock: 99, Calls: true}})
		select {}
	},
	"writes on stderr without end": func(*server, request, *os.File) {
		for line := bytes.Repeat([]byte("x"), 1<<16); ; {
			if _, err := os.Stderr.Write(line); err != nil {
				os.Exit(1)
			}
			if time.Since(started) > 300*time.Millisecond {
				os.Exit(1)
			}
		}
	},
}

var started = time.Now()

// create makes a file as the unpacker does.
func create(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}

func init() {
	parts["odd"] = func(args []string) int {
		s, err := enterStage(walled["the wall"])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		q, archive, err := s.next()
		if err != nil {
			return 1
		}
		ways[args[0]](s, q, archive)
		runtime.KeepAlive(s) // keeps the socket open
		return 1
	}
}

// However a child ends, kist gets an error that says how, at once, and can go on.
func TestHowChildrenEnd(t *testing.T) {
	limits := unpack.DefaultLimits()
	limits.Bytes, limits.Memory = 4<<20, 1<<20
	for way, want := range map[string]string{
		"panics":                       "exit status 2: panic: a fault in a decoder",
		"is killed":                    "signal: killed",
		"ends":                         "the unpacking child ended early",
		"takes all memory":             "out of memory|cannot allocate memory|failed to allocate", // the last from the race detector
		"writes for ever":              "file too large",
		"opens files without end":      "too many open files",
		"sends garbage":                "sent a packet that is not an answer",
		"sends a long packet":          "sent a packet that is too long",
		"answers an unknown request":   "sent an answer to no request",
		"reports a second level":       "sent an answer to no request",
		"writes on stderr without end": "exit status 1: xxx",
	} {
		t.Run(strings.ReplaceAll(way, " ", "-"), func(t *testing.T) {
			s := newStage(t)
			u := s.start(t, childOf("odd", way), limits)
			err := u.Add(t.Context(), opened(t, archiveOf(t, "a")), archive("the-archive"))
			if err == nil || !strings.HasPrefix(err.Error(), "the-archive: the unpacking child ") || !regexp.MustCompile(want).MatchString(err.Error()) {
				t.Errorf("got: %v\nwant: %s", err, want)
			}
			if len(err.Error()) > 8<<10 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			odd := errors.Is(err, errProtocol)
			_, crashed := errors.AsType[*CrashError](err)
			if odd == crashed || odd != errors.Is(err, verify.ErrUntrusted) {
				t.Errorf("got %T, untrusted: %v", errors.Unwrap(err), errors.Is(err, verify.ErrUntrusted))
			}
			if _, err := u.Finish(t.Context()); err == nil {
				t.Error("Finish succeeded")
			}
			if info, err := os.Stat(filepath.Join(s.dir, "endless")); err == nil && info.Size() > limits.Bytes {
				t.Errorf("a file of %d bytes", info.Size())
			}
		})
	}
}

func init() {
	// liar LIE: unpacks nothing, but does what LIE says, and claims what LIE claims.
	parts["liar"] = func(args []string) int {
		s, err := enterStage(walled["the wall"])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		for {
			q, with, err := s.next()
			if err != nil {
				return 0
			}
			if q.Ask == askAdd {
				lies[args[0]].do()
			} else {
				if args[0] == "claims without end" {
					for _, err := with.Write([]byte{1}); err == nil; _, err = with.Write(make([]byte, 1<<16)) {
					}
					return 1
				}
				if raw := lies[args[0]].raw; raw != "" {
					io.WriteString(with, raw)
				} else {
					writeClaims(with, lies[args[0]].claims, []archiveID{{"the-archive", "of the-archive"}})
				}
				if args[0] == "holds on to the pipe" {
					s.send(answer{Say: sayDone, ID: q.ID})
					select {}
				}
			}
			with.Close()
			s.send(answer{Say: sayDone, ID: q.ID})
		}
	}
}

type lie struct {
	do     func() // in the stage
	claims []unpack.Claim
	raw    string
	want   error // of Finish; nil: Finish corrects the difference
}

func claimed(t record.Type, path string, change func(*record.Entry)) unpack.Claim {
	e := record.Entry{Path: path, Type: t, Component: "of the-archive"}
	switch t {
	case record.File:
		e.Mode, e.Digest = 0o644, verify.DigestOf(nil)
	case record.Dir:
		e.Mode = 0o755
	}
	if change != nil {
		change(&e)
	}
	return unpack.Claim{Entry: &e, Archive: "the-archive", Raw: path}
}

func make1(name string, mode fs.FileMode) func() {
	return func() {
		if f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0); err == nil {
			f.Close()
		}
		os.Remove(name)
		fd, err := unix.Open(name, unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, uint32(mode))
		if err == nil {
			unix.Close(fd)
		}
	}
}

var refused, changed = &unpack.EntryError{}, unpack.ErrChanged

// lies are claims of a child, and what it writes to the disk.
var lies = map[string]lie{
	"the truth":                  {do: make1("a", 0o644), claims: []unpack.Claim{claimed(record.File, "a", nil)}},
	"another mode":               {do: make1("a", 0o777), claims: []unpack.Claim{claimed(record.File, "a", nil)}},
	"a setuid program":           {do: make1("a", 0o4755), claims: []unpack.Claim{claimed(record.File, "a", nil)}},
	"no file":                    {do: func() {}, claims: []unpack.Claim{claimed(record.File, "a", nil)}, want: changed},
	"a file more":                {do: func() { make1("a", 0o644)(); make1("b", 0o644)() }, claims: []unpack.Claim{claimed(record.File, "a", nil)}, want: changed},
	"another size":               {do: make1("a", 0o644), claims: []unpack.Claim{claimed(record.File, "a", func(e *record.Entry) { e.Size = 5 })}, want: changed},
	"a directory that is a file": {do: make1("a", 0o755), claims: []unpack.Claim{claimed(record.Dir, "a", nil)}, want: changed},
	"a file that is a directory": {do: func() { os.Mkdir("a", 0o755) }, claims: []unpack.Claim{claimed(record.File, "a", nil)}, want: changed},
	"a path outside":             {do: func() {}, claims: []unpack.Claim{claimed(record.File, "../evil", nil)}, want: refused},
	"an absolute path":           {do: func() {}, claims: []unpack.Claim{claimed(record.File, "/etc/evil", nil)}, want: refused},
	"an empty path":              {do: func() {}, claims: []unpack.Claim{claimed(record.Dir, "", nil)}, want: refused},
	"the root itself":            {do: func() {}, claims: []unpack.Claim{claimed(record.Dir, ".", nil)}, want: refused},
	"a path twice":               {do: make1("a", 0o644), claims: []unpack.Claim{claimed(record.File, "a", nil), claimed(record.File, "a", nil)}, want: refused},
	"a path without its parent":  {do: func() { os.Mkdir("d", 0o755); make1("d/a", 0o644)() }, claims: []unpack.Claim{claimed(record.File, "d/a", nil)}, want: refused},
	"a path below a file":        {do: make1("a", 0o644), claims: []unpack.Claim{claimed(record.File, "a", nil), claimed(record.File, "a/b", nil)}, want: refused},
	"a link out":                 {do: func() {}, claims: []unpack.Claim{claimed(record.Link, "l", func(e *record.Entry) { e.Target = "../evil" })}, want: refused},
	"an absolute link":           {do: func() {}, claims: []unpack.Claim{claimed(record.Link, "l", func(e *record.Entry) { e.Target = "/etc" })}, want: refused},
	"a link out by another":      {do: func() { os.Mkdir("d", 0o755) }, claims: []unpack.Claim{claimed(record.Dir, "d", nil), claimed(record.Link, "d/l", func(e *record.Entry) { e.Target = ".." }), claimed(record.Link, "m", func(e *record.Entry) { e.Target = "d/l/.." })}, want: refused},
	"a mode for all":             {do: make1("a", 0o666), claims: []unpack.Claim{claimed(record.File, "a", func(e *record.Entry) { e.Mode = 0o666 })}, want: refused},
	"a mode with setuid":         {do: make1("a", 0o755), claims: []unpack.Claim{claimed(record.File, "a", func(e *record.Entry) { e.Mode = 0o755 | fs.ModeSetuid })}, want: refused},
	"a size below nothing":       {do: make1("a", 0o644), claims: []unpack.Claim{claimed(record.File, "a", func(e *record.Entry) { e.Size = -1 })}, want: refused},
	"more than may be unpacked":  {do: make1("a", 0o644), claims: []unpack.Claim{claimed(record.File, "a", func(e *record.Entry) { e.Size = 1 << 62 })}, want: refused},
	"out of order":               {do: func() { make1("a", 0o644)(); make1("b", 0o644)() }, claims: []unpack.Claim{claimed(record.File, "b", nil), claimed(record.File, "a", nil)}, want: refused},
	"garbage":                    {do: func() {}, raw: "\xff\xff\xff", want: errProtocol},
	"an archive of its own":      {do: func() {}, raw: "\x01\x01\x01\x04evil\x04evil\xed\x03\x00\x01a\x01", want: errProtocol},
	"endless claims":             {do: func() {}, raw: "\xe8\x07" + strings.Repeat("\x01\x00\xed\x03\x00\x01a\x01", 1000), want: errProtocol},
	"as many as numbers go":      {do: func() {}, raw: "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", want: errProtocol},
	"more than it says":          {do: func() {}, raw: "\x01" + strings.Repeat("\x01\x00\xed\x03\x00\x01a\x01", 2), want: errProtocol},
	"fewer than it says":         {do: func() {}, raw: "\x02\x01\x00\xed\x03\x00\x01a\x01", want: errProtocol},
	"a path beyond its name":     {do: func() {}, raw: "\x01\x01\x00\xed\x03\x00\x01a\x03", want: errProtocol},
	"claims without end":         {do: func() {}, want: errProtocol},
	"holds on to the pipe":       {do: make1("a", 0o644), claims: []unpack.Claim{claimed(record.File, "a", nil)}},
}

// The child writes a file only if exactly the announced number of bytes arrives.
func TestWritesOfAnotherSize(t *testing.T) {
	for way, c := range walls() {
		if c.Path == "" {
			continue
		}
		for size, want := range map[int64]error{2: io.ErrUnexpectedEOF, 3: nil, 4: io.ErrUnexpectedEOF} {
			u := newStage(t).start(t, c, unpack.DefaultLimits())
			if err := u.Add(t.Context(), opened(t, archiveOf(t, "a")), archive("first")); err != nil {
				t.Fatal(err)
			}
			k := u.child.(*child)
			q := k.newAddition(askWrite, unpack.Archive{Name: "a release"}, size)
			q.Path = "written"
			err := k.stream(t.Context(), q, strings.NewReader("abc"), nil)
			if (err == nil) != (want == nil) || want != nil && !strings.Contains(err.Error(), want.Error()) {
				t.Errorf("%s: announced with %d bytes: %v", way, size, err)
			}
		}
	}
}

// The parent checks the claims of a child again, and compares them with the disk.
func TestClaimsAreNotBelieved(t *testing.T) {
	limits := unpack.DefaultLimits()
	limits.Entries, limits.Names = 100, 1<<20
	for name, l := range lies {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			s := newStage(t)
			u := s.start(t, childOf("liar", name), limits)
			if err := u.Add(t.Context(), opened(t, archiveOf(t, "a")), archive("the-archive")); err != nil {
				t.Fatal(err)
			}
			entries, err := u.Finish(t.Context())
			if l.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				info, err := os.Lstat(filepath.Join(s.dir, "a"))
				if err != nil || info.Mode() != 0o644 || len(entries) != 1 {
					t.Errorf("on disk %v, %v; recorded %v", info.Mode(), err, entries)
				}
				return
			}
			if _, is := errors.AsType[*unpack.EntryError](err); is != (l.want == refused) || !is && !errors.Is(err, l.want) {
				t.Errorf("got %v, want %v", err, l.want)
			}
			if found, _ := os.ReadDir(filepath.Dir(s.dir)); len(found) != 1 {
				t.Errorf("next to the stage: %v", found)
			}
		})
	}
}

// The child starts with the descriptors that it was given and nothing else.
func TestChildInheritsOnlyItsDescriptors(t *testing.T) {
	t.Setenv("KIST_SECRET", "secret")
	secret, err := os.Open("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	inherited, err := unix.FcntlInt(secret.Fd(), unix.F_DUPFD, 100) // not close-on-exec, as if a shell had left it open
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(inherited)
	u := newStage(t).start(t, childOf("describes itself"), unpack.DefaultLimits())
	k := u.child.(*child)
	<-k.exited
	said := string(k.output.text)
	for _, want := range []string{
		"environment []\n", "inherited []\n", "umask 0\n", "dumpable 0\n", "no new privileges 1\n",
		fmt.Sprintf("limit %d 0 0\n", unix.RLIMIT_CORE), fmt.Sprintf("limit %d %d %d\n", unix.RLIMIT_FSIZE, 64<<30, 64<<30),
		fmt.Sprintf("limit %d %d %d\n", unix.RLIMIT_CPU, maxSeconds, maxSeconds), fmt.Sprintf("limit %d %d %d\n", unix.RLIMIT_NOFILE, maxFiles, maxFiles),
		"stdin pipe:[", "directory stage\n", "session of its own\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
}

func init() {
	parts["describes itself"] = func([]string) int {
		if err := closeInherited(); err != nil {
			return 1
		}
		stdin, _ := os.Readlink("/proc/self/fd/0")
		status, _ := os.Open("/proc/self/status") // opened before the child is confined
		conn, err := net.FileConn(os.NewFile(control, "control"))
		if err != nil {
			return 1
		}
		q, dir, err := (&server{conn: conn.(*net.UnixConn)}).next()
		if err != nil || dir.Chdir() != nil {
			return 1
		}
		wd, _ := os.Getwd()
		var open []string
		for fd := control + 1; fd < 256; fd++ {
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
				open = append(open, strconv.Itoa(fd))
			}
		}
		if err := setLimits(*q.Limits); err != nil {
			return 1
		}
		level, err := confineExceptCalls(*q.Limits, true, newestABI)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		privileges := "?"
		for in := bufio.NewScanner(status); in.Scan(); {
			if text, ok := strings.CutPrefix(in.Text(), "NoNewPrivs:"); ok {
				privileges = strings.TrimSpace(text)
			}
		}
		fmt.Fprintf(os.Stderr, "environment %v\ninherited %v\numask %d\ndumpable %d\nno new privileges %s\n", os.Environ(), open, unix.Umask(0), dumpable, privileges)
		for _, which := range []int{unix.RLIMIT_CORE, unix.RLIMIT_FSIZE, unix.RLIMIT_CPU, unix.RLIMIT_NOFILE, unix.RLIMIT_AS} {
			var l unix.Rlimit
			unix.Getrlimit(which, &l)
			fmt.Fprintf(os.Stderr, "limit %d %d %d\n", which, l.Cur, l.Max)
		}
		fmt.Fprintf(os.Stderr, "stdin %s\ndirectory %s\nlevel %v\n", stdin, filepath.Base(wd), level)
		if sid, err := unix.Getsid(0); err == nil && sid == os.Getpid() {
			fmt.Fprintln(os.Stderr, "session of its own")
		}
		return 0
	}
}

func init() {
	// parent DIR: kist itself, which adds an endless archive and prints the process ID of its child.
	parts["parent"] = func(args []string) int {
		root, err := os.OpenRoot(args[0])
		if err != nil {
			return 1
		}
		u, err := Start(childOf("honest"), root, unpack.DefaultLimits())
		if err != nil {
			return 1
		}
		fmt.Println(u.child.(*child).cmd.Process.Pid)
		a := archive("endless")
		a.Progress = func(int64) { fmt.Println("unpacking") }
		u.AddStream(context.Background(), &endless{}, 64<<30, a)
		return 1
	}
}

// An endless stream is a tar of one file without end.
type endless struct{ begun bool }

func (e *endless) Read(p []byte) (int, error) {
	clear(p)
	if e.begun {
		return len(p), nil
	}
	e.begun = true
	var b bytes.Buffer
	tar.NewWriter(&b).WriteHeader(&tar.Header{Name: "endless", Mode: 0o644, Size: 8<<30 - 1})
	return copy(p, b.Bytes()), nil
}

// When kist is killed, its child ends too.
func TestTheChildEndsWithItsParent(t *testing.T) {
	s := newStage(t)
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{"kist", "parent", s.dir}}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewScanner(out)
	in.Scan()
	pid, err := strconv.Atoi(in.Text())
	if err != nil {
		t.Fatalf("no child: %q", in.Text())
	}
	in.Scan()
	if in.Text() != "unpacking" {
		t.Fatalf("%q", in.Text())
	}
	cmd.Process.Kill()
	cmd.Wait()
	for deadline := time.Now().Add(time.Minute); alive(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the child still runs without its parent")
		}
	}
	size := func() int64 {
		info, err := os.Stat(filepath.Join(s.dir, "endless"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	was := size()
	time.Sleep(100 * time.Millisecond)
	if now := size(); now != was || was == 0 {
		t.Errorf("a process still writes: %d bytes, then %d", was, now)
	}
}

// alive reports whether a process runs. A zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}
