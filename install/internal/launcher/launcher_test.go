//go:build unix

package launcher_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/internal/launcher"
)

// A place is a launcher called go, with programs that tell what was started.
type place struct {
	t     *testing.T
	shell []string
	dir   string // physical
	home  string
	env   []string
}

var files = []string{"kist.toml", ".go-version", "go.mod"}

// newPlace makes a launcher for shell. It starts the programs default, project and kist,
// which print their name, PATH's beginning and their arguments.
func newPlace(t *testing.T, shell ...string) *place {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, shell: shell, dir: dir, home: filepath.Join(dir, "home")}
	p.env = []string{"HOME=" + p.home, "PATH=/usr/bin:/bin"}
	for _, d := range []string{"home", "bin", "current/default", "current/projects"} {
		p.mkdir(filepath.Join(dir, d))
	}
	for name, file := range map[string]string{"kist": "kist", "default": "current/default/go", "project": "project"} {
		p.write(filepath.Join(dir, file), "#!/bin/sh\nprintf '%s' '"+name+"'; printf ' <%s>' \"$@\"; printf ' %s' \"${GOROOT-}\"\n")
	}
	script := launcher.Script{Current: filepath.Join(dir, "current"), Kist: filepath.Join(dir, "kist"), Files: files}
	p.write(filepath.Join(dir, "current/launcher"), string(script.Encode()))
	if err := os.Symlink("../current/launcher", filepath.Join(dir, "bin/go")); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *place) mkdir(dir string) string {
	p.t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	return dir
}

func (p *place) write(file, text string) {
	p.t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		p.t.Fatal(err)
	}
}

// answer stores the answer for dir, made from the files of it that exist.
func (p *place) answer(dir string) {
	p.t.Helper()
	a := launcher.Answer{Dir: dir, Commands: []launcher.Command{
		{Name: "go", Target: filepath.Join(p.dir, "project"), Path: "/first", Set: map[string]string{"GOROOT": "it's $HOME"}, Unset: []string{"GOFLAGS"}},
		{Name: "gofmt"},
	}}
	current := filepath.Join(p.dir, "current")
	p.mkdir(filepath.Dir(filepath.Join(current, launcher.AnswerFile(dir))))
	for _, name := range files {
		file := filepath.Join(dir, name)
		info, err := os.Lstat(file)
		if err != nil {
			a.Absent = append(a.Absent, file)
			continue
		}
		stamp := filepath.Join(current, launcher.StampFile(dir, len(a.Files)))
		p.write(stamp, "")
		if err := os.Chtimes(stamp, info.ModTime(), info.ModTime()); err != nil {
			p.t.Fatal(err)
		}
		a.Files = append(a.Files, file)
	}
	p.write(filepath.Join(current, launcher.AnswerFile(dir)), string(a.Encode()))
}

// run runs the launcher in dir, and returns what was printed.
func (p *place) run(dir string, args ...string) string {
	p.t.Helper()
	return p.runAs("go", dir, args...)
}

func (p *place) runAs(name, dir string, args ...string) string {
	p.t.Helper()
	cmd := exec.Command(p.shell[0], append(append(slices.Clone(p.shell[1:]), filepath.Join(p.dir, "bin", name)), args...)...)
	cmd.Dir, cmd.Env = dir, append(slices.Clone(p.env), "PWD="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%s%v", out, err)
	}
	return string(out)
}

func (p *place) want(what, dir, want string) {
	p.t.Helper()
	if got := p.run(dir, "a b", "c\nd"); !strings.HasPrefix(got, want+" ") {
		p.t.Errorf("%s: %q, want %s", what, got, want)
	}
}

// old makes file be modified an hour ago, and some more.
func (p *place) old(file string, more time.Duration) {
	p.t.Helper()
	at := time.Now().Add(-time.Hour - more)
	if err := os.Chtimes(file, at, at); err != nil {
		p.t.Fatal(err)
	}
}

// shells are those that are sure to be on every machine.
var shells = [][]string{{"/bin/sh"}}

func eachShell(t *testing.T, test func(t *testing.T, p *place)) {
	for _, shell := range shells {
		t.Run(strings.Join(shell, " "), func(t *testing.T) { test(t, newPlace(t, shell...)) })
	}
}

