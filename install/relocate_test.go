//go:build unix

package install_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
)

// copyHome copies the home of w as cp -a does, and returns the world in the copy.
func (w *world) copyHome(t *testing.T, to string) *world {
	t.Helper()
	if out, err := exec.Command("cp", "-a", w.home, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return worldIn(t, to)
}

func homeIn(t *testing.T, name string) *world {
	t.Helper()
	w := worldIn(t, filepath.Join(t.TempDir(), name))
	if err := os.Mkdir(w.home, 0o700); err != nil {
		t.Fatal(err)
	}
	return w
}

// Installs in a relocated store work before the repair, and the repair still knows the
// links of the first place: a dozen commands cause no dozen warnings.
func TestChangesBeforeRelocate(t *testing.T) {
	w := homeIn(t, "old")
	names := []string{"a", "b", "c", "d", "e"}
	for _, name := range names {
		w.install(w.release(name, "1.0", "bin/"+name))
	}
	there := w.copyHome(t, filepath.Join(filepath.Dir(w.home), "new"))
	there.install(there.release("other", "1.0", "bin/other"))
	there.install(there.release("another", "1.0", "bin/another"))
	if len(there.warned) > 0 {
		t.Errorf("warned %q", there.warned)
	}
	i := there.kist()
	res, err := i.Relocate(t.Context())
	if err != nil || !slices.Equal(res.Commands, names) || len(res.Adapted) != len(names) {
		t.Errorf("linked %q, adapted %d: %v", res.Commands, len(res.Adapted), err)
	}
	for _, name := range append(names, "other", "another") {
		target, err := os.Readlink(there.path(".local/bin/" + name))
		if err != nil || !strings.HasPrefix(target, there.home) {
			t.Errorf("%s leads to %s, %v", name, target, err)
		}
		if got := w.command(name); name[0] != 'o' && len(name) == 1 && got != "bin/"+name+" 1.0" {
			t.Errorf("the original's %s holds %q", name, got)
		}
	}
	note, err := os.ReadFile(there.path(".local/share/kist/places.json"))
	if err != nil || strings.Contains(string(note), w.home) || i.Relocated(there.state()) != nil {
		t.Errorf("the note is %s, %v", note, err)
	}
}

// A data directory that was copied to a path that leads through a link is compared at
// that path. If the link alone changed, it is refused.
func TestRelocateThroughALink(t *testing.T) {
	w := homeIn(t, "old")
	zig := w.install(w.release("zig", "1.0", "bin/zig"))
	dir := filepath.Dir(w.home)
	copied := w.copyHome(t, filepath.Join(dir, "disk"))
	if err := os.Symlink(copied.home, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	there := worldIn(t, filepath.Join(dir, "link"))
	verify := func(when string) {
		t.Helper()
		if _, drifts, err := there.kist().Verify(t.Context(), zig.ID); err != nil || len(drifts) > 0 {
			t.Errorf("%s: %v, %v", when, drifts, err)
		}
	}
	verify("before")
	there.install(there.release("other", "1.0", "bin/other"))
	verify("after a change")
	if res, err := there.kist().Relocate(t.Context()); err != nil || len(res.Adapted) != 1 {
		t.Errorf("adapted %d: %v", len(res.Adapted), err)
	}
	verify("after the repair")

	other := copied.copyHome(t, filepath.Join(dir, "other"))
	if err := errors.Join(os.Remove(there.home), os.Symlink(other.home, there.home)); err != nil {
		t.Fatal(err)
	}
	if _, err := there.kist().Relocate(t.Context()); !errors.As(err, new(*install.BecameLinkError)) {
		t.Errorf("after the link changed: %v", err)
	}
	if _, _, err := there.kist().Verify(t.Context(), zig.ID); !errors.As(err, new(*install.CrossedLinkError)) {
		t.Errorf("verify after the link changed: %v", err)
	}
}

// What is at the old place decides whether the bin directory is free: nothing, the original,
// or a store that was made there since.
func TestRelocateWithOneBinDirectory(t *testing.T) {
	for name, c := range map[string]struct {
		old     func(w *world) error
		refused bool
	}{
		"moved":    {func(w *world) error { return os.RemoveAll(w.path(".local/share/kist")) }, false},
		"original": {func(w *world) error { return nil }, true},
		"another": {func(w *world) error {
			if err := errors.Join(os.RemoveAll(w.path(".local/share/kist")), os.RemoveAll(w.path(".local/state/kist"))); err != nil {
				return err
			}
			w.install(w.release("go", "2.0", "bin/go"))
			return nil
		}, true},
		"empty": {func(w *world) error { return os.RemoveAll(w.home + "/.local/share/kist/current") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := homeIn(t, "home")
			w.install(w.release("zig", "1.0", "bin/zig"))
			opt := filepath.Join(filepath.Dir(w.home), "opt")
			for _, part := range []string{"share", "state"} {
				if err := os.MkdirAll(filepath.Join(opt, part), 0o755); err != nil {
					t.Fatal(err)
				}
				copyTree(t, filepath.Join(opt, part, "kist"), w.path(".local/"+part+"/kist"))
			}
			if err := c.old(w); err != nil {
				t.Fatal(err)
			}
			i, err := w.as(func(d *install.Dirs) { d.Data, d.State = filepath.Join(opt, "share"), filepath.Join(opt, "state") })
			if err != nil {
				t.Fatal(err)
			}
			before, _ := os.Readlink(w.path(".local/bin/zig"))
			_, err = i.Relocate(t.Context())
			if refused := errors.As(err, new(*install.SharedBinError)); refused != c.refused || err != nil && !refused {
				t.Errorf("got %v", err)
			}
			after, _ := os.Readlink(w.path(".local/bin/zig"))
			if c.refused != (after == before) {
				t.Errorf("the link led to %s, and leads to %s", before, after)
			}
		})
	}
}

// Receipts without their toolchains adapt nothing, and take no command away.
func TestRelocateWithoutTheData(t *testing.T) {
	w := homeIn(t, "home")
	w.install(w.release("zig", "1.0", "bin/zig"))
	old := w.path(".local/share/kist")
	if err := os.Rename(old, old+".away"); err != nil {
		t.Fatal(err)
	}
	before := w.snapshot()
	i, err := w.as(func(d *install.Dirs) { d.Data = w.path("elsewhere") })
	if err != nil {
		t.Fatal(err)
	}
	res, err := i.Relocate(t.Context())
	if err != nil || len(res.Left) != 1 || len(res.Adapted) != 0 || len(res.Commands) != 0 {
		t.Errorf("left %v, adapted %v: %v", res.Left, res.Adapted, err)
	}
	w.same(before)
}

// A removal that kept a changed file leaves a receipt, which is adapted, too.
func TestRelocateAdaptsRemovedReceipts(t *testing.T) {
	w := homeIn(t, "old")
	zig := w.install(w.release("zig", "1.0", "bin/zig", "lib/a"))
	w.spoil("zig 1.0")
	w.must(plan.Change{Remove: nil, Install: w.releases("go", "1.0", "bin/go")})
	w.do(uninstall("zig 1.0"))
	there := w.copyHome(t, filepath.Join(filepath.Dir(w.home), "new"))
	res, err := there.kist().Relocate(t.Context())
	if err != nil || len(res.Adapted) != 1 || res.Adapted[0].Tool != "go" || len(res.Left) != 0 {
		t.Errorf("adapted %v, left %v: %v", res.Adapted, res.Left, err)
	}
	if r, err := there.kist().Receipt(zig.ID); err != nil || !strings.HasPrefix(r.Prefix, there.home) {
		t.Errorf("the receipt names %s, %v", r.Prefix, err)
	}
}
