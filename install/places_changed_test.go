//go:build unix

package install_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
)

// A home that was moved takes its commands along; that of a copy leaves the original's
// links alone.
func TestLinksOfAMovedHome(t *testing.T) {
	for name, move := range map[string]func(from, to string) error{
		"moved":  os.Rename,
		"copied": func(from, to string) error { return exec.Command("cp", "-a", from, to).Run() },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			w := worldIn(t, filepath.Join(dir, "old"))
			if err := os.Mkdir(w.home, 0o700); err != nil {
				t.Fatal(err)
			}
			w.install(w.release("zig", "1.0", "bin/zig"))
			w.install(w.release("go", "1.0", "bin/go"))
			if err := os.Symlink(w.path("mine"), w.path(".local/bin/mine")); err != nil {
				t.Fatal(err)
			}
			link := func(name string) string {
				target, _ := os.Readlink(w.path(".local/bin/" + name))
				return target
			}
			mine, old := link("mine"), link("zig")
			if err := move(w.home, filepath.Join(dir, "new")); err != nil {
				t.Fatal(err)
			}
			w.home = filepath.Join(dir, "new")
			w.install(w.release("other", "1.0", "bin/other"))
			if got := w.command("other"); got != "bin/other 1.0" {
				t.Errorf("the new command holds %q", got)
			}
			zig, _ := w.find("zig 1.0")
			if name == "copied" {
				if is := link("zig"); is != old {
					t.Errorf("the link leads to %s, and led to %s", is, old)
				}
				return
			}
			if got := w.command("zig"); got != "bin/zig 1.0" || link("zig") == old {
				t.Errorf("the command holds %q, by %s", got, link("zig"))
			}
			w.must(plan.Change{Remove: []record.ID{zig.ID}})
			if is := link("zig"); is != "" {
				t.Errorf("a link to %s is left", is)
			}
			if _, err := w.kist().RemoveAll(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if left, err := os.ReadDir(w.path(".local/bin")); err != nil || len(left) != 1 || link("mine") != mine {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

// An uninstall takes kist's links out of every directory that was the bin directory, and
// leaves there what is in force, and what is not kist's.
func TestLinksInAnEarlierBinDirectory(t *testing.T) {
	w := newWorld(t)
	zig := w.install(w.release("zig", "1.0", "bin/zig"))
	w.install(w.release("go", "1.0", "bin/go"))
	for _, name := range []string{"mine", "zig.old"} {
		if err := os.Symlink(w.path(".local/share/kist/current/bin/zig"), w.path(".local/bin/"+name)); err != nil {
			t.Fatal(err)
		}
	}
	exists := func(name string) bool {
		_, err := os.Lstat(w.path(name))
		return err == nil
	}
	change := func(c plan.Change) {
		i, err := w.as(func(d *install.Dirs) { d.Bin = w.path("bin") })
		if err != nil {
			t.Fatal(err)
		}
		s, err := i.State()
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.Make(s, c)
		if err == nil {
			_, err = i.Apply(t.Context(), p)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	change(plan.Change{Remove: []record.ID{zig.ID}})
	if exists(".local/bin/zig") || exists("bin/zig") || !exists(".local/bin/go") || !exists("bin/go") {
		t.Errorf("links: %v %v, %v %v", exists(".local/bin/zig"), exists("bin/zig"), exists(".local/bin/go"), exists("bin/go"))
	}
	i, err := w.as(func(d *install.Dirs) { d.Bin = w.path("bin") })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := i.RemoveAll(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if exists(".local/bin/go") || exists("bin") || !exists(".local/bin/mine") || !exists(".local/bin/zig.old") {
		t.Errorf("links of go: %v, the new directory: %v, what is not kist's: %v %v",
			exists(".local/bin/go"), exists("bin"), exists(".local/bin/mine"), exists(".local/bin/zig.old"))
	}
}
