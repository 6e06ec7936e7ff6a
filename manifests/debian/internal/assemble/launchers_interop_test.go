//go:build interop

package assemble

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A prefixed is a prefix with the launchers of a tool. Its loader and programs only
// print how they were started.
type prefixed struct {
	t   *testing.T
	dir string
}

// say prints the arguments and the relevant variables, one per line.
const say = `#!/bin/sh
for argument; do printf '%s\n' "$argument"; done
env | grep -E '^(PATH|CARGO|LD_[A-Z_]*|LIBCLANG_PATH|CLANG_PATH|NINJA|C_INCLUDE_PATH|PYTHON[A-Z]*)='
`

func newPrefixed(t *testing.T, name, dir string, host bool) prefixed {
	t.Helper()
	p := prefixed{t, dir}
	for _, tool := range Tools() {
		if tool.Name != name {
			continue
		}
		for _, f := range tool.files("amd64", host) {
			switch {
			case f.Link != "":
				p.made(f.Path)
				if err := os.Symlink(f.Link, filepath.Join(dir, f.Path)); err != nil {
					t.Fatal(err)
				}
			default:
				p.write(f.Path, string(f.Data))
			}
		}
	}
	p.write("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", say)
	return p
}

func (p prefixed) made(name string) {
	if err := os.MkdirAll(filepath.Dir(filepath.Join(p.dir, name)), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

func (p prefixed) write(name, text string) {
	p.made(name)
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

// start runs a command and returns what the loader prints, with the prefix replaced by
// P.
func (p prefixed) start(command string, environ []string, args ...string) []string {
	p.t.Helper()
	cmd := exec.Command(command, args...)
	cmd.Env = append([]string{"PATH=/usr/bin:/bin"}, environ...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%s %q: %v\n%s", command, args, err, out)
	}
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(out), p.dir, "P"), "\n"), "\n")
}

// loaded returns the loader's arguments for a program called name.
func loaded(name, program string, rest ...string) []string {
	return append([]string{"--inhibit-cache", "--argv0", name, "--library-path", "P/usr/lib/x86_64-linux-gnu", program}, rest...)
}

