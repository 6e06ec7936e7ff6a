//go:build interop && linux

package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// soon is how long an interrupted kist may take to end, with room for a busy machine:
// kist allows itself a second.
const soon = 5 * time.Second

// wait is something that kist may be waiting for when it is interrupted.
type wait struct {
	name  string
	start func(t *testing.T, s site, h *home) *exec.Cmd // leaves cmd.Stdin and so on as the case needs
	until func(t *testing.T, h *home) bool              // whether it waits, as far as can be seen
}

var waits = []wait{
	{"a server that never answers", func(t *testing.T, s site, h *home) *exec.Cmd {
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			write(t, h.path("asked"), "", 0o644)
			<-r.Context().Done()
		}))
		t.Cleanup(server.CloseClientConnections)
		return h.command("channel", "add", "acme", server.URL, "--key", s.key)
	}, made("asked")},
	{"a server that accepts and says nothing", func(t *testing.T, s site, h *home) *exec.Cmd {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				if _, err := l.Accept(); err != nil {
					return
				}
				write(t, h.path("asked"), "", 0o644)
			}
		}()
		return h.command("channel", "add", "acme", "https://"+l.Addr().String(), "--key", s.key)
	}, made("asked")},
	{"the lock", func(t *testing.T, s site, h *home) *exec.Cmd {
		h.must("channel", "add", "acme", s.channel, "--key", s.key)
		lockFor(t, h.path(".local", "state", "kist", "lock"))
		return h.command("install", "acme/hello")
	}, nil},
	{"the lock of the directories that were made", func(t *testing.T, s site, h *home) *exec.Cmd {
		state := h.path(".local", "state", "kist")
		if err := os.MkdirAll(state, 0o700); err != nil {
			t.Fatal(err)
		}
		lockFor(t, filepath.Join(state, "made.json.lock"))
		return h.command("channel", "add", "acme", s.channel, "--key", s.key)
	}, nil},
	{"a pipe on stdin, named as a file", func(t *testing.T, s site, h *home) *exec.Cmd {
		write(t, h.path("doc"), "x", 0o644)
		cmd := h.command("check-signature", "doc", "/dev/stdin", "--keyring", s.key)
		cmd.Stdin = silence(t)
		return cmd
	}, nil},
	{"a key in a pipe", func(t *testing.T, s site, h *home) *exec.Cmd {
		cmd := h.command("channel", "add", "acme", s.channel, "--key", "/dev/fd/0")
		cmd.Stdin = silence(t)
		return cmd
	}, nil},
	{"a reader of its stdout", func(t *testing.T, s site, h *home) *exec.Cmd {
		cmd := h.command("completion", "bash")
		cmd.Stdout = fullPipe(t)
		return cmd
	}, nil},
	{"a reader of its stderr, while it unpacks", func(t *testing.T, s site, h *home) *exec.Cmd {
		h.must("channel", "add", "acme", s.channel, "--key", s.key)
		cmd := h.command("install", "acme/hello@1.0")
		cmd.Stderr = fullPipe(t)
		return cmd
	}, nil},
	{"an answer at the prompt", func(t *testing.T, s site, h *home) *exec.Cmd {
		h.must("channel", "add", "acme", s.channel, "--key", s.key)
		h.must("install", "acme/hello@1.0")
		cmd := h.command("uninstall", "--all")
		cmd.Stdin = terminal(t)
		cmd.Stderr = cmd.Stdin.(*os.File)
		return cmd
	}, nil},
	{"the child that unpacks what is to be published", func(t *testing.T, s site, h *home) *exec.Cmd {
		h.must("publish", "init", "pub", "--channel", "acme")
		archives, err := filepath.Glob(filepath.Join(s.channel, "blobs", "*"))
		if err != nil || len(archives) == 0 {
			t.Fatal(err, "no archives")
		}
		cmd := h.with("TMPDIR="+h.dir).command("publish", "add", "pub", "--tool", "hello", "--version", "1", "--platform", "any",
			"--file", archives[0], "--format", "tar.gz", "--strip", "1")
		return cmd
	}, func(t *testing.T, h *home) bool {
		children := childrenIn(h)
		for _, pid := range children {
			syscall.Kill(pid, syscall.SIGSTOP)
		}
		return len(children) > 0
	}},
	{"the child that unpacks", func(t *testing.T, s site, h *home) *exec.Cmd {
		h.must("channel", "add", "acme", s.channel, "--key", s.key)
		return h.command("install", "acme/hello@1.0")
	}, stoppedChild},
}

// One signal ends kist, at any wait, and leaves no stage.
func TestOneSignalEndsKist(t *testing.T) {
	catchHangup()
	program := build(t)
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 1500, "1.0", "2.0")
	for n, w := range waits {
		sig := []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT}[n%3]
		t.Run(fmt.Sprintf("%s, %v", w.name, sig), func(t *testing.T) {
			h := newHome(t, program)
			cmd := w.start(t, site{program, channel, acme.publicKey()}, h)
			endsBySignal(t, h, cmd, sig, w.until)
			if stages, err := filepath.Glob(h.data("stage", "*")); err != nil || len(stages) > 0 {
				t.Errorf("stages are left: %v %v", stages, err)
			}
			if scratch, err := filepath.Glob(h.path("kist-*")); err != nil || len(scratch) > 0 {
				t.Errorf("directories for the moment are left: %v %v", scratch, err)
			}
			if children := childrenIn(h); len(children) > 0 {
				t.Errorf("children are left: %v", children)
			}
			whole(t, h)
		})
	}
}

