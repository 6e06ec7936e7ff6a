//go:build interop || live || signed || benchmark

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Tests with a build tag run the built program as a user would: in separate processes,
// with their own home and an explicit environment.

// build compiles kist, static and readable by every user, and returns its path.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(commonDir(t), "kist")
	cmd := exec.Command("go", "build", "-o", program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// commonDir is a temporary directory that every user can enter.
func commonDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kist-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("chmod", "-R", "u+rwX", dir).Run()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// home is a user's home directory, and how kist is run in it.
type home struct {
	t       *testing.T
	program string
	dir     string
	env     []string
	prefix  []string // what runs kist: strace, setpriv, unshare, with its arguments
}

// newHome makes an empty home.
func newHome(t *testing.T, program string) *home {
	t.Helper()
	dir := filepath.Join(commonDir(t), "home")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return &home{t: t, program: program, dir: dir, env: []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}}
}

// with returns h with more variables, which override existing ones.
func (h *home) with(variables ...string) *home {
	more := *h
	more.env = append(slices.Clone(h.env), variables...)
	return &more
}

// under returns h with kist started by another program.
func (h *home) under(prefix ...string) *home {
	more := *h
	more.prefix = prefix
	return &more
}

// in returns h with kist started in a directory.
func (h *home) in(dir string) *home {
	return h.under("env", "-C", dir, "--")
}

// outcome is the result of one run of kist.
type outcome struct {
	code           int
	stdout, stderr string
}

func (o outcome) String() string {
	return fmt.Sprintf("exit %d\nstdout: %s\nstderr: %s", o.code, o.stdout, o.stderr)
}

func (h *home) command(args ...string) *exec.Cmd {
	argv := append(slices.Clone(h.prefix), append([]string{h.program}, args...)...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = h.env, h.dir
	return cmd
}

// kist runs kist and returns the outcome, whether it succeeds or not.
func (h *home) kist(args ...string) outcome {
	h.t.Helper()
	return finish(h.t, h.command(args...))
}

// finish runs cmd to its end.
func finish(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	return start(t, cmd)()
}

// start runs cmd; the function it returns waits for the end. A process that a
// signal ended has exit code -1.
func start(t *testing.T, cmd *exec.Cmd) (wait func() outcome) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	return func() outcome {
		var exit *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
			t.Errorf("%v: %v", cmd.Args, err)
		}
		return outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	}
}

// exits runs kist and fails the test if it does not end with code.
func (h *home) exits(code int, args ...string) outcome {
	h.t.Helper()
	o := h.kist(args...)
	if o.code != code {
		h.t.Fatalf("kist %s: want exit %d, got %v", strings.Join(args, " "), code, o)
	}
	return o
}

// must runs kist, which has to succeed, and returns its stdout.
func (h *home) must(args ...string) string {
	h.t.Helper()
	return h.exits(0, args...).stdout
}

// installed lists what is installed, as channel/tool@version.
func (h *home) installed() (refs []string) {
	h.t.Helper()
	var doc struct {
		Result struct {
			Tools []struct{ Tool, Version, Channel string }
		}
	}
	text := h.must("list", "--json")
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		h.t.Fatalf("list --json: %v\n%s", err, text)
	}
	for _, tool := range doc.Result.Tools {
		refs = append(refs, tool.Channel+"/"+tool.Tool+"@"+tool.Version)
	}
	return refs
}

func (h *home) path(elements ...string) string {
	return filepath.Join(append([]string{h.dir}, elements...)...)
}

// data returns a path below kist's own data directory.
func (h *home) data(elements ...string) string {
	return h.path(append([]string{".local", "share", "kist"}, elements...)...)
}

// tool runs another program, which has to succeed, and returns its stdout.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	o := finish(t, exec.Command(name, args...))
	if o.code != 0 {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), o)
	}
	return o.stdout
}

// write makes a file with its parents.
func write(t *testing.T, name, content string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

// matches returns the files that match pattern, at least one.
func matches(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found
}

func takeFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// exists reports whether name exists, even as a dangling link.
func exists(t *testing.T, name string) bool {
	t.Helper()
	_, err := os.Lstat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// snapshot describes a directory with its content: by path the type, mode, owner and
// content, and for files the time of change.
type snapshot map[string]string

func takeSnapshot(t *testing.T, dir string) snapshot {
	t.Helper()
	s := snapshot{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		owner := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%v %d:%d links %d", info.Mode(), owner.Uid, owner.Gid, owner.Nlink)
		switch {
		case info.IsDir():
			line = fmt.Sprintf("%v %d:%d", info.Mode(), owner.Uid, owner.Gid)
		case info.Mode().IsRegular():
			content, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" %v %x", info.ModTime(), sha256.Sum256(content))
		case info.Mode().Type() == fs.ModeSymlink:
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			line += " -> " + target
		}
		s[name] = line
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// holds returns the part of h that must not change if kist changes nothing: every file
// and link, except kist's cache and the notes of its own directories.
func (h *home) holds() snapshot {
	h.t.Helper()
	s := takeSnapshot(h.t, h.dir)
	maps.DeleteFunc(s, func(name, line string) bool {
		return strings.HasPrefix(line, "d") || strings.HasPrefix(name, h.path(".cache", "kist")) ||
			name == h.data("lock") || name == h.path(".local", "state", "kist", "lock") || name == h.data("places.json") ||
			name == h.path(".local", "state", "kist", "places.json") || name == h.path(".local", "state", "kist", "made.json")
	})
	return s
}

// same fails the test with every difference between two snapshots.
func same(t *testing.T, before, after snapshot) {
	t.Helper()
	for name, was := range before {
		if is, ok := after[name]; !ok {
			t.Errorf("%s is gone; it was %s", name, was)
		} else if is != was {
			t.Errorf("%s was %s\n\tand is now %s", name, was, is)
		}
	}
	for name, is := range after {
		if _, ok := before[name]; !ok {
			t.Errorf("%s was left behind: %s", name, is)
		}
	}
}

// peakOf makes cmd run below the program time, and returns what reads how much memory it took
// at most, in bytes, once it has run. The kernel counts with a process what its parent had
// before exec, and a test may be larger than kist.
func peakOf(t *testing.T, cmd *exec.Cmd) func() int64 {
	t.Helper()
	figures := filepath.Join(t.TempDir(), "figures")
	cmd.Args = append([]string{"time", "-q", "-f", "%M", "-o", figures, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/usr/bin/time"
	return func() int64 {
		t.Helper()
		text, err := os.ReadFile(figures)
		if err != nil {
			t.Fatal(err)
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return kib << 10
	}
}