func TestLaunchersStart(t *testing.T) {
	const path = "PATH=/usr/bin:/bin"
	beside := "PATH=P/kist/bin:P/kist/tools:/usr/bin:/bin"
	compile := []string{"-BP/kist/tools/", "--sysroot=P/sysroot"}
	for _, test := range []struct {
		tool    string
		host    bool
		program string // a file that exists
		called  string
		environ []string
		args    []string
		want    []string
	}{
		{"gcc", false, "usr/bin/gcc", "bin/gcc", nil, []string{"-o", "a b", ""}, append(loaded("P/kist/bin/gcc", "P/usr/bin/gcc"), append(compile, "-o", "a b", "", path)...)},
		{"gcc", false, "usr/bin/gcc", "bin/cc", nil, nil, append(loaded("P/kist/bin/cc", "P/usr/bin/gcc"), append(compile, path)...)},
		{"gcc", false, "usr/lib/gcc/x86_64-linux-gnu/12/cc1", "tools/cc1", nil, []string{"-quiet"}, loaded("P/kist/tools/cc1", "P/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "-quiet", path)},
		{"gcc", false, "usr/libexec/gcc/x86_64-linux-gnu/14/cc1", "tools/cc1", nil, nil, loaded("P/kist/tools/cc1", "P/usr/libexec/gcc/x86_64-linux-gnu/14/cc1", path)},
		{"gcc", false, "usr/bin/ld", "tools/ld", []string{"LD_LIBRARY_PATH=/mine"}, nil, loaded("P/kist/tools/ld", "P/usr/bin/ld", "LD_LIBRARY_PATH=/mine", path)},
		{"gcc", false, "usr/bin/gcc-ar", "bin/gcc-ar", nil, []string{"rcs"}, loaded("P/kist/bin/gcc-ar", "P/usr/bin/gcc-ar", "-BP/kist/bin/", "rcs", path)},
		{"clang", false, "usr/bin/clang", "bin/clang", nil, []string{"a.c"}, loaded("P/kist/bin/clang", "P/usr/bin/clang", "-no-canonical-prefixes", "-BP/kist/tools/", "--sysroot=P/sysroot", "a.c", path)},
		{"clang", false, "usr/bin/clang", "bin/clang", nil, []string{"-cc1", "-x"}, loaded("P/kist/bin/clang", "P/usr/bin/clang", "-cc1", "-x", path)},
		{"rust", false, "usr/bin/gcc", "tools/cc", nil, []string{"a.o"}, append(loaded("P/kist/tools/cc", "P/usr/bin/gcc"), append(compile, "a.o", path)...)},
		{"rust", true, "usr/bin/gcc", "tools/cc", nil, []string{"a.o"}, loaded("P/kist/tools/cc", "P/usr/bin/gcc", "-LP/kist/host", "-BP/kist/tools/", "--sysroot=P/sysroot", "a.o", path)},
		{"rust", false, "programs/usr/bin/rustc", "bin/rustc", nil, []string{"-V"}, loaded("P/kist/bin/rustc", "P/programs/usr/bin/rustc", "--sysroot", "P/usr", "-V", beside)},
		{"rust", false, "programs/usr/bin/rustc", "bin/rustc", nil, []string{"--sysroot=/else", "-V"}, loaded("P/kist/bin/rustc", "P/programs/usr/bin/rustc", "--sysroot=/else", "-V", beside)},
		{"rust", false, "usr/bin/cargo", "bin/cargo", []string{"CARGO=/else"}, []string{"build"}, loaded("P/kist/bin/cargo", "P/usr/bin/cargo", "build", "CARGO=P/kist/bin/cargo", beside)},
		{"python", false, "usr/bin/python3", "bin/python3", []string{"HOME=/home/me"}, []string{"-c", "1"}, loaded("P/kist/bin/python3", "P/usr/bin/python3", "-X", "pycache_prefix=/home/me/.cache/pycache", "-c", "1", path)},
		{"python", false, "usr/bin/python3", "bin/python3", []string{"HOME=/home/me", "XDG_CACHE_HOME=/c"}, nil, loaded("P/kist/bin/python3", "P/usr/bin/python3", "-X", "pycache_prefix=/c/pycache", path)},
		{"python", false, "usr/bin/python3", "bin/python3", nil, nil, loaded("P/kist/bin/python3", "P/usr/bin/python3", "-B", path)},
		{"usdt", false, "usr/bin/dtrace", "bin/dtrace", nil, []string{"-h"}, loaded("P/kist/tools/python3", "P/usr/bin/python3", "-B", "P/usr/bin/dtrace", "-h", path)},
		{"bindgen", false, "usr/lib/llvm-14/lib/clang/14.0.6/include/stddef.h", "bin/bindgen", nil, []string{"a.h"},
			loaded("P/kist/bin/bindgen", "P/usr/bin/bindgen", "a.h", "--", "-resource-dir", "P/usr/lib/llvm-14/lib/clang/14.0.6", "--sysroot=P/sysroot",
				"CLANG_PATH=/bin/true", "LIBCLANG_PATH=P/usr/lib/llvm-14/lib", path)},
		{"bindgen", false, "usr/lib/llvm-14/lib/clang/14.0.6/include/stddef.h", "bin/bindgen", nil, []string{"a b.h", "--", "-DX", "--", "y"},
			loaded("P/kist/bin/bindgen", "P/usr/bin/bindgen", "a b.h", "--", "-resource-dir", "P/usr/lib/llvm-14/lib/clang/14.0.6", "--sysroot=P/sysroot", "-DX", "--", "y",
				"CLANG_PATH=/bin/true", "LIBCLANG_PATH=P/usr/lib/llvm-14/lib", path)},
	} {
		// A directory name that needs quoting, and one that looks like part of a
		// launcher's path.
		p := newPrefixed(t, test.tool, filepath.Join(t.TempDir(), `it's "$HOME"`, "kist", "prefixes", "one"), test.host)
		p.write(test.program, "")
		got := p.start(filepath.Join(p.dir, "kist", test.called), test.environ, test.args...)
		slices.Sort(got[len(got)-environment(got):])
		want := slices.Clone(test.want)
		slices.Sort(want[len(want)-environment(want):])
		if !slices.Equal(got, want) {
			t.Errorf("%s of %s\nsays %q\nwant %q", test.called, test.tool, got, want)
		}
	}
}

// environment counts the trailing lines that are variables.
func environment(lines []string) (n int) {
	for n < len(lines) && strings.Contains(lines[len(lines)-1-n], "=") && !strings.HasPrefix(lines[len(lines)-1-n], "-") {
		n++
	}
	return n
}

// TestLaunchersFindThePrefix checks that a launcher finds its prefix through links to
// links, by a relative path, from another directory, and after the prefix was moved.
func TestLaunchersFindThePrefix(t *testing.T) {
	above := t.TempDir()
	p := newPrefixed(t, "ninja", filepath.Join(above, "kist", "prefixes", "one"), false)
	bin := filepath.Join(above, "my bin")
	for _, step := range []error{
		os.Mkdir(bin, 0o755),
		os.Symlink("prefixes/one", filepath.Join(above, "kist", "current")),
		os.Symlink("../kist/current/kist/bin/ninja", filepath.Join(bin, "ninja")),
		os.Symlink("ninja", filepath.Join(bin, "n")),
		os.Symlink("prefixes/one/kist/bin", filepath.Join(above, "kist", "bin")),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	want := loaded("P/kist/bin/ninja", "P/usr/bin/ninja", "-C", "x")
	for _, script := range []string{`"$1/ninja" -C x`, `"$1/n" -C x`, `cd "$1" && ./n -C x`, `cd "$1/.." && "my bin/../my bin/n" -C x`,
		`PATH="$1:$PATH" && cd / && n -C x`, `cd "$1" && sh n -C x`, `cd "$1/../kist/current/kist/bin" && ./ninja -C x`,
		`cd "$1/.." && kist/prefixes/one/kist/bin/ninja -C x`, `cd "$1/.." && "$PWD/kist/bin/ninja" -C x`} {
		if got := p.start("/bin/sh", nil, "-euc", script, "sh", bin); !slices.Equal(got[:len(want)], want) {
			t.Errorf("%s: %q", script, got)
		}
	}
	moved := prefixed{t, filepath.Join(above, "elsewhere", "kist", "prefixes", "one")}
	moved.made("")
	if err := os.Rename(p.dir, moved.dir); err != nil {
		t.Fatal(err)
	}
	if got := moved.start(filepath.Join(moved.dir, "kist/bin/ninja"), nil, "-C", "x"); !slices.Equal(got[:len(want)], want) {
		t.Errorf("moved: %q", got)
	}
}

// TestPythonInAVirtualEnvironment checks that Python recognises the virtual environment
// whose link it was called by.
func TestPythonInAVirtualEnvironment(t *testing.T) {
	p := newPrefixed(t, "python", filepath.Join(t.TempDir(), "one"), false)
	p.write("home/venv/pyvenv.cfg", "")
	p.write("home/bin/other", "")
	for _, link := range []string{"home/venv/bin/python3", "home/bin/python3"} {
		p.made(link)
		if err := os.Symlink(filepath.Join(p.dir, "kist/bin/python3"), filepath.Join(p.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for called, want := range map[string]string{"home/venv/bin/python3": "P/home/venv/bin/python3", "home/bin/python3": "P/kist/bin/python3"} {
		if got := p.start(filepath.Join(p.dir, called), nil); got[2] != want {
			t.Errorf("%s is told that it is %s, want %s", called, got[2], want)
		}
	}
}

// TestLauncherWithoutReadlink checks that a launcher starts only its program when
// called by its path, as the programs of its prefix do, or by a link to one of the
// user's prefixes. Through a link that cannot be resolved it starts nothing: neither a
// program of the machine nor one of a prefix with a launcher of the same name.
func TestLauncherWithoutReadlink(t *testing.T) {
	home := t.TempDir()
	data := filepath.Join(home, ".local", "share")
	newPrefixed(t, "ninja", filepath.Join(data, "kist", "prefixes", "a-twin"), false)
	p := newPrefixed(t, "ninja", filepath.Join(data, "kist", "prefixes", "b"), false)
	newPrefixed(t, "ninja", filepath.Join(data, "kist", "prefixes", "c-twin"), false)
	elsewhere := newPrefixed(t, "ninja", filepath.Join(home, "elsewhere"), false)
	bin := filepath.Join(home, "bin")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(bin, 0o755))
	must(os.Symlink(data, filepath.Join(home, "data link")))
	p.write("usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n") // say needs programs
	path := filepath.Join(p.dir, "kist", "bin", "ninja")
	link, other, far := filepath.Join(bin, "ninja"), filepath.Join(bin, "n"), filepath.Join(bin, "far", "ninja")
	must(os.Symlink(path, link))
	must(os.Symlink(path, other))
	must(os.Mkdir(filepath.Join(bin, "far"), 0o755))
	must(os.Symlink(filepath.Join(elsewhere.dir, "kist", "bin", "ninja"), far))
	for _, test := range []struct {
		called  string
		environ string
		want    int
		name    string // the program's argv[0]
	}{
		{path, "", 0, path},
		{link, "HOME=" + home, 0, path},
		{link, "XDG_DATA_HOME=" + data, 0, path},
		{link, "XDG_DATA_HOME=" + filepath.Join(home, "data link"), 0, filepath.Join(home, "data link", "kist", "prefixes", "b", "kist", "bin", "ninja")},
		{link, "", 127, ""},
		{link, "HOME=/nowhere", 127, ""},
		{link, "XDG_DATA_HOME=.local/share", 127, ""}, // relative, so not a directory of kist
		{other, "HOME=" + home, 127, ""},
		{far, "HOME=" + home, 127, ""},
	} {
		cmd := exec.Command("/bin/sh", test.called, "--version")
		cmd.Dir = home
		cmd.Env = []string{"PATH=/nowhere", test.environ}
		out, err := cmd.CombinedOutput()
		said := "--argv0\n" + test.name + "\n"
		if cmd.ProcessState.ExitCode() != test.want || (test.want == 0) != strings.Contains(string(out), said) || test.name == "" && strings.Contains(string(out), "--argv0") {
			t.Errorf("%s with %q: %v: %s", test.called, test.environ, err, out)
		}
	}
}