// endsBySignal starts cmd, interrupts it once it waits, and wants exit 130 soon.
func endsBySignal(t *testing.T, h *home, cmd *exec.Cmd, sig syscall.Signal, until func(*testing.T, *home) bool) {
	t.Helper()
	var said bytes.Buffer
	if cmd.Stderr == nil {
		cmd.Stderr = &said
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if until == nil {
		time.Sleep(700 * time.Millisecond)
	} else {
		for deadline := time.Now().Add(20 * time.Second); !until(t, h); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("it never came to wait")
			}
		}
	}
	cmd.Process.Signal(sig)
	select {
	case <-ended:
	case <-time.After(soon):
		cmd.Process.Kill()
		t.Fatalf("it goes on after %v: %s", sig, said.String())
	}
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("want exit 130, got %v: %s", cmd.ProcessState, said.String())
	}
}

// A program that was told to ignore a hang-up, as nohup does, still does.
func TestIgnoredHangupStaysIgnored(t *testing.T) {
	h := newHome(t, build(t))
	write(t, h.path("doc"), "x", 0o644)
	cmd := h.under("sh", "-c", `trap "" HUP; exec "$@"`, "sh").command("check-signature", "doc", "/dev/stdin", "--keyring", "/dev/stdin")
	cmd.Stdin = silence(t)
	wait := start(t, cmd)
	time.Sleep(500 * time.Millisecond)
	cmd.Process.Signal(syscall.SIGHUP)
	time.Sleep(1500 * time.Millisecond)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("it ended by the hang-up: %v", err)
	}
	if o := wait(); o.code != 130 {
		t.Errorf("want exit 130, got %v", o)
	}
}

// The child that unpacks ends with kist, even if kist is killed.
func TestChildEndsWithKist(t *testing.T) {
	program := build(t)
	acme, channel := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, channel, acme, 1, 1500, "1.0")
	h := newHome(t, program)
	h.must("channel", "add", "acme", channel, "--key", acme.publicKey())
	cmd := h.command("install", "acme/hello@1.0")
	wait := start(t, cmd)
	for !stoppedChild(t, h) {
		time.Sleep(time.Millisecond)
	}
	children := childrenIn(h)
	cmd.Process.Kill()
	wait()
	for _, pid := range children {
		syscall.Kill(pid, syscall.SIGCONT)
	}
	for deadline := time.Now().Add(soon); len(childrenIn(h)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("children are left: %v", childrenIn(h))
		}
	}
	h.must("install", "acme/hello@1.0")
	whole(t, h)
}

// A pipe that the user passes to kist is read like a file.
func TestPipesAreRead(t *testing.T) {
	program := build(t)
	acme := newSigner(t, "ed25519")
	h := newHome(t, program)
	doc := h.path("doc")
	write(t, doc, "x", 0o644)
	sig := acme.sign(doc)
	h = h.with("SIG="+sig, "KEY="+acme.publicKey(), "KIST="+program)
	for _, script := range []string{
		`"$KIST" check-signature doc "$SIG" --keyring /dev/stdin <"$KEY"`,
		`cat "$KEY" | "$KIST" check-signature doc "$SIG" --keyring /dev/stdin`,
		`(sleep 0.3; cat "$KEY") | "$KIST" check-signature doc "$SIG" --keyring /dev/fd/0`,
		`"$KIST" check-signature doc <(cat "$SIG") --keyring <(sleep 0.3; cat "$KEY")`,
	} {
		cmd := exec.Command("bash", "-c", script)
		cmd.Env, cmd.Dir = h.env, h.dir
		if o := finish(t, cmd); o.code != 0 {
			t.Errorf("%s: %v", script, o)
		}
	}
}

func made(name string) func(*testing.T, *home) bool {
	return func(_ *testing.T, h *home) bool {
		_, err := os.Stat(h.path(name))
		return err == nil
	}
}

// lockFor holds the lock of a file until the test ends.
func lockFor(t *testing.T, file string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
}

// silence is a pipe to which nobody writes.
func silence(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r
}

// fullPipe is a full pipe that nobody reads.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	w.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	for _, size := range []int{1 << 16, 1} {
		for {
			if _, err := w.Write(make([]byte, size)); err != nil {
				break
			}
		}
	}
	w.Fd() // blocking from here on, as a shell's is
	return w
}

// terminal is a terminal at which nobody types.
func terminal(t *testing.T) *os.File {
	t.Helper()
	_, slave := terminalPair(t)
	return slave
}

// terminalPair returns a terminal: the user's side and the programs' side.
func terminalPair(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// childrenIn are the unpacking children of the program that h runs.
func childrenIn(h *home) (pids []int) {
	procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range procs {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(text, []byte("kist\x00"+childVerb+"\x00")) {
			continue
		}
		exe, err := os.Readlink(filepath.Join(filepath.Dir(file), "exe"))
		if err != nil || strings.TrimSuffix(exe, " (deleted)") != h.program {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(file, "/proc/%d/", &pid); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// stoppedChild stops the child that unpacks, when files are in a stage.
func stoppedChild(t *testing.T, h *home) bool {
	children := childrenIn(h)
	if files, _ := filepath.Glob(h.data("stage", "*", "*")); len(files) == 0 || len(children) == 0 {
		return false
	}
	for _, pid := range children {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	return true
}
