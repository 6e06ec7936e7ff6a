package install_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func TestUninstallRestoresHome(t *testing.T) {
	w := newWorld(t)
	w.write(".local/bin/mine", "mine")
	w.write(".config/other/settings", "x")
	before := w.snapshot()
	r := w.install(w.release("zig", "1.0", "bin/zig", "bin/zls -> zig", "lib/std.zig"))
	if got := w.command("zls"); got != "bin/zig 1.0" {
		t.Errorf("the command zls holds %q", got)
	}
	alias := w.path(".local/share/kist/toolchains/acme/zig/1.0/lib/std.zig")
	if _, err := os.Stat(alias); err != nil {
		t.Errorf("the stable alias: %v", err)
	}
	if _, drift, err := w.kist().Verify(t.Context(), r.ID); err != nil || len(drift) > 0 {
		t.Errorf("fresh from the install: %v, %v", drift, err)
	}
	clear(w.files) // the network is gone, the channel too
	res := w.must(plan.Change{Remove: []record.ID{r.ID}})
	if len(res.Leftovers) > 0 || len(res.Removed) != 1 {
		t.Errorf("removed %d, kept %v", len(res.Removed), res.Leftovers)
	}
	if _, err := w.kist().RemoveAll(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	w.same(before)
}

// All bases may be one directory: the files of one role are not foreign to another.
func TestSelfUninstallFromOneSharedDirectory(t *testing.T) {
	w := newWorld(t)
	base := w.path("all")
	for _, name := range []string{"channels/acme.toml", "keys/AA.asc", "blobs/sha256/" + verify.DigestOf([]byte("a blob")).Hex(), "documents/acme/x"} {
		w.write("all/kist/"+name, "a blob")
	}
	mark, err := json.Marshal(counter(1).Mark())
	if err != nil {
		t.Fatal(err)
	}
	w.write("all/kist/marks/acme.json", string(mark))
	shared := func() *install.Installer {
		i, err := install.Open(t.Context(), install.Options{Dirs: install.Dirs{Data: base, State: base, Cache: base, Config: base, Bin: base},
			Host: install.Host{EUID: os.Geteuid(), Caller: -1}, Transport: w, Now: w.now, Version: "test", Random: rand.Reader,
			LockWait: time.Second, Warn: func(string) {},
			Documents: func(_ *os.Root, name string) (bool, error) { return name == "documents/acme/x", nil },
			Settings: func(*os.Root) (func(string) (bool, error), error) {
				return func(name string) (bool, error) { return name == "channels/acme.toml" || name == "keys/AA.asc", nil }, nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { i.Close() })
		return i
	}
	w.write("all/kist/channels/mine.txt", "mine")
	res, err := shared().RemoveAll(t.Context(), true)
	if err != nil || len(res.Leftovers) != 1 || res.Leftovers[0].Path != filepath.Join(base, "kist/channels/mine.txt") {
		t.Errorf("with a foreign file: kept %v, %v", res.Leftovers, err)
	}
	if err := os.Remove(w.path("all/kist/channels/mine.txt")); err != nil {
		t.Fatal(err)
	}
	if res, err = shared().RemoveAll(t.Context(), true); err != nil || len(res.Leftovers) > 0 {
		t.Errorf("kept %v, %v", res.Leftovers, err)
	}
}

func TestUninstallKeepsChangedAndForeignFiles(t *testing.T) {
	w := newWorld(t)
	r := w.install(w.release("zig", "1.0", "bin/zig", "lib/a", "lib/b", "lib/c/d", "share/x"))
	prefix := w.kist().Prefix(r.ID)
	at := func(p string) string { return filepath.Join(prefix, p) }
	for p, text := range map[string]string{"lib/a": "edited", "lib/mine": "mine", "bin/own/deep": "mine"} {
		if err := os.MkdirAll(filepath.Dir(at(p)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at(p), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Remove(at("lib/b")), os.Symlink("/etc/passwd", at("lib/b"))); err != nil {
		t.Fatal(err)
	}
	_, drift, err := w.kist().Verify(t.Context(), r.ID)
	if err != nil || len(drift) != 2 {
		t.Errorf("verify: %v, %v; want lib/a and lib/b", drift, err)
	}
	res := w.must(plan.Change{Remove: []record.ID{r.ID}})
	var kept []string
	for _, d := range res.Leftovers {
		rel, _ := filepath.Rel(prefix, d.Path)
		kept = append(kept, rel+": "+d.Reason)
	}
	slices.Sort(kept)
	want := []string{"bin/own: not recorded", "lib/a: changed", "lib/b: no longer a regular file", "lib/mine: not recorded"}
	if !slices.Equal(kept, want) {
		t.Errorf("kept %q, want %q", kept, want)
	}
	for p, want := range map[string]string{"lib/a": "edited", "lib/mine": "mine", "bin/own/deep": "mine"} {
		if got, _ := os.ReadFile(at(p)); string(got) != want {
			t.Errorf("%s holds %q", p, got)
		}
	}
	if _, err := os.Lstat(at("share")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an unchanged part stayed: %v", err)
	}
	if got := w.command("zig"); !strings.Contains(got, "no such file") {
		t.Errorf("its command is still there: %s", got)
	}

	// The receipt goes on naming what was kept, never a foreign file, and a
	// path that is changed back is still the user's.
	shrunk, err := w.kist().Receipt(r.ID)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range shrunk.Entries {
		names = append(names, e.Path)
	}
	if want := []string{"bin", "lib", "lib/a", "lib/b"}; !slices.Equal(names, want) {
		t.Errorf("the receipt names %v, want %v", names, want)
	}
	if err := os.WriteFile(at("lib/a"), []byte("lib/a 1.0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	w.install(w.release("other", "1.0", "bin/other")) // repairs on the way
	if got, _ := os.ReadFile(at("lib/a")); string(got) != "lib/a 1.0\n" {
		t.Errorf("repair took what was changed back: %q", got)
	}

	// Once the user has removed it, the rest goes by itself.
	for _, p := range []string{"lib/a", "lib/b", "lib/mine", "bin/own/deep", "bin/own"} {
		if err := os.Remove(at(p)); err != nil {
			t.Fatal(err)
		}
	}
	w.install(w.release("third", "1.0", "bin/third"))
	if _, err := os.Lstat(prefix); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the empty prefix stayed: %v", err)
	}
	if s, _ := w.kist().State(); len(s.Receipts) != 2 {
		t.Errorf("%d receipts, want 2", len(s.Receipts))
	}
}

func TestRefusedInstallChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.install(w.release("zig", "1.0", "bin/zig"))
	w.write(".local/bin/taken", "mine")
	before := w.snapshot()
	tampered := w.release("bad", "1.0", "bin/bad")
	w.files[tampered.Artifacts[0].Refs[0]][600] ^= 1
	late := w.release("late", "1.0", "bin/taken")
	witnessed := w.release("old", "2.0", "bin/old", "VERSION")
	witnessed.Artifacts[0].Witness = &manifests.Witness{Path: "VERSION", Contains: "VERSION 2", WholeLine: true}
	nothing := w.release("none", "1.0", "lib/x")
	var foreign *plan.ForeignFileError
	for name, test := range map[string]struct {
		r    manifests.Release
		want func(error) bool
	}{
		"a tampered artifact":           {tampered, func(err error) bool { return errors.Is(err, verify.ErrUntrusted) }},
		"a witness of another version":  {witnessed, func(err error) bool { return errors.Is(err, verify.ErrUntrusted) }},
		"commands that match nothing":   {nothing, func(err error) bool { return errors.Is(err, verify.ErrUntrusted) }},
		"a foreign file found unpacked": {late, func(err error) bool { return errors.As(err, &foreign) }},
	} {
		if _, err := w.change(plan.Change{Install: []manifests.Release{test.r}}); !test.want(err) {
			t.Errorf("%s: %v", name, err)
		}
		if err := os.RemoveAll(w.path(".cache")); err != nil { // downloads may stay
			t.Fatal(err)
		}
		w.same(strings.Join(slices.DeleteFunc(strings.SplitAfter(before, "\n"), func(l string) bool { return strings.HasPrefix(l, "/.cache") }), ""))
	}
	witnessed.Artifacts[0].Witness.Contains = "VERSION 2.0"
	w.install(witnessed)
}

func TestRollbackAndDefaultSwitchTheCommands(t *testing.T) {
	w := newWorld(t)
	w.install(w.release("zig", "1.0", "bin/zig"))
	two := w.install(w.release("zig", "2.0", "bin/zig", "bin/zig2"))
	if got := w.command("zig"); got != "bin/zig 1.0" {
		t.Errorf("a later version took the command: %s", got)
	}
	w.must(plan.Change{Default: []record.ID{two.ID}})
	if got, new := w.command("zig"), w.command("zig2"); got != "bin/zig 2.0" || new != "bin/zig2 2.0" {
		t.Errorf("after default: %s, %s", got, new)
	}
	w.must(plan.Change{Rollback: true})
	if got := w.command("zig"); got != "bin/zig 1.0" {
		t.Errorf("after rollback: %s", got)
	}
	if got := w.command("zig2"); !strings.Contains(got, "no such file") {
		t.Errorf("after rollback zig2 is still there: %s", got)
	}
}

// TestLinkingIsCalledBeforeLinksAreMade also covers commands that a pattern finds in the
// archive, and commands of a change of the default or a rollback.
func TestLinkingIsCalledBeforeLinksAreMade(t *testing.T) {
	w := newWorld(t)
	apply := func(c plan.Change) (told []string) {
		t.Helper()
		i := w.kist()
		i.Opened().Linking = func(now, next record.Generation) {
			for _, l := range next.Links {
				told = append(told, l.Name)
				linked := slices.ContainsFunc(now.Links, func(have record.CommandLink) bool { return have.Name == l.Name })
				if _, err := os.Lstat(w.path(".local/bin/" + l.Name)); linked != (err == nil) {
					t.Errorf("%s was linked before: %v; its link: %v", l.Name, linked, err)
				}
			}
		}
		p, err := i.Plan(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := i.Apply(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		return told
	}
	if told := apply(plan.Change{Install: w.releases("zig", "1.0", "bin/zig", "bin/ls")}); !slices.Equal(told, []string{"ls", "zig"}) {
		t.Errorf("install told %v", told)
	}
	two := w.install(w.release("zig", "2.0", "bin/zig", "bin/sed"))
	if told := apply(plan.Change{Default: []record.ID{two.ID}}); !slices.Equal(told, []string{"sed", "zig"}) {
		t.Errorf("default told %v", told)
	}
	if told := apply(plan.Change{Rollback: true}); !slices.Equal(told, []string{"ls", "zig"}) {
		t.Errorf("rollback told %v", told)
	}
}

func TestFollowRewritesOnlyTheReceipt(t *testing.T) {
	w := newWorld(t)
	h := w.install(w.release("zig", "1.0", "bin/zig", "lib/a"))
	before, err := w.kist().Receipt(h.ID)
	if err != nil {
		t.Fatal(err)
	}
	res := w.must(plan.Change{Follow: map[record.ID]string{h.ID: "1"}})
	after, err := w.kist().Receipt(h.ID)
	if err != nil || after.Requested != "1" || res.Generation.Number != 1 {
		t.Fatalf("%q, generation %d, %v", after.Requested, res.Generation.Number, err)
	}
	after.Requested = before.Requested
	if !reflect.DeepEqual(before, after) {
		t.Errorf("it was\n%+v\nand is\n%+v", before, after)
	}
	w.must(plan.Change{Remove: []record.ID{h.ID}})
}

// TestDisallowedCommandNamesOfEarlierVersions checks that receipts and generations with
// command names that are no longer allowed are read, and removed completely; the next
// change removes their links.
func TestDisallowedCommandNamesOfEarlierVersions(t *testing.T) {
	for _, name := range []string{"kist", "a b", "-rf", "g\u200bit"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.install(w.release("zig", "1.0", "bin/zig"))
			h := w.install(w.release("odd", "1.0", "bin/odd"))
			r, err := w.kist().Receipt(h.ID)
			if err != nil {
				t.Fatal(err)
			}
			r.Commands = append(r.Commands, record.Command{Name: name, Path: "bin/odd"})
			var text bytes.Buffer
			r.WriteTo(&text)
			generation := w.path(".local/share/kist/generations/2")
			g, err := os.ReadFile(filepath.Join(generation, "generation.json"))
			if err != nil {
				t.Fatal(err)
			}
			changed, err := record.ParseGeneration(g)
			if err != nil {
				t.Fatal(err)
			}
			changed.Links = append(changed.Links, record.CommandLink{Name: name, ID: h.ID, Target: "bin/odd"})
			if g, err = changed.Encode(); err != nil {
				t.Fatal(err)
			}
			link := w.path(".local/bin/" + name)
			for _, err := range []error{
				os.WriteFile(w.path(".local/state/kist/receipts/"+string(h.ID)+".json"), text.Bytes(), 0o600),
				os.WriteFile(filepath.Join(generation, "generation.json"), g, 0o600),
				os.Symlink("../../../prefixes/"+string(h.ID)+"/bin/odd", filepath.Join(generation, "bin", name)),
				os.Symlink(w.path(".local/share/kist/current/bin/"+name), link),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			s, err := w.kist().State()
			if err != nil || len(s.Damaged) > 0 || !s.Current.Has(h.ID) {
				t.Fatalf("%v, damaged %v", err, s.Damaged)
			}
			if has := s.Receipts[h.ID].Commands; len(has) != 1 || len(s.Current.Links) != 2 {
				t.Errorf("commands %v, links %v", has, s.Current.Links)
			}
			two := w.install(w.release("zig", "2.0", "bin/zig"))
			if _, err := os.Lstat(link); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the link is still there: %v", err)
			}
			if got := w.command("odd"); got != "bin/odd 1.0" {
				t.Errorf("its other command: %s", got)
			}
			w.must(plan.Change{Rollback: true}) // to the generation that holds the name
			if _, err := os.Lstat(link); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the link came back: %v", err)
			}
			w.must(plan.Change{Remove: []record.ID{h.ID, two.ID}})
			if got := w.command("zig"); got != "bin/zig 1.0" {
				t.Errorf("the other tool: %s", got)
			}
			if left, _ := filepath.Glob(w.path(".local/share/kist/prefixes/*odd*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// Edited receipts must not lead removal outside the prefix.
func TestRemovalRefusesNewLinks(t *testing.T) {
	for name, spoil := range map[string]func(w *world, h record.Head, prefix string) error{
		"the prefix became a link": func(w *world, h record.Head, prefix string) error {
			return errors.Join(os.Rename(prefix, w.path("moved")), os.Symlink(w.path("moved"), prefix))
		},
		"prefixes became a link": func(w *world, h record.Head, prefix string) error {
			return errors.Join(os.Rename(filepath.Dir(prefix), w.path("moved")), os.Symlink(w.path("moved"), filepath.Dir(prefix)))
		},
		"the data base became a link": func(w *world, h record.Head, prefix string) error {
			return errors.Join(os.Rename(w.path(".local/share"), w.path("moved")), os.Symlink(w.path("moved"), w.path(".local/share")))
		},
		"a directory in it became a link": func(w *world, h record.Head, prefix string) error {
			return errors.Join(os.Rename(filepath.Join(prefix, "lib"), w.path("moved")), os.Symlink(w.path("moved"), filepath.Join(prefix, "lib")))
		},
		"the receipt goes through a recorded link": func(w *world, h record.Head, prefix string) error {
			r, err := w.kist().Receipt(h.ID)
			if err != nil {
				return err
			}
			r.Entries = append(r.Entries, record.Entry{Path: "out", Type: record.Link, Target: "../../../../.."},
				record.Entry{Path: "out/victim", Type: record.File, Mode: 0o644, Size: 6, Digest: verify.DigestOf([]byte("victim"))})
			var text bytes.Buffer
			_, err = r.WriteTo(&text)
			return errors.Join(err, os.Symlink("../../../../..", filepath.Join(prefix, "out")),
				os.WriteFile(w.path(".local/state/kist/receipts/"+string(r.ID)+".json"), text.Bytes(), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write("victim", "victim")
			r := w.install(w.release("zig", "1.0", "bin/zig", "lib/a"))
			if err := spoil(w, r, w.kist().Prefix(r.ID)); err != nil {
				t.Fatal(err)
			}
			before := w.snapshot()
			_, err := w.change(plan.Change{Remove: []record.ID{r.ID}})
			var crossed *install.CrossedLinkError
			var receipt *install.ReceiptError
			var link *install.BecameLinkError
			if !errors.As(err, &crossed) && !errors.As(err, &receipt) && !errors.As(err, &link) {
				t.Errorf("error %v", err)
			}
			w.same(before)
		})
	}
}

func TestReceiptWithEscapingPathIsRefused(t *testing.T) {
	w := newWorld(t)
	w.write("victim", "victim")
	r := w.install(w.release("zig", "1.0", "bin/zig"))
	name := w.path(".local/state/kist/receipts/" + string(r.ID) + ".json")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.ReplaceAll(data, []byte(`"path": "bin/zig"`), []byte(`"path": "../../../../../victim"`))
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	before := w.snapshot()
	var receipt *install.ReceiptError
	if _, err := w.kist().RemoveAll(t.Context(), false); !errors.As(err, &receipt) {
		t.Errorf("RemoveAll: %v", err)
	}
	w.same(before)
	w.install(w.release("other", "1.0", "bin/other")) // repair leaves it alone
	if _, err := os.Stat(w.kist().Prefix(r.ID)); err != nil {
		t.Errorf("repair touched the prefix of a receipt it cannot read: %v", err)
	}
}

func TestMovedHomeCanBeUninstalled(t *testing.T) {
	w := newWorld(t)
	r := w.install(w.release("zig", "1.0", "bin/zig"))
	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(w.home, moved); err != nil {
		t.Fatal(err)
	}
	w.home = moved
	if res := w.must(plan.Change{Remove: []record.ID{r.ID}}); len(res.Leftovers) > 0 {
		t.Errorf("kept %v", res.Leftovers)
	}
	// And all else, with the links that lead to where the home was.
	if _, err := w.kist().RemoveAll(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if got := w.snapshot(); got != " drwxr-xr-x\n" {
		t.Errorf("left:\n%s", got)
	}
}

func TestDirectoriesMadeBehindALinkAreRemoved(t *testing.T) {
	w := newWorld(t)
	if err := errors.Join(os.MkdirAll(w.path("disk"), 0o755), os.Symlink("disk", w.path(".local"))); err != nil {
		t.Fatal(err)
	}
	before := w.snapshot()
	w.install(w.release("zig", "1.0", "bin/zig"))
	if _, err := w.kist().RemoveAll(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	w.same(before)
}
