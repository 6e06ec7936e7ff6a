//go:build unix

package install_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// as opens an Installer with changed directories.
func (w *world) as(change func(*install.Dirs)) (*install.Installer, error) {
	w.t.Helper()
	d := w.dirs()
	change(&d)
	i, err := install.Open(w.t.Context(), install.Options{Dirs: d, Host: install.Host{EUID: os.Geteuid(), Caller: -1}, Transport: w, Now: w.now, Version: "test",
		Random: rand.Reader, LockWait: 10 * time.Second, Command: "kist test", Warn: func(string) {}})
	if err == nil {
		w.t.Cleanup(func() { i.Close() })
	}
	return i, err
}

// toLegacy changes the directories to those of a kist from before notes: without a
// note, and with the lock in the state directory.
func (w *world) toLegacy() {
	w.t.Helper()
	err := errors.Join(os.Remove(w.path(".local/share/kist/places.json")), os.Remove(w.path(".local/state/kist/places.json")),
		os.Remove(w.path(".local/share/kist/lock")))
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestStoreWithoutNotesIsUpgraded(t *testing.T) {
	w := newWorld(t)
	before := w.snapshot()
	zig := w.install(w.release("zig", "1.0", "bin/zig"))
	w.toLegacy()
	if s := w.state(); len(s.Installed()) != 1 {
		t.Fatalf("installed %v", s.Installed())
	}
	// Wrong directories are seen before it is taken over, by the receipts.
	if _, err := w.as(func(d *install.Dirs) { d.Data = w.path("other") }); !errors.As(err, new(*install.OtherPlaceError)) {
		t.Errorf("another data directory: %v", err)
	}
	// A kist of then that is at work is waited for.
	state, err := os.OpenRoot(w.path(".local/state/kist"))
	if err != nil {
		t.Fatal(err)
	}
	defer state.Close()
	old, err := rootfs.TryLock(state, "lock", "kist of then")
	if err != nil {
		t.Fatal(err)
	}
	release := w.release("zls", "1.0", "bin/zls")
	if _, err := w.change(plan.Change{Install: w.releases("zls", "1.0", "bin/zls")}); !errors.As(err, new(*rootfs.BusyError)) {
		t.Errorf("while it works: %v", err)
	}
	if err := old.Unlock(); err != nil {
		t.Fatal(err)
	}
	zls := w.install(release)
	for _, name := range []string{".local/share/kist/places.json", ".local/state/kist/places.json", ".local/share/kist/lock"} {
		if _, err := os.Stat(w.path(name)); err != nil {
			t.Error(err)
		}
	}
	w.must(plan.Change{Remove: []record.ID{zig.ID, zls.ID}})
	if res, err := w.kist().RemoveAll(t.Context(), true); err != nil || len(res.Leftovers) > 0 {
		t.Errorf("%v, %v", res.Leftovers, err)
	}
	w.same(before)

	// Or at once, by the removal of everything.
	w.install(w.release("zig", "1.0", "bin/zig"))
	w.toLegacy()
	if res, err := w.kist().RemoveAll(t.Context(), true); err != nil || len(res.Leftovers) > 0 {
		t.Errorf("%v, %v", res.Leftovers, err)
	}
	w.same(before)
}

// Each base directory is changed in turn. Installed releases stay in force, or the
// change is refused.
func TestEachBaseChangedAlone(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(w *world, d *install.Dirs)
		refused bool
	}{
		"data":   {func(w *world, d *install.Dirs) { d.Data = w.path("other") }, true},
		"state":  {func(w *world, d *install.Dirs) { d.State = w.path("other") }, true},
		"cache":  {func(w *world, d *install.Dirs) { d.Cache = w.path("other") }, false},
		"config": {func(w *world, d *install.Dirs) { d.Config = w.path("other") }, false},
		"bin":    {func(w *world, d *install.Dirs) { d.Bin = w.path("other") }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			first := w.install(w.release("zig", "1.0", "bin/zig"))
			i, err := w.as(func(d *install.Dirs) { c.change(w, d) })
			if refused := errors.As(err, new(*install.OtherPlaceError)); refused != c.refused || err != nil && !refused {
				t.Fatalf("open: %v", err)
			}
			if err == nil {
				p, err := i.Plan(plan.Change{Install: w.releases("zls", "1.0", "bin/zls")})
				if err != nil {
					t.Fatal(err)
				}
				res, err := i.Apply(t.Context(), p)
				if err != nil || len(res.Installed) != 1 {
					t.Fatalf("install: %v, %v", res, err)
				}
				if p, err = i.Plan(plan.Change{Remove: []record.ID{res.Installed[0].ID}}); err != nil {
					t.Fatal(err)
				}
				if _, err := i.Apply(t.Context(), p); err != nil {
					t.Fatal(err)
				}
			}
			w.sound(name, 0)
			if got := w.command("zig"); got != "bin/zig 1.0" {
				t.Errorf("the command holds %q", got)
			}
			if _, drift, err := w.kist().Verify(t.Context(), first.ID); err != nil || len(drift) > 0 {
				t.Errorf("%v, %v", drift, err)
			}
			// The removal of everything names the other cache or settings, and leaves them.
			other := w.path("other/kist")
			_, there := os.Lstat(other)
			foreseen, err := w.kist().PreviewRemoveAll(t.Context(), true)
			if err != nil {
				t.Fatal(err)
			}
			res, err := w.kist().RemoveAll(t.Context(), true)
			if err != nil || !slices.Equal(res.Leftovers, foreseen) {
				t.Errorf("kept %v, %v; foreseen %v", res.Leftovers, err, foreseen)
			}
			named := slices.ContainsFunc(res.Leftovers, func(d install.Drift) bool { return d.Path == other })
			if named != (there == nil) {
				t.Errorf("%s is there: %v; kept %v", other, there == nil, res.Leftovers)
			}
			if _, err := os.Lstat(other); (err == nil) != (there == nil) {
				t.Errorf("%s was touched: %v", other, err)
			}
		})
	}
}