// TestLauncherFollowsTheProject checks that the project's command runs in and below its
// directory, with its environment, and the default elsewhere.
func TestLauncherFollowsTheProject(t *testing.T) {
	eachShell(t, func(t *testing.T, p *place) {
		shop := p.mkdir(filepath.Join(p.home, "it's a shop"))
		deep := p.mkdir(filepath.Join(shop, "src", "deep"))
		p.want("without a project", deep, "default <a b> <c\nd>")
		p.write(filepath.Join(shop, ".go-version"), "1.25")
		p.want("without an answer", deep, "kist <shims> <run> <--> <go> <a b> <c\nd>")
		p.answer(shop)
		for _, dir := range []string{shop, deep} {
			p.want(dir, dir, "project <a b> <c\nd>")
		}
		p.want("elsewhere", p.home, "default")
		p.want("in the root", "/", "default")
		if err := os.Symlink("go", filepath.Join(p.dir, "bin/gofmt")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("go", filepath.Join(p.dir, "current/default/gofmt")); err != nil {
			t.Fatal(err)
		}
		if got := p.runAs("gofmt", deep); !strings.HasPrefix(got, "default") {
			t.Errorf("a command that the project does not ask for: %q", got)
		}
		p.env = []string{"PATH=/usr/bin:/bin"}
		p.want("without HOME", deep, "project")
		link := filepath.Join(p.home, "link")
		if err := os.Symlink(deep, link); err != nil {
			t.Fatal(err)
		}
		p.want("through a link", link, "project")
		for _, missing := range []string{"project", "current/default/go"} {
			if err := os.Remove(filepath.Join(p.dir, missing)); err != nil {
				t.Fatal(err)
			}
		}
		p.want("a command that is gone", deep, "kist")
		p.want("no default", p.home, "kist")
		if err := os.Remove(filepath.Join(p.dir, "kist")); err != nil {
			t.Fatal(err)
		}
		if got := p.run(deep); !strings.HasSuffix(got, "exit status 127") || !strings.Contains(got, "kist, which would start it, is not at") {
			t.Errorf("without kist: %q", got)
		}
	})
}

// TestLauncherStopsAtHome checks that a file above the home directory is no project's.
func TestLauncherStopsAtHome(t *testing.T) {
	eachShell(t, func(t *testing.T, p *place) {
		p.write(filepath.Join(p.dir, "go.mod"), "")
		p.want("in the home", p.mkdir(filepath.Join(p.home, "a")), "default")
		p.want("outside", p.mkdir(filepath.Join(p.dir, "b")), "kist")
	})
}

// TestLauncherAsksAboutChangedFiles checks that an answer does not count once a file of the
// project was changed in any way.
func TestLauncherAsksAboutChangedFiles(t *testing.T) {
	eachShell(t, func(t *testing.T, p *place) {
		for name, change := range map[string]func(shop, file string){
			"nothing":         func(_, _ string) {},
			"written":         func(_, file string) { p.write(file, "1.26") },
			"made older":      func(_, file string) { p.old(file, 10*time.Minute) },
			"removed":         func(_, file string) { os.Remove(file) },
			"a directory now": func(_, file string) { os.Remove(file); p.mkdir(file) },
			"a link now": func(shop, file string) {
				os.Rename(file, filepath.Join(shop, "real"))
				os.Symlink("real", file)
			},
			"a new file":         func(shop, _ string) { p.write(filepath.Join(shop, "kist.toml"), "") },
			"a nearer file":      func(shop, _ string) { p.write(filepath.Join(shop, "src", "go.mod"), "") },
			"a file of no tool":  func(shop, _ string) { p.write(filepath.Join(shop, "main.go"), "") },
			"a nearer directory": func(shop, _ string) { p.mkdir(filepath.Join(shop, "src", "go.mod")) },
		} {
			shop := p.mkdir(filepath.Join(p.home, name))
			file, src := filepath.Join(shop, ".go-version"), p.mkdir(filepath.Join(shop, "src"))
			p.write(file, "1.25")
			p.old(file, 0)
			p.answer(shop)
			p.want(name+", before", src, "project")
			change(shop, file)
			want := "kist"
			switch name {
			case "nothing", "a file of no tool":
				want = "project"
			case "removed":
				want = "default" // there is no project any more
			}
			p.want(name, src, want)
		}
	})
}

// TestLauncherLeavesTheEnvironment checks that the command's environment is as it was, save
// for what the release needs.
func TestLauncherLeavesTheEnvironment(t *testing.T) {
	eachShell(t, func(t *testing.T, p *place) {
		shop := p.mkdir(filepath.Join(p.home, "shop"))
		p.write(filepath.Join(shop, "go.mod"), "")
		p.answer(shop)
		for _, program := range []string{"project", "current/default/go"} {
			p.write(filepath.Join(p.dir, program), "#!/bin/sh\nexec env\n")
		}
		link := filepath.Join(p.home, "link")
		if err := os.Symlink(shop, link); err != nil {
			t.Fatal(err)
		}
		p.env = append(p.env, "OLDPWD=/usr", "name=mine", "dir=mine", "IFS=:", "GOFLAGS=-x", "GOROOT=/other")
		got := "\n" + p.run(link)
		for _, line := range []string{"PWD=" + link, "OLDPWD=/usr", "name=mine", "dir=mine", "PATH=/first:/usr/bin:/bin", "GOROOT=it's $HOME"} {
			if !strings.Contains(got, "\n"+line+"\n") {
				t.Errorf("no %s in %s", line, got)
			}
		}
		if strings.Contains(got, "_kist_") || strings.Contains(got, "GOFLAGS") {
			t.Errorf("too much in %s", got)
		}
		p.env = p.env[:2]
		if got := p.run(p.home); strings.Contains(got, "OLDPWD") || strings.Contains(got, "GOROOT") || strings.Contains(got, "_kist_") {
			t.Errorf("a default got more: %s", got)
		}
	})
}

// TestLauncherInRemovedDirectory checks that a directory that was removed is no project.
func TestLauncherInRemovedDirectory(t *testing.T) {
	eachShell(t, func(t *testing.T, p *place) {
		dir := p.mkdir(filepath.Join(p.home, "gone"))
		p.write(filepath.Join(p.home, "go.mod"), "")
		cmd := exec.Command("/bin/sh", "-c", `rmdir "$PWD" && exec "$@"`, "sh")
		cmd.Args = append(append(cmd.Args, p.shell...), filepath.Join(p.dir, "bin", "go"), "x")
		cmd.Dir, cmd.Env = dir, p.env
		var talk bytes.Buffer
		cmd.Stderr = &talk
		out, err := cmd.Output()
		if err != nil || !strings.HasPrefix(string(out), "default <x>") {
			t.Errorf("%q %v %s", out, err, &talk)
		}
	})
}

// hostileName is a name of a directory, of any bytes that one may have.
func hostileName() *rapid.Generator[string] {
	special := rapid.SampledFrom([]string{"'", `\`, `"`, "$HOME", "$(touch evil)", "`touch evil`", "\n", "\t", " ", "%", "*", "?", "[a]", "~", "=", "answer", "0",
		"..", "é", "日", "\x80", "\xff", "-n", ";", "&", "#", "!", "\r", "\x01"})
	part := rapid.OneOf(special, rapid.StringOfN(rapid.RuneFrom([]rune("ab.%=")), 1, 4, -1))
	return rapid.Map(rapid.SliceOfN(part, 1, 5), func(parts []string) string { return strings.Join(parts, "") }).
		Filter(func(s string) bool { return s != "." && s != ".." })
}

// TestLauncherInHostileDirectories checks that a directory of any name gets its own answer,
// not that of another, and that nothing in its name is evaluated.
func TestLauncherInHostileDirectories(t *testing.T) {
	eachShell(t, func(t *testing.T, p *place) {
		for seed := range 60 {
			name, inner := hostileName().Example(seed), hostileName().Example(1000+seed)
			shop := p.mkdir(filepath.Join(p.home, fmt.Sprintf("%d", seed), name))
			below := p.mkdir(filepath.Join(shop, inner))
			p.write(filepath.Join(shop, "go.mod"), "")
			p.answer(shop)
			p.want(fmt.Sprintf("%q", below), below, "project")
			p.write(filepath.Join(below, "go.mod"), "")
			p.want(fmt.Sprintf("%q has no answer", below), below, "kist")
			p.answer(below)
			p.want(fmt.Sprintf("%q", below), below, "project")
		}
		err := filepath.WalkDir(p.dir, func(path string, _ os.DirEntry, err error) error {
			if filepath.Base(path) == "evil" {
				t.Errorf("%s: evaluated", path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestAnswerFilesDiffer checks that no two directories share an answer or a stamp, and that
// none can be called like those of another.
func TestAnswerFilesDiffer(t *testing.T) {
	dir := rapid.Map(rapid.SliceOfN(hostileName(), 0, 4), func(names []string) string { return "/" + strings.Join(names, "/") })
	rapid.Check(t, func(t *rapid.T) {
		a, b := dir.Draw(t, "a"), dir.Draw(t, "b")
		if (launcher.AnswerFile(a) == launcher.AnswerFile(b)) != (a == b) {
			t.Fatalf("%q and %q share %s", a, b, launcher.AnswerFile(a))
		}
		file, stamp := launcher.AnswerFile(a), launcher.StampFile(a, 3)
		if !launcher.IsAnswer(file) || launcher.IsStamp(file) || !launcher.IsStamp(stamp) || launcher.IsAnswer(stamp) || launcher.IsAnswerDir(file) {
			t.Fatalf("%q and %q are not told apart", file, stamp)
		}
		if other := filepath.Dir(launcher.AnswerFile(b)); other == file || other == stamp || !launcher.IsAnswerDir(other) {
			t.Fatalf("the directory of %q is %q", b, other)
		}
	})
}

// TestIsOwn checks that a launcher and an answer are recognized, and that none is after a
// change of one byte.
func TestIsOwn(t *testing.T) {
	for _, data := range [][]byte{
		launcher.Script{Current: "/a", Kist: "/b", Files: files}.Encode(),
		launcher.Answer{Dir: "/c", Files: []string{"/c/go.mod"}, Commands: []launcher.Command{{Name: "go"}}}.Encode(),
	} {
		if !launcher.IsOwn(data) {
			t.Errorf("not recognized: %s", data)
		}
		for i := range data {
			changed := slices.Clone(data)
			changed[i] ^= 1
			if launcher.IsOwn(changed) || launcher.IsOwn(data[:i]) {
				t.Fatalf("recognized after a change at %d", i)
			}
		}
	}
}
