package install_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
)

// RemoveAll follows the receipts, even if the record of the generation in force is
// damaged or missing.
func TestRemoveAllWorksWithoutGenerations(t *testing.T) {
	for name, spoil := range map[string]func(w *world) error{
		"current leads elsewhere": func(w *world) error {
			current := w.path(".local/share/kist/current")
			return errors.Join(os.Remove(current), os.Symlink("/etc", current))
		},
		"current leads nowhere": func(w *world) error {
			current := w.path(".local/share/kist/current")
			return errors.Join(os.Remove(current), os.Symlink("generations/77", current))
		},
		"the generation is damaged": func(w *world) error {
			return os.WriteFile(w.path(".local/share/kist/generations/1/generation.json"), []byte("{"), 0o600)
		},
		"nothing":                    func(w *world) error { return nil },
		"the data directory is gone": func(w *world) error { return os.RemoveAll(w.path(".local/share/kist")) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write(".local/bin/mine", "mine")
			before := w.snapshot()
			w.install(w.release("zig", "1.0", "bin/zig", "lib/a"))
			if err := spoil(w); err != nil {
				t.Fatal(err)
			}
			damaged := name != "nothing" && name != "the data directory is gone"
			if _, err := w.kist().State(); errors.As(err, new(*install.GenerationError)) != damaged {
				t.Errorf("state: %v", err)
			}
			foreseen, err := w.kist().PreviewRemoveAll(t.Context(), true)
			if err != nil {
				t.Error(err)
			}
			kept := 0
			if name == "the generation is damaged" { // what cannot be read is not shown to be kist's
				kept = 1
			}
			res, err := w.kist().RemoveAll(t.Context(), true)
			if err != nil || len(res.Leftovers) != kept || len(res.Removed) != 1 || !slices.Equal(res.Leftovers, foreseen) {
				t.Errorf("%+v, %v; foreseen %v", res, err, foreseen)
			}
			for _, d := range res.Leftovers {
				if err := os.Remove(d.Path); err != nil {
					t.Error(err)
				}
			}
			if _, err := w.kist().RemoveAll(t.Context(), true); err != nil {
				t.Error(err)
			}
			w.same(before)
		})
	}
}

func TestRemoveAllReportsPrefixesWithoutReceipt(t *testing.T) {
	w := newWorld(t)
	r := w.install(w.release("zig", "1.0", "bin/zig"))
	prefix := w.kist().Prefix(r.ID)
	if err := os.Remove(w.path(".local/state/kist/receipts/" + string(r.ID) + ".json")); err != nil {
		t.Fatal(err)
	}
	res, err := w.kist().RemoveAll(t.Context(), true)
	if err != nil || len(res.Leftovers) != 1 || res.Leftovers[0].Path != prefix {
		t.Errorf("kept %v, %v; want %s", res.Leftovers, err, prefix)
	}
	if _, err := os.Stat(filepath.Join(prefix, "bin/zig")); err != nil {
		t.Errorf("removed without a receipt: %v", err)
	}
	if got := w.command("zig"); !strings.Contains(got, "no such file") {
		t.Errorf("kist's own link stayed: %s", got)
	}
}

// After the user has removed the kept files, the next self uninstall finishes.
func TestRemoveAllFinishesAfterKeptFilesAreGone(t *testing.T) {
	for name, keep := range map[string]string{"changed": "lib/a", "foreign": "mine"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			before := w.snapshot()
			r := w.install(w.release("zig", "1.0", "bin/zig", "lib/a"))
			kept := filepath.Join(w.kist().Prefix(r.ID), keep)
			if err := os.WriteFile(kept, []byte("mine"), 0o644); err != nil {
				t.Fatal(err)
			}
			w.must(plan.Change{Remove: []record.ID{r.ID}})
			foreseen, err := w.kist().PreviewRemoveAll(t.Context(), true)
			if err != nil {
				t.Fatal(err)
			}
			if res, err := w.kist().RemoveAll(t.Context(), true); err != nil || len(res.Leftovers) != 1 || !slices.Equal(res.Leftovers, foreseen) {
				t.Errorf("kept %v, %v; foreseen %v", res.Leftovers, err, foreseen)
			}
			if err := os.Remove(kept); err != nil {
				t.Fatal(err)
			}
			if res, err := w.kist().RemoveAll(t.Context(), true); err != nil || len(res.Leftovers) != 0 {
				t.Errorf("kept %v, %v", res.Leftovers, err)
			}
			w.same(before)
		})
	}
}

// A directory that an earlier removal kept, and that became a link since, is refused by the
// removal of everything and by its preview; other changes leave it alone.
func TestKeptDirectoryThatBecameALinkIsRefused(t *testing.T) {
	w := newWorld(t)
	r := w.install(w.release("zig", "1.0", "bin/zig", "lib/a"))
	lib := filepath.Join(w.kist().Prefix(r.ID), "lib")
	w.spoil("zig 1.0")
	w.must(plan.Change{Remove: []record.ID{r.ID}})
	if err := errors.Join(os.Rename(lib, w.path("moved")), os.Symlink(w.path("moved"), lib)); err != nil {
		t.Fatal(err)
	}
	before := w.snapshot()
	if _, err := w.kist().PreviewRemoveAll(t.Context(), false); !errors.As(err, new(*install.CrossedLinkError)) {
		t.Errorf("preview: %v", err)
	}
	if _, err := w.kist().RemoveAll(t.Context(), false); !errors.As(err, new(*install.CrossedLinkError)) {
		t.Errorf("removal: %v", err)
	}
	w.same(before)
	w.install(w.release("zls", "1.0", "bin/zls"))
	if _, err := os.Stat(w.path("moved/a")); err != nil || len(w.warned) > 0 {
		t.Errorf("%v, warned %q", err, w.warned)
	}
	if err := errors.Join(os.Remove(lib), os.Rename(w.path("moved"), lib)); err != nil {
		t.Fatal(err)
	}
	if res, err := w.kist().RemoveAll(t.Context(), false); err != nil || len(res.Leftovers) != 1 || res.Leftovers[0].Reason != "kept earlier" {
		t.Errorf("kept %v, %v", res.Leftovers, err)
	}
}

func TestDamagedReceiptKeepsItsCommands(t *testing.T) {
	w := newWorld(t)
	r := w.install(w.release("zig", "1.0", "bin/zig"))
	if err := os.WriteFile(w.path(".local/state/kist/receipts/"+string(r.ID)+".json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.install(w.release("other", "1.0", "bin/other"))
	if got := w.command("zig"); got != "bin/zig 1.0" {
		t.Errorf("the command holds %q", got)
	}
	var conflict *plan.ConflictError
	if _, err := w.change(plan.Change{Install: w.releases("zig2", "1.0", "bin/zig")}); !errors.As(err, &conflict) || conflict.Owner != string(r.ID) {
		t.Errorf("another tool took the command: %v", err)
	}
}

func TestOpenRefusesBasesInsideKistsData(t *testing.T) {
	w := newWorld(t)
	w.install(w.release("zig", "1.0", "bin/zig"))
	for _, bin := range []string{"prefixes", "generations", "current/bin", "toolchains/x", "stage"} {
		d := w.dirs()
		d.Bin = w.path(".local/share/kist/" + bin)
		_, err := install.Open(t.Context(), install.Options{Dirs: d, Host: install.Host{EUID: os.Geteuid(), Caller: -1}})
		var unsafe *install.UnsafeDirError
		if !errors.As(err, &unsafe) {
			t.Errorf("%s: %v", bin, err)
		}
	}
}