// Two kists with different state directories on one data directory, at the same time,
// from the very first change: one of them is refused, and the state is sound.
func TestConcurrentStateDirectoriesAreRefused(t *testing.T) {
	for range 12 / short.Step(t, 4) {
		w := newWorld(t)
		releases := w.releases("zig", "1.0", "bin/zig")
		var both sync.WaitGroup
		var errs [2]error
		var kists [2]*install.Installer
		for n, state := range []string{".local/state", "other"} {
			var err error
			if kists[n], err = w.as(func(d *install.Dirs) { d.State = w.path(state) }); err != nil {
				t.Fatal(err)
			}
		}
		for n, i := range kists {
			both.Go(func() {
				p, err := i.Plan(plan.Change{Install: releases})
				if err == nil {
					_, err = i.Apply(t.Context(), p)
				}
				errs[n] = err
			})
		}
		both.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || !errors.As(errors.Join(errs[:]...), new(*install.OtherPlaceError)) {
			t.Fatalf("one of two is to be refused: %v", errs)
		}
		state := ".local/state"
		if errs[0] != nil {
			state = "other"
		}
		i, err := w.as(func(d *install.Dirs) { d.State = w.path(state) })
		if err != nil {
			t.Fatal(err)
		}
		s, err := i.State()
		if err != nil || len(s.Installed()) != 1 || len(s.Damaged) > 0 {
			t.Fatalf("%v, %v", s, err)
		}
		if got := w.command("zig"); got != "bin/zig 1.0" {
			t.Errorf("the command holds %q", got)
		}
		if _, err := i.RemoveAll(t.Context(), true); err != nil {
			t.Error(err)
		}
	}
}

