package install_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

func nothing(*world) {}

func installed(tools ...string) func(*world) {
	return func(w *world) {
		w.do(func(w *world) error { return w.see(2) })
		for _, t := range tools {
			w.do(installs(t))
		}
	}
}

// updates updates zig from one version to the next, and keeps no earlier release but one.
func updates(versions ...string) func(*world) error {
	return func(w *world) error {
		for n, to := range versions[1:] {
			r, ok := w.find(versions[n])
			if !ok {
				continue
			}
			keep := 1
			if err := w.try(plan.Change{Update: []plan.Update{{ID: r.ID, Release: w.proved(to)}}, Keep: &keep}); err != nil {
				return err
			}
		}
		return settle(w)
	}
}

// updated makes three generations that gc can free, of which the first also holds another
// tool that is no longer in force.
func updated(w *world) {
	installed("zig 1.0", "first 1.0")(w)
	w.do(updateFreely("zig 1.0", "zig 2.0"))
	w.do(updateFreely("first 1.0", "first 2.0"))
	w.do(updateFreely("zig 2.0", "zig 3.0"))
}

// updateFreely updates from one release to another, and keeps all earlier ones.
func updateFreely(from, to string) func(*world) error {
	return func(w *world) error {
		r, _ := w.find(from)
		return w.try(plan.Change{Update: []plan.Update{{ID: r.ID, Release: w.proved(to)}}})
	}
}

// thenChanged installs two releases, one of which the user then changes.
func thenChanged(tool string) func(*world) {
	return func(w *world) {
		installed("first 1.0", "zig 1.0")(w)
		w.spoil(tool)
	}
}

// remake makes every release in force again that differs from its receipt.
func remake(w *world) error {
	i := w.kist()
	defer i.Close()
	for _, r := range w.state().Installed() {
		_, drift, err := i.Verify(w.t.Context(), r.ID)
		if err != nil {
			return err
		}
		if len(drift) == 0 {
			continue
		}
		receipt, err := i.Receipt(r.ID)
		if err != nil {
			return err
		}
		again := w.proved(r.Tool + " " + r.Version)
		again.Tree = receipt.TreeDigest()
		if err := w.try(plan.Change{Install: []manifests.Release{again}, Remake: []record.ID{r.ID}}); err != nil {
			return err
		}
	}
	return settle(w)
}

// mend repairs, and demands that nothing is left to repair.
func mend(w *world) error {
	i := w.kist()
	defer i.Close()
	if _, _, err := i.Repair(w.t.Context()); err != nil {
		return err
	}
	left, err := i.Leftovers(w.state())
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("left: %v", left)
	}
	return err
}

// gc frees every earlier release of zig. What it is called with is what is left to free.
func gc(w *world) error {
	var c plan.Change
	for id := range w.state().Earlier() {
		if strings.HasPrefix(string(id), "acme-zig-") {
			c.Free = append(c.Free, id)
		}
	}
	return w.try(c)
}

// project records a project.
func project(w *world) error {
	i := w.kist()
	defer i.Close()
	return i.NoteProject(w.t.Context(), install.SeenProject{Dir: filepath.Join(w.home, "shop"), Mount: "/", Uses: []string{"acme/zig@1.0"}})
}

// launchers switches the launchers of two commands, of which no release has one.
func launchers(on bool) func(*world) error {
	return func(w *world) error {
		names := []string{"zig", "another"}
		if on {
			return w.try(plan.Change{ShimsOn: names})
		}
		return w.try(plan.Change{ShimsOff: names})
	}
}

// switched installs two releases, with launchers that know a project.
func switched(w *world) {
	installed("first 1.0", "zig 1.0")(w)
	w.do(launchers(true))
	w.do(answer)
}

// answer stores what launchers run in a project.
func answer(w *world) error {
	i := w.kist()
	defer i.Close()
	s, err := i.State()
	if err != nil {
		return err
	}
	a := install.Answer{Dir: "/home/me/shop", Files: []string{"/home/me/shop/kist.toml"}, Commands: []install.LauncherCommand{{Name: "zig"}}}
	_, err = i.Remember(w.t.Context(), s.Current, a, []time.Time{i.Opened().Now.Add(-time.Hour)})
	return err
}

func installs(tools ...string) func(*world) error {
	return func(w *world) error {
		var c plan.Change
		for _, t := range tools {
			c.Install = append(c.Install, w.proved(t))
		}
		return w.try(c)
	}
}

func uninstall(tool string) func(*world) error {
	return func(w *world) error {
		r, ok := w.find(tool)
		if !ok {
			return settle(w)
		}
		return w.try(plan.Change{Remove: []record.ID{r.ID}})
	}
}

func uninstallAll(self bool) func(*world) error {
	return func(w *world) error {
		i := w.kist()
		defer i.Close()
		_, err := i.RemoveAll(w.t.Context(), self)
		return err
	}
}

// movedParts are what a home is moved with: kist's directories and its links.
var movedParts = []string{".local/share/kist", ".local/state/kist", ".cache/kist", ".local/bin/first", ".local/bin/zig"}

// relocated moves a store from another home to w's.
func relocated(w *world) { moveFrom(w, installed("first 1.0", "zig 1.0", "zig 2.0")) }

// moveFrom moves a store from another home, which fill filled, to w's, with more files than
// movedParts.
func moveFrom(w *world, fill func(*world), more ...string) {
	old := worldIn(w.t, w.home+".old")
	for _, dir := range []string{old.path(".local/bin"), old.path(".local/state"), old.path(".config"), w.path(".local/share"), w.path(".cache")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	fill(old)
	for _, name := range append(slices.Clone(movedParts), more...) {
		if err := os.Rename(old.path(name), w.path(name)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func relocate(w *world) error {
	i := w.kist()
	defer i.Close()
	res, err := i.Relocate(w.t.Context())
	if err != nil || len(res.Left) > 0 {
		return err
	}
	if moved := w.kist().Relocated(w.state()); moved != nil {
		return moved
	}
	return nil
}

func settle(w *world) error { return w.try(plan.Change{}) }

// cut does what another crash does, up to a checkpoint.
func cut(name, step string) func(*world) {
	return func(w *world) {
		n := slices.IndexFunc(crashes(), func(c crash) bool { return c.name == name })
		crashes()[n].before(w)
		if !w.kill(name, step, 1) {
			w.t.Fatalf("%s does not reach %q", name, step)
		}
	}
}

// do makes a change that must succeed.
func (w *world) do(change func(*world) error) {
	w.t.Helper()
	if err := change(w); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) try(c plan.Change) error {
	_, err := w.change(c)
	return err
}

// The environment of the child that is killed.
const (
	crashHome = "KIST_TEST_HOME"
	crashName = "KIST_TEST_CRASH"
	crashStep = "KIST_TEST_STEP"
	crashTime = "KIST_TEST_TIME"
)
