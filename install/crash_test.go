package install_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// A crash is a change that is killed: the state before it, and the change, which can
// be repeated. Each is killed at every one of its checkpoints.
type crash struct {
	name   string
	before func(w *world)
	do     func(w *world) error
}

func crashes() []crash {
	return []crash{
		{"first install", nothing, installs("zig 1.0")},
		{"install", installed("first 1.0"), installs("zig 1.0", "zls 1.0")},
		{"another component", installed("zig 1.0"), func(w *world) error {
			r := w.proved("zig 1.0")
			r.Components = append(r.Components, "docs")
			return w.try(plan.Change{Install: []manifests.Release{r}})
		}},
		{"update", installed("zig 1.0", "first 1.0"), func(w *world) error {
			r, ok := w.find("zig 2.0")
			if ok {
				return settle(w)
			}
			r, _ = w.find("zig 1.0")
			return w.try(plan.Change{Update: []plan.Update{{ID: r.ID, Release: w.proved("zig 2.0")}}})
		}},
		{"update that frees", installed("zig 1.0", "first 1.0"), updates("zig 1.0", "zig 2.0", "zig 3.0")},
		{"gc", updated, gc},
		{"gc of what was changed", func(w *world) {
			installed("zig 1.0", "first 1.0")(w)
			w.spoil("zig 1.0")
			w.do(updateFreely("zig 1.0", "zig 2.0"))
		}, gc},
		{"gc of what a project uses", func(w *world) {
			updated(w)
			w.do(project)
			w.do(updates("zig 3.0", "zig 4.0"))
		}, gc},
		{"a project", installed("zig 1.0"), project},
		{"set-default", installed("zig 1.0", "zig 2.0"), func(w *world) error {
			r, _ := w.find("zig 2.0")
			return w.try(plan.Change{Default: []record.ID{r.ID}})
		}},
		{"rollback", installed("first 1.0", "zig 1.0"), func(w *world) error {
			err := w.try(plan.Change{Rollback: true})
			if errors.Is(err, plan.ErrNoPrevious) {
				return settle(w)
			}
			return err
		}},
		{"launchers on", installed("first 1.0", "zig 1.0"), launchers(true)},
		{"launchers off", switched, launchers(false)},
		{"an answer", switched, answer},
		{"uninstall with launchers", switched, uninstall("zig 1.0")},
		{"uninstall --all with launchers", switched, uninstallAll(false)},
		{"self uninstall with launchers", switched, uninstallAll(true)},
		{"uninstall", installed("first 1.0", "zig 1.0", "zig 2.0"), uninstall("zig 1.0")},
		{"uninstall of what was changed", func(w *world) {
			installed("first 1.0", "zig 1.0")(w)
			w.spoil("zig 1.0")
		}, uninstall("zig 1.0")},
		{"uninstall --all", func(w *world) {
			installed("first 1.0", "zig 1.0")(w)
			w.spoil("zig 1.0")
		}, uninstallAll(false)},
		{"self uninstall", installed("first 1.0", "zig 1.0"), uninstallAll(true)},
		{"a mark", installed("zig 1.0"), func(w *world) error { return w.see(3) }},
		{"the end of a mark", installed("zig 1.0"), func(w *world) error {
			i := w.kist()
			defer i.Close()
			_, err := i.DropMark(w.t.Context(), "acme")
			return err
		}},
		{"relocation", relocated, relocate},
		{"relocation of what was changed", func(w *world) {
			relocated(w)
			w.spoil("zig 1.0")
		}, relocate},
		{"relocation with launchers", func(w *world) { moveFrom(w, switched, ".local/bin/another") }, relocate},
		{"relocation of a copy", func(w *world) {
			relocated(w)
			for _, name := range movedParts {
				copyTree(w.t, filepath.Join(w.home+".old", name), w.path(name))
			}
		}, relocate},

		{"a release that is made again", thenChanged("zig 1.0"), remake},
		{"a release that is made again with launchers", func(w *world) {
			switched(w)
			w.spoil("zig 1.0")
		}, remake},
		{"a release that is made again after an update", func(w *world) {
			updated(w)
			w.spoil("zig 3.0")
		}, remake},
		{"mending", func(w *world) {
			cut("install", "generation written")(w)
			os.Remove(w.path(".local/bin/first"))
		}, mend},

		// The repair is killed too.
		{"repair of an install", cut("install", "prefix published"), settle},
		{"repair of an install that was in force", cut("install", "switched"), settle},
		{"repair of a stage", cut("install", "stage filled"), settle},
		{"repair of an update", cut("update", "generation written"), settle},
		{"repair of an update that frees", cut("update that frees", "confirmed"), settle},
		{"repair of a gc", cut("gc", "entry removed"), settle},
		{"repair of an uninstall", cut("uninstall", "entry removed"), settle},
		{"repair of an uninstall that had just begun", cut("uninstall", "switched"), settle},
		{"repair of an uninstall --all", cut("uninstall --all", "current dropped"), settle},
		{"repair after the user removed what was kept", func(w *world) {
			installed("first 1.0", "zig 1.0")(w)
			w.spoil("zig 1.0")
			w.litter("first 1.0")
			w.do(uninstall("zig 1.0"))
			w.do(uninstall("first 1.0"))
			w.clean()
		}, settle},
	}
}