// A home that was copied or restored has other inodes, other paths or both. It works,
// and so does the original; its notes then record where it is.
func TestCopiedHomeWorks(t *testing.T) {
	w := newWorld(t)
	r := w.install(w.release("zig", "1.0", "bin/zig"))
	first := w.path("")
	second := filepath.Join(t.TempDir(), "copy")
	copyTree(t, second, first)
	for _, home := range []string{second, first} {
		w.home = home
		if err := os.Remove(w.path(".local/bin/zig")); err != nil { // it leads to where the home was
			t.Fatal(err)
		}
		zls := w.install(w.release("zls", "1.0", "bin/zls"))
		w.must(plan.Change{Remove: []record.ID{r.ID, zls.ID}})
		data, err := os.ReadFile(w.path(".local/state/kist/places.json"))
		if err != nil {
			t.Fatal(err)
		}
		var note struct {
			Places []struct{ Role, Given string }
		}
		if err := json.Unmarshal(data, &note); err != nil || len(note.Places) == 0 {
			t.Fatalf("%s: %v", data, err)
		}
		seen := map[string]bool{}
		for _, p := range note.Places {
			former := p.Role == "data" && seen[p.Role] // its links may still be in the bin directory
			if seen[p.Role] = true; !former && !strings.HasPrefix(p.Given, home+"/") {
				t.Errorf("%s is noted as %s", home, p.Given)
			}
		}
		w.home = first
		if home == second {
			// Half of each is not one of them.
			for _, mix := range []func(*install.Dirs){
				func(d *install.Dirs) { d.State = filepath.Join(second, ".local/state") },
				func(d *install.Dirs) { d.Data = filepath.Join(second, ".local/share") },
			} {
				if _, err := w.as(mix); !errors.As(err, new(*install.OtherPlaceError)) {
					t.Errorf("half of each: %v", err)
				}
			}
		}
	}
}

func TestDamagedNoteIsReported(t *testing.T) {
	w := newWorld(t)
	w.install(w.release("zig", "1.0", "bin/zig"))
	name := w.path(".local/share/kist/places.json")
	if err := os.WriteFile(name, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	var note *install.NoteError
	if _, err := w.as(func(*install.Dirs) {}); !errors.As(err, &note) || note.Path != name {
		t.Errorf("%v", err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	w.install(w.release("zls", "1.0", "bin/zls"))
	if data, err := os.ReadFile(name); err != nil || !json.Valid(data) {
		t.Errorf("it was not written again: %v", err)
	}
}

// A file of the user's with the name of kist's lock is not written to.
func TestForeignLockFileIsRefused(t *testing.T) {
	w := newWorld(t)
	w.write(".local/share/kist/lock", "the user's own\n")
	if err := os.Chmod(w.path(".local/share/kist"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := w.change(plan.Change{Install: w.releases("zig", "1.0", "bin/zig")}); !errors.As(err, new(*install.ObstacleError)) {
		t.Errorf("%v", err)
	}
	if data, err := os.ReadFile(w.path(".local/share/kist/lock")); err != nil || string(data) != "the user's own\n" {
		t.Errorf("%q, %v", data, err)
	}
	if err := os.Remove(w.path(".local/share/kist/lock")); err != nil {
		t.Fatal(err)
	}
	w.install(w.release("zig", "1.0", "bin/zig"))
}

// A data directory without installed releases can be replaced by another; one with
// installed releases cannot, even if both start at the same time.
func TestEmptyDataDirectoryIsReplaced(t *testing.T) {
	w := newWorld(t)
	if err := w.see(1); err != nil {
		t.Fatal(err)
	}
	releases := w.releases("zig", "1.0", "bin/zig")
	var kists [2]*install.Installer
	for n, data := range []string{"one", "two"} {
		var err error
		if kists[n], err = w.as(func(d *install.Dirs) { d.Data = w.path(data) }); err != nil {
			t.Fatal(err)
		}
	}
	var both sync.WaitGroup
	var errs [2]error
	for n, i := range kists {
		both.Go(func() {
			p, err := i.Plan(plan.Change{Install: releases})
			if err == nil {
				_, err = i.Apply(t.Context(), p)
			}
			errs[n] = err
		})
	}
	both.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !errors.As(errors.Join(errs[:]...), new(*install.OtherPlaceError)) {
		t.Fatalf("one of two is to be refused: %v", errs)
	}
	if _, err := w.as(func(*install.Dirs) {}); !errors.As(err, new(*install.OtherPlaceError)) {
		t.Errorf("the first, with something in force elsewhere: %v", err)
	}
}
