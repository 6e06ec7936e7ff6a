package install_test

import (
	"crypto/rand"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/internal/store"
)

// Leftovers finds what Repair mends, one by one, and nothing else; it changes nothing.
func TestLeftovers(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(w *world) error
		want string // a part of the path
	}{
		{"a stage", func(w *world) error {
			stage, err := w.kist().Store().NewStage(rand.Reader)
			if err == nil {
				w.abandon(stage)
			}
			return err
		}, "/stage/"},
		{"a generation", func(w *world) error { return os.Mkdir(w.path(".local/share/kist/generations/7"), 0o755) }, "/generations/7"},
		{"a link", func(w *world) error { return os.Remove(w.path(".local/bin/zig")) }, "/.local/bin/zig"},
		{"a link that nothing needs", func(w *world) error {
			return os.Symlink(w.path(".local/share/kist/current/bin/other"), w.path(".local/bin/other"))
		}, "/.local/bin/other"},
		{"an alias", func(w *world) error { return os.RemoveAll(w.path(".local/share/kist/toolchains/acme")) }, "/toolchains/acme/zig/1.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.install(w.release("zig", "1.0", "bin/zig"))
			i := w.kist()
			if found, err := i.Leftovers(w.state()); len(found) > 0 || err != nil {
				t.Fatalf("nothing is left: %v, %v", found, err)
			}
			if err := test.do(w); err != nil {
				t.Fatal(err)
			}
			before := w.snapshot()
			found, err := i.Leftovers(w.state())
			if err != nil || len(found) != 1 || !strings.Contains(found[0].Path, test.want) {
				t.Fatalf("got %v, %v", found, err)
			}
			w.same(before)
			for n := range 2 {
				if mended, kept, err := i.Repair(t.Context()); err != nil || len(kept) > 0 || (n == 0) != (len(mended) == 1) {
					t.Fatalf("mended %v, kept %v: %v", mended, kept, err)
				}
				if found, err := i.Leftovers(w.state()); len(found) > 0 || err != nil {
					t.Errorf("after the repair: %v, %v", found, err)
				}
			}
			if got := w.command("zig"); got != "bin/zig 1.0" {
				t.Errorf("the command holds %q", got)
			}
		})
	}
}

// A stage that is being filled is no leftover, nor is a file of the user's.
func TestLeftoversOfOthers(t *testing.T) {
	w := newWorld(t)
	w.install(w.release("zig", "1.0", "bin/zig"))
	i := w.kist()
	stage, err := i.Store().NewStage(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w.write(".local/share/kist/stage/mine/file", "mine")
	w.write(".local/bin/mine", "mine")
	if found, err := i.Leftovers(w.state()); len(found) > 0 || err != nil {
		t.Errorf("got %v, %v", found, err)
	}
	if err := stage.Discard(); err != nil {
		t.Fatal(err)
	}
}

// Something else that has the name of a link or of a lock is named.
func TestObstacles(t *testing.T) {
	w := newWorld(t)
	w.install(w.release("zig", "1.0", "bin/zig"))
	i := w.kist()
	obstructed, err := i.Obstructed(w.state())
	obstacles, err2 := i.Obstacles()
	if len(obstructed)+len(obstacles) > 0 || err != nil || err2 != nil {
		t.Fatalf("none is there: %v, %v, %v, %v", obstructed, obstacles, err, err2)
	}
	if err := os.Remove(w.path(".local/bin/zig")); err != nil {
		t.Fatal(err)
	}
	w.write(".local/bin/zig", "mine")
	w.write(".local/share/kist/"+store.LockFile, "this is no lock")
	w.write(".local/share/kist/stage/0123456789abcdef.lock", "this is no lock")
	if obstructed, err = i.Obstructed(w.state()); err != nil || !slices.Equal(obstructed, []string{w.path(".local/bin/zig")}) {
		t.Errorf("links: %v, %v", obstructed, err)
	}
	if obstacles, err = i.Obstacles(); err != nil || len(obstacles) != 2 {
		t.Errorf("locks: %v, %v", obstacles, err)
	}
	if _, _, err := i.Repair(t.Context()); !errors.As(err, new(*install.ObstacleError)) {
		t.Errorf("Repair without a lock: %v", err)
	}
}

// Marks returns the marks that can be read, and names the others.
func TestMarks(t *testing.T) {
	w := newWorld(t)
	if all, damaged, err := w.kist().Marks(); len(all)+len(damaged) > 0 || err != nil {
		t.Errorf("nothing was seen: %v, %v, %v", all, damaged, err)
	}
	if err := w.see(3); err != nil {
		t.Fatal(err)
	}
	w.write(".local/state/kist/marks/other.json", "{")
	all, damaged, err := w.kist().Marks()
	if err != nil || len(all) != 1 || all[0].Serial != 3 || len(damaged) != 1 || !strings.HasSuffix(damaged[0].Path, "/marks/other.json") {
		t.Errorf("got %v, %v, %v", all, damaged, err)
	}
}