// TestCrashChild is the program that other tests kill: it makes the change that the
// environment names, and kills itself by SIGKILL at the step that it names.
func TestCrashChild(t *testing.T) {
	home := os.Getenv(crashHome)
	if home == "" {
		return // of use to the other tests alone
	}
	w := worldIn(t, home)
	times, err := strconv.Atoi(os.Getenv(crashTime))
	if err != nil {
		t.Fatal(err)
	}
	w.checkpoint = func(step string) {
		if step == os.Getenv(crashStep) {
			if times--; times == 0 {
				self, _ := os.FindProcess(os.Getpid())
				self.Kill()
				select {}
			}
		}
	}
	n := slices.IndexFunc(crashes(), func(c crash) bool { return c.name == os.Getenv(crashName) })
	w.do(crashes()[n].do)
}

// kill runs a change in a child that is killed when it reaches a step for the given
// time. It returns false if the child never did.
func (w *world) kill(name, step string, times int) bool {
	w.t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
	child.Env = append(os.Environ(), crashHome+"="+w.home, crashName+"="+name, crashStep+"="+step, crashTime+"="+strconv.Itoa(times))
	out, err := child.CombinedOutput()
	switch {
	case err == nil:
		return false
	case child.ProcessState.ExitCode() != -1:
		w.t.Fatalf("%s did not get to %q, and was not killed: %v\n%s", name, step, err, out)
	}
	return true
}

// TestChangesSurviveKillAtEveryCheckpoint kills each change at each of its checkpoints, the
// first and the last time it reaches it, and makes the change again. It then checks that
// every checkpoint in the code was reached. With -short it kills one change in three, at
// every twelfth checkpoint, once, and does not check that all were reached.
func TestChangesSurviveKillAtEveryCheckpoint(t *testing.T) {
	var mu sync.Mutex
	reached := map[string]bool{}
	t.Run("each", func(t *testing.T) {
		all, step := crashes(), short.Step(t, 3)
		for i := 0; i < len(all); i += step {
			c := all[i]
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				for step := range c.killedAnywhere(t) {
					mu.Lock()
					reached[step] = true
					mu.Unlock()
				}
			})
		}
	})
	all := checkpoints(t)
	for step, at := range all {
		if !reached[step] && !testing.Short() {
			t.Errorf("%s: no test kills a kist at %q", at, step)
		}
	}
	if len(all) < 30 {
		t.Errorf("only %d checkpoints were found in the code", len(all))
	}
}

// killedAnywhere returns the checkpoints that c reaches, and how often.
func (c crash) killedAnywhere(t *testing.T) map[string]int {
	w := worldIn(t, filepath.Join(t.TempDir(), "home"))
	w.write(".local/bin/mine", "mine")
	w.write(".config/kist.conf", "not kist's")
	w.write(".local/state/other/file", "x")
	before := w.snapshot()
	c.before(w)
	template := w.home + ".before"
	copyTree(t, template, w.home)

	steps := map[string]int{}
	w.checkpoint = func(step string) { steps[step]++ }
	w.do(c.do)
	w.checkpoint = nil
	want := w.summary()
	if len(steps) == 0 {
		t.Error("it has no checkpoints")
	}
	for step := range short.Rows(t, steps, 12) {
		all := []int{1, steps[step]}
		if testing.Short() || strings.HasPrefix(c.name, "repair") {
			all = all[:1]
		}
		for _, times := range slices.Compact(all) {
			restore(t, w.home, template)
			mark := w.serial()
			if !w.kill(c.name, step, times) {
				t.Fatalf("%q was not reached the %d. time", step, times)
			}
			at := fmt.Sprintf("killed at %q (%d of %d)", step, times, steps[step])
			w.sound(at, mark)
			w.do(c.do)
			w.sound(at+" and made again", mark)
			if got := w.summary(); got != want {
				t.Errorf("%s and made again: got\n%s\nwant\n%s", at, got, want)
			}
			if times > 1 {
				continue
			}
			w.clean()
			w.do(uninstallAll(true))
			if step == "state directory made" { // nothing says yet that kist made it
				err := os.Remove(w.path(".local/state/kist"))
				if err != nil {
					t.Error(err)
				}
			}
			w.same(before)
			if t.Failed() {
				t.FailNow()
			}
		}
	}
	return steps
}

// checkpoints returns the steps that the code names, and where.
func checkpoints(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, dir := range []string{".", "internal/store", "internal/roots"} {
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "reached" {
					step, err := strconv.Unquote(call.Args[0].(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					if at := fset.Position(call.Pos()).String(); found[step] != "" {
						t.Errorf("%s: %q is the name of another step, too: %s", at, step, found[step])
					} else {
						found[step] = at
					}
				}
				return true
			})
		}
	}
	return found
}
