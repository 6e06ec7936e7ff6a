package install_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// An install notices missing files and restores them from the same release; existing
// files stay as they are.
func TestInstallRestoresMissingFiles(t *testing.T) {
	for name, c := range map[string]struct {
		harm    func(prefix string) error
		missing string // below the prefix
		gone    bool
	}{
		"nothing":               {func(string) error { return nil }, "", false},
		"another file":          {func(p string) error { return os.Remove(filepath.Join(p, "lib/a")) }, "", false},
		"the prefix":            {os.RemoveAll, ".", true},
		"all prefixes":          {func(p string) error { return os.RemoveAll(filepath.Dir(p)) }, ".", true},
		"a command":             {func(p string) error { return os.Remove(filepath.Join(p, "bin/zig")) }, "bin/zig", true},
		"what it lies in":       {func(p string) error { return os.RemoveAll(filepath.Join(p, "bin")) }, "bin/zig", true},
		"a file for the prefix": {func(p string) error { return errors.Join(os.RemoveAll(p), os.WriteFile(p, nil, 0o600)) }, ".", true},
		"a link to nowhere": {func(p string) error {
			return errors.Join(os.RemoveAll(p), os.Symlink(filepath.Join(filepath.Dir(p), "nowhere"), p))
		}, ".", true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			release := w.release("zig", "1.0", "bin/zig", "lib/a")
			old := w.install(release)
			zls := w.install(w.release("zls", "1.0", "bin/zls"))
			if err := c.harm(w.kist().Prefix(old.ID)); err != nil {
				t.Fatal(err)
			}
			missing := w.kist().Missing(old)
			if (missing != nil) != c.gone {
				t.Fatalf("missing: %v", missing)
			}
			if c.gone && (!missing.Gone() || missing.Path != filepath.Join(w.kist().Prefix(old.ID), c.missing) || missing.Release != old.Ref()) {
				t.Errorf("missing: %+v", missing)
			}
			p, err := w.kist().Plan(plan.Change{Install: []manifests.Release{release}})
			if err != nil {
				t.Fatal(err)
			}
			if again := len(p.Install) == 1; again != c.gone || !c.gone && !p.Empty() {
				t.Fatalf("plan: %+v", p)
			}
			if !c.gone {
				return
			}
			if _, err := w.kist().Plan(plan.Change{Default: []record.ID{old.ID}}); !errors.As(err, new(*plan.GoneError)) {
				t.Errorf("default: %v", err)
			}
			w.must(plan.Change{Install: []manifests.Release{release}})
			var now record.Head
			for _, r := range w.state().Installed() {
				if r.Tool == "zig" {
					now = r
				}
			}
			if now.ID == "" || now.ID == old.ID || w.kist().Missing(now) != nil || w.command("zig") != "bin/zig 1.0" {
				t.Errorf("%v: the command holds %q", now, w.command("zig"))
			}
			if name != "all prefixes" && w.command("zls") != "bin/zls 1.0" {
				t.Errorf("zls: %q", w.command("zls"))
			}
			// What was in force before needs what is gone.
			if _, err := w.kist().Plan(plan.Change{Rollback: true}); !errors.As(err, new(*plan.GoneError)) {
				t.Errorf("rollback: %v", err)
			}
			if c.missing == "." && strings.HasPrefix(name, "a ") {
				return // what the user put there is the user's
			}
			w.must(plan.Change{Remove: []record.ID{now.ID, zls.ID}})
			if receipts, damaged, err := w.kist().Store().Receipts(); err != nil || len(receipts)+len(damaged) > 0 {
				t.Errorf("%v, %v, %v", receipts, damaged, err)
			}
		})
	}
}

// The same for a state directory that the data directory records.
func TestUnmountedStateDirectoryIsRefused(t *testing.T) {
	for _, apart := range []bool{false, true} {
		w := newWorld(t)
		w.install(w.release("zig", "1.0", "bin/zig"))
		data, err := os.ReadFile(w.path(".local/share/kist/places.json"))
		if err != nil {
			t.Fatal(err)
		}
		if apart {
			w.write(".local/share/kist/places.json", strings.Replace(string(data), `"role": "data",`, `"role": "data", "apart": true,`, 1))
		}
		if err := os.Rename(w.path(".local/state/kist"), w.path("volume")); err != nil {
			t.Fatal(err)
		}
		unmounted, ok := errors.AsType[*install.UnmountedError](w.kist().MayChange())
		if ok != apart || ok && *unmounted != (install.UnmountedError{Role: "state", Path: w.path(".local/state/kist"), Note: w.path(".local/share/kist/places.json")}) {
			t.Errorf("apart %v: %v", apart, w.kist().MayChange())
		}
		if err := os.Rename(w.path("volume"), w.path(".local/state/kist")); err != nil { // it is mounted
			t.Fatal(err)
		}
		w.install(w.release("zls", "1.0", "bin/zls"))
	}
}

// A data directory that was on another file system and is empty on this one is not
// mounted: nothing is forgotten. One that was always on this one was removed.
func TestUnmountedDataDirectoryIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		apart bool
		away  bool // what is installed is
	}{
		"removed":                   {false, true},
		"not mounted":               {true, true},
		"moved to this file system": {true, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			zig := w.install(w.release("zig", "1.0", "bin/zig"))
			note := w.path(".local/state/kist/places.json")
			if c.apart {
				data, err := os.ReadFile(note)
				if err != nil {
					t.Fatal(err)
				}
				edited := strings.Replace(string(data), `"role": "data",`, `"role": "data", "apart": true,`, 1)
				if edited == string(data) {
					t.Fatal("the note is not edited")
				}
				w.write(".local/state/kist/places.json", edited)
			}
			kist, volume := w.path(".local/share/kist"), w.path("volume")
			if c.away {
				if err := errors.Join(os.Rename(kist, volume), os.Mkdir(kist, 0o755)); err != nil {
					t.Fatal(err)
				}
			}
			refused := c.apart && c.away
			unmounted, ok := errors.AsType[*install.UnmountedError](w.kist().MayChange())
			if ok != refused || ok && *unmounted != (install.UnmountedError{Role: "data", Path: kist, Note: note}) {
				t.Fatalf("may change: %v", w.kist().MayChange())
			}
			if refused {
				before := w.snapshot()
				if _, err := w.change(plan.Change{Install: w.releases("zls", "1.0", "bin/zls")}); !errors.As(err, new(*install.UnmountedError)) {
					t.Errorf("%v", err)
				}
				if _, err := w.kist().RemoveAll(t.Context(), false); !errors.As(err, new(*install.UnmountedError)) {
					t.Errorf("%v", err)
				}
				w.same(before)
				if err := errors.Join(os.Remove(kist), os.Rename(volume, kist)); err != nil { // it is mounted
					t.Fatal(err)
				}
			}
			w.install(w.release("zls", "1.0", "bin/zls"))
			_, err := w.kist().Receipt(zig.ID)
			if forgotten := err != nil; forgotten != (c.away && !refused) {
				t.Errorf("receipt: %v", err)
			}
		})
	}
}
