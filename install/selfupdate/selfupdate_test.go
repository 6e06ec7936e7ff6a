package selfupdate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/selfupdate"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// self returns this test, which is a program of kist's module.
func self(t testing.TB) []byte {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// programs returns three different programs of kist.
func programs(t testing.TB) (oldest, old, new []byte) {
	t.Helper()
	data := self(t)
	return append(slices.Clip(data), "oldest"...), append(slices.Clip(data), "old"...), append(slices.Clip(data), "new"...)
}

func machine(t testing.TB) selfupdate.Machine {
	return selfupdate.Machine{Root: fstest.MapFS{}, User: host.User(host.Root(), func(string) string { return "" }),
		Warn: func(text string) { t.Logf("warning: %s", text) }}
}

// place writes the program into a new directory of the user's own, and opens it.
func place(t testing.TB, data []byte) *selfupdate.Program {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kist")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	write(t, path, data)
	return open(t, path)
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, path string) *selfupdate.Program {
	t.Helper()
	p, err := selfupdate.Open(machine(t), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func replace(p *selfupdate.Program, data []byte) error {
	return p.Replace(context.Background(), bytes.NewReader(data), int64(len(data)), verify.DigestOf(data))
}

// is checks that the file at path has the content want.
func is(t testing.TB, path string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, %v; want %d bytes that end in %q", path, len(got), err, len(want), want[len(want)-6:])
	}
}

// files lists what is in the directory of p.
func files(t testing.TB, p *selfupdate.Program) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(p.Path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestReplaceAndRollback(t *testing.T) {
	oldest, old, new := programs(t)
	for _, goos := range []string{"linux", "windows"} {
		p := place(t, oldest)
		p.OnStep(goos, func(string) {})
		user := machine(t).User
		if _, err := p.Rollback(user); !as[*selfupdate.NoPreviousError](err) {
			t.Errorf("%s: rollback before any update: %v", goos, err)
		}
		for _, next := range [][]byte{old, new} {
			if err := replace(p, next); err != nil {
				t.Fatal(err)
			}
		}
		is(t, p.Path, new)
		is(t, p.PreviousPath(), old)
		if got := files(t, p); len(got) != 2 {
			t.Errorf("%s: left %v", goos, got)
		}
		for _, want := range [][]byte{old, new} {
			if b, err := p.Rollback(user); err != nil || b.OS != runtime.GOOS {
				t.Errorf("%s: rollback: %+v, %v", goos, b, err)
			}
			is(t, p.Path, want)
		}
		is(t, p.PreviousPath(), old)
		if got := files(t, p); len(got) != 2 {
			t.Errorf("%s: left %v", goos, got)
		}
		if path, err := p.RemovePrevious(user, false); path != p.PreviousPath() || err != nil {
			t.Errorf("%s: %q, %v", goos, path, err)
		}
		if got := files(t, p); len(got) != 1 {
			t.Errorf("%s: left %v", goos, got)
		}
	}
}

// A process that is killed after any step leaves the old program or the new one, and the
// next update and rollback work. On Windows it leaves none after one step: the program
// then lies beside, whole.
func TestKilledAtEveryStep(t *testing.T) {
	oldest, old, new := programs(t)
	user := machine(t).User
	type kill struct{ step string }
	killed := func(p *selfupdate.Program, goos, at string, do func() error) (reached bool) {
		defer func() {
			if k, ok := recover().(kill); ok {
				reached = k.step == at
			}
		}()
		p.OnStep(goos, func(step string) {
			if step == at {
				panic(kill{step})
			}
		})
		if err := do(); err != nil {
			t.Error(err)
		}
		return false
	}
	for _, test := range []struct {
		goos, verb, step string
		want             []byte // nil: the program has no name then
	}{
		{"linux", "update", "written", old}, {"linux", "update", "kept", old}, {"linux", "update", "switched", new},
		{"windows", "update", "written", old}, {"windows", "update", "aside", nil}, {"windows", "update", "switched", new},
		{"linux", "rollback", "held", old}, {"linux", "rollback", "switched", oldest},
		{"windows", "rollback", "aside", nil}, {"windows", "rollback", "switched", oldest},
	} {
		t.Run(test.goos+" "+test.verb+" "+test.step, func(t *testing.T) {
			p := place(t, oldest)
			if err := replace(p, old); err != nil {
				t.Fatal(err)
			}
			do := func() error { return replace(p, new) }
			if test.verb == "rollback" {
				do = func() error { _, err := p.Rollback(user); return err }
			}
			if !killed(p, test.goos, test.step, do) {
				t.Fatal("the step was not reached")
			}
			if test.want == nil {
				if _, err := os.Lstat(p.Path); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the program is there: %v", err)
				}
				found := slices.ContainsFunc(files(t, p), func(name string) bool {
					data, err := os.ReadFile(filepath.Join(filepath.Dir(p.Path), name))
					return err == nil && bytes.Equal(data, old)
				})
				if !found {
					t.Errorf("the old program is gone: %v", files(t, p))
				}
				return
			}
			is(t, p.Path, test.want)
			p.OnStep(test.goos, func(string) {})
			if err := replace(p, new); err != nil {
				t.Fatal(err)
			}
			is(t, p.Path, new)
			if got := files(t, p); len(got) != 2 {
				t.Errorf("the next update left %v", got)
			}
			if _, err := p.Rollback(user); err != nil && !as[*selfupdate.NoPreviousError](err) {
				t.Error(err)
			}
		})
	}
}

// Content that is not what was proved never becomes the program, and neither does any if
// the update was interrupted.
func TestReplaceRefuses(t *testing.T) {
	_, old, new := programs(t)
	p := place(t, old)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, err := range map[string]error{
		"another digest": p.Replace(t.Context(), bytes.NewReader(new), int64(len(new)), verify.DigestOf(old)),
		"too short":      p.Replace(t.Context(), bytes.NewReader(new[1:]), int64(len(new)), verify.DigestOf(new)),
		"too long":       p.Replace(t.Context(), bytes.NewReader(append(slices.Clip(new), 0)), int64(len(new)), verify.DigestOf(new)),
		"interrupted":    p.Replace(ended, bytes.NewReader(new), int64(len(new)), verify.DigestOf(new)),
	} {
		if err == nil {
			t.Errorf("%s: replaced", name)
		}
	}
	is(t, p.Path, old)
	if got := files(t, p); len(got) != 1 {
		t.Errorf("left %v", got)
	}
	if err := replace(p, new); err != nil {
		t.Error(err)
	}
	is(t, p.Path, new)
}

// What killed updates left is swept, and nothing else.
func TestSweep(t *testing.T) {
	_, old, new := programs(t)
	p := place(t, old)
	dir := filepath.Dir(p.Path)
	left, others := rootfs.NamedTemp(filepath.Base(p.Path)), rootfs.NamedTemp("other")
	for _, name := range []string{left, others, ".kist.tmp-mine"} {
		write(t, filepath.Join(dir, name), old)
	}
	if err := replace(p, new); err != nil {
		t.Fatal(err)
	}
	if got := files(t, p); slices.Contains(got, left) || !slices.Contains(got, others) || !slices.Contains(got, ".kist.tmp-mine") {
		t.Errorf("left %v", got)
	}
}

// Rollback runs and moves nothing that is not a program of kist.
func TestRollbackRefuses(t *testing.T) {
	_, old, new := programs(t)
	user := machine(t).User
	for name, make := range map[string]func(path string) error{
		"a script":       func(path string) error { return os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755) },
		"a directory":    func(path string) error { return os.Mkdir(path, 0o755) },
		"an empty file":  func(path string) error { return os.WriteFile(path, nil, 0o755) },
		"the beginning":  func(path string) error { return os.WriteFile(path, old[:4096], 0o755) },
		"the same again": func(path string) error { return os.WriteFile(path, new, 0o755) },
	} {
		p := place(t, new)
		if err := make(p.PreviousPath()); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Rollback(user); !as[*selfupdate.NotKistError](err) && !as[*selfupdate.NoPreviousError](err) {
			t.Errorf("%s: %v", name, err)
		}
		is(t, p.Path, new)
	}
	p := place(t, new)
	write(t, p.PreviousPath(), old)
	if _, err := p.Rollback(user); err != nil {
		t.Error(err)
	}
	is(t, p.Path, old)
}

func TestOpenRefuses(t *testing.T) {
	if _, err := selfupdate.Open(machine(t), ""); err == nil {
		t.Error("opened no program")
	}
	if _, err := selfupdate.Open(machine(t), filepath.Join(t.TempDir(), "kist")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing program: %v", err)
	}
	p := place(t, self(t))
	m := machine(t)
	m.Own = []string{filepath.Dir(p.Path)}
	if _, err := selfupdate.Open(m, p.Path); !as[*host.UnsafeFileError](err) {
		t.Errorf("a program that kist installed: %v", err)
	}
	m = machine(t)
	m.Root = fstest.MapFS{"var/lib/dpkg/info/kist.list": {Data: []byte(filepath.ToSlash(p.Path) + "\n")}}
	managed, err := selfupdate.Open(m, p.Path)
	if runtime.GOOS == "windows" && err == nil { // where no list of dpkg's counts
		err = managed.Close()
	} else if as[*selfupdate.ManagedError](err) {
		err = nil
	} else {
		err = fmt.Errorf("opened: %w", err)
	}
	if err != nil {
		t.Errorf("a program of a Debian package: %v", err)
	}
}

// A directory that its owner can only read is no permission (exit code 8), and nothing is
// left in it. Permissions hold for everyone but root, and on Windows not for directories.
func TestReadOnlyDirectory(t *testing.T) {
	_, old, new := programs(t)
	p := place(t, old)
	dir := filepath.Dir(p.Path)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	held := os.Geteuid() > 0
	q, err := selfupdate.Open(machine(t), p.Path)
	if errors.Is(err, fs.ErrPermission) != held {
		t.Errorf("opened: %v", err)
	}
	if err == nil {
		q.Close()
	}
	if err := replace(p, new); errors.Is(err, fs.ErrPermission) != held {
		t.Errorf("replaced: %v", err)
	}
	if held {
		is(t, p.Path, old)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := replace(open(t, p.Path), new); err != nil {
		t.Error(err)
	}
	is(t, p.Path, new)
}

// Managed reads dpkg's lists as they are, and goes by the path elsewhere.
func TestManaged(t *testing.T) {
	dpkg := fstest.MapFS{
		"var/lib/dpkg/info/aaa.list":        {Data: []byte("/.\n/usr\n/usr/bin\n/usr/bin/kist-extra\n/usr/share/usr/bin/kist\n")},
		"var/lib/dpkg/info/kist:amd64.list": {Data: []byte("/.\n/opt\n/opt/kist/bin/kist\n/bin/kist")},
	}
	rpm := fstest.MapFS{"var/lib/rpm/rpmdb.sqlite": {}}
	for _, test := range []struct {
		root    fs.FS
		path    string
		command string // "": not managed
	}{
		{dpkg, "/usr/bin/kist", "sudo apt-get update && sudo apt-get install --only-upgrade kist"},
		{dpkg, "/opt/kist/bin/kist", "sudo apt-get update && sudo apt-get install --only-upgrade kist"},
		{dpkg, "/opt/kist/bin/kist2", ""},
		{dpkg, "/home/user/.local/bin/kist", ""},
		{rpm, "/usr/bin/kist", "sudo dnf upgrade kist"},
		{rpm, "/usr/local/bin/kist", ""},
		{rpm, "/home/user/bin/kist", ""},
		{fstest.MapFS{}, "/usr/bin/kist", ""},
		{fstest.MapFS{"lib/apk/db/installed": {}}, "/usr/bin/kist", "sudo apk upgrade kist"},
		{fstest.MapFS{"var/lib/pacman/local": {Mode: fs.ModeDir}}, "/usr/bin/kist", "sudo pacman -S kist"},
		{fstest.MapFS{}, "/nix/store/abc-kist-0.1.0/bin/kist", "nix profile upgrade kist"},
		{fstest.MapFS{}, "/home/linuxbrew/.linuxbrew/Cellar/kist/0.1.0/bin/kist", "brew upgrade kist"},
		{fstest.MapFS{}, "/snap/kist/7/kist", "sudo snap refresh kist"},
	} {
		err := selfupdate.Managed(test.root, filepath.FromSlash(test.path))
		e, ok := errors.AsType[*selfupdate.ManagedError](err)
		if ok != (test.command != "") || ok && e.Command != test.command || !ok && err != nil {
			t.Errorf("%s: %v (%+v), want %q", test.path, err, e, test.command)
		}
	}
	long := fstest.MapFS{"var/lib/dpkg/info/a.list": {Data: []byte(strings.Repeat("x", 1<<20))}}
	if err := selfupdate.Managed(long, "/home/user/kist"); err == nil {
		t.Error("a list with a line of a megabyte was understood")
	}
}

func as[E error](err error) bool { _, ok := errors.AsType[E](err); return ok }
