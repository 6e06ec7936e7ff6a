//go:build unix

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
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// foreignFiles are files that a user may have put into kist's directories, below the home: each name
// is one that kist gives, or near one, and the content is the user's.
var foreignFiles = []string{
	".local/share/kist/mine",
	".local/share/kist/made.json",
	".cache/kist/lock",
	".config/kist/places.json",
	".local/share/kist/.kist-AAAAAAAAAAAAAAAAAAAAAAAAAA.tmp",
	".local/share/kist/generations/mine",
	".local/share/kist/generations/1/mine",
	".local/share/kist/generations/1/bin/mine",
	".local/share/kist/generations/1/.kist-AAAAAAAAAAAAAAAAAAAAAAAAAA.tmp",
	".local/share/kist/generations/99/generation.json",
	".local/share/kist/generations/99/committed",
	".local/share/kist/generations/99/prepared",
	".local/share/kist/generations/99/bin/zig",
	".local/share/kist/stage/mine",
	".local/share/kist/stage/0123456789abcdef/mine",
	".local/share/kist/stage/0123456789abcdef.lock",
	".local/share/kist/stage/fedcba9876543210",
	".local/share/kist/stage/aaaabbbbccccdddd/deep/mine",
	".local/share/kist/toolchains/acme/zig/9.0",
	".local/share/kist/toolchains/mine",
	".local/share/kist/prefixes/mine/file",
	".local/share/kist/prefixes/acme-zig-9.0-01234567/file",
	".local/state/kist/mine",
	".local/state/kist/receipts/mine.json",
	".local/state/kist/receipts/.kist-AAAAAAAAAAAAAAAAAAAAAAAAAA.tmp",
	".local/state/kist/marks/mine.json",
	".local/state/kist/evidence/mine",
	".local/state/kist/evidence/sha256/mine",
	".local/state/kist/evidence/sha256/" + strings0 + "01",
	".cache/kist/mine",
	".cache/kist/blobs/mine",
	".cache/kist/blobs/sha256/mine",
	".cache/kist/blobs/sha256/" + strings0 + "02",
	".cache/kist/known/mine",
	".cache/kist/known/" + strings0 + "03",
	".cache/kist/partial/mine",
	".cache/kist/partial/" + strings0 + "04",
	".cache/kist/partial/" + strings0 + "05.for",
	".cache/kist/partial/" + strings0 + "06.lock",
	".cache/kist/documents/acme/mine",
	".cache/kist/documents/acme/index.json",
	".config/kist/config.toml",
	".config/kist/channels/mine.toml",
	".config/kist/keys/mine.asc",
}

// foreignLinks have names that kist gives, and lead to a file of the user's.
var foreignLinks = []string{
	".local/share/kist/link",
	".local/share/kist/generations/1/bin/link",
	".local/share/kist/generations/1/committed-link",
	".local/share/kist/toolchains/acme/zig/link",
	".local/share/kist/stage/1111222233334444",
	".local/share/kist/prefixes/acme-zig-8.0-01234567",
	".local/state/kist/marks/link.json",
	".local/state/kist/evidence/sha256/" + victimDigest,
	".cache/kist/blobs/sha256/" + victimDigest,
	".cache/kist/partial/link",
	".cache/kist/documents/link",
	".config/kist/channels/link.toml",
	".config/kist/keys/link.asc",
}

const (
	strings0     = "00000000000000000000000000000000000000000000000000000000000000"
	victim       = "the victim's"
	victimDigest = "5b8f53430c2b17ed7476127f90c419e8a811c1f5aa03607726d3298ee6f8fb14"
)

// No verb removes files that are not kist's, wherever they lie in kist's directories, or
// touches files behind a link.
func TestForeignFilesStay(t *testing.T) {
	update := func(w *world) ([]install.Drift, error) {
		zig, _ := w.find("zig 1.0")
		res, err := w.change(plan.Change{Install: w.releases("zig", "3.0", "bin/zig"), Remove: []record.ID{zig.ID}})
		return res.Leftovers, err
	}
	for name, verb := range short.Rows(t, map[string]func(w *world) ([]install.Drift, error){
		"uninstall": func(w *world) ([]install.Drift, error) {
			zig, _ := w.find("zig 1.0")
			res, err := w.change(plan.Change{Remove: []record.ID{zig.ID}})
			return res.Leftovers, err
		},
		"update, which prunes": update,
		"rollback": func(w *world) ([]install.Drift, error) {
			res, err := w.change(plan.Change{Rollback: true})
			return res.Leftovers, err
		},
		"repair": func(w *world) ([]install.Drift, error) {
			res, err := w.kist().Apply(w.t.Context(), plan.Plan{})
			return res.Leftovers, err
		},
		"channel remove": func(w *world) ([]install.Drift, error) {
			i := w.kist()
			foreseen, err := i.StoredMark("mine")
			if err != nil {
				return nil, err
			}
			kept, err := i.DropMark(w.t.Context(), "mine")
			if !slices.Equal(kept, foreseen) || len(kept) != 1 {
				w.t.Errorf("kept %v, foreseen %v", kept, foreseen)
			}
			return kept, err
		},
		"uninstall --all": func(w *world) ([]install.Drift, error) { return w.removeAll(false) },
		"self uninstall":  func(w *world) ([]install.Drift, error) { return w.removeAll(true) },
	}, 2) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.install(w.proved("zig 1.0"))
			w.install(w.proved("zig 2.0"))
			if err := w.see(1); err != nil {
				t.Fatal(err)
			}
			at := map[string]string{}
			w.write("victim/file", victim)
			for _, name := range foreignFiles {
				w.write(name, "the user's own: "+name)
				at[name] = "the user's own: " + name
			}
			for _, name := range foreignLinks {
				if err := errors.Join(os.MkdirAll(filepath.Dir(w.path(name)), 0o700), os.Symlink(w.path("victim/file"), w.path(name))); err != nil {
					t.Fatal(err)
				}
				at[name] = victim
			}
			if err := os.Symlink(w.path("victim"), w.path(".cache/kist/documents/dir")); err != nil {
				t.Fatal(err)
			}
			for _, dir := range []string{".config", ".config/kist"} { // as kist would have made them
				if err := os.Chmod(w.path(dir), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			kept, err := verb(w)
			if err != nil {
				t.Fatal(err)
			}
			at["victim/file"] = victim
			for name, text := range at {
				if got, err := os.ReadFile(w.path(name)); err != nil || string(got) != text {
					t.Errorf("%s holds %q: %v", name, got, err)
				}
				if info, err := os.Lstat(w.path(name)); err == nil && slices.Contains(foreignLinks, name) && info.Mode().Type() != os.ModeSymlink {
					t.Errorf("%s is no link any more", name)
				}
			}
			named := func(name string) bool {
				return slices.ContainsFunc(kept, func(d install.Drift) bool { return strings.HasPrefix(w.path(name), d.Path) })
			}
			for name := range at {
				inScope := strings.HasPrefix(name, ".") && verbNames[verbName(t)](name)
				if inScope != named(name) && strings.HasPrefix(name, ".") {
					t.Errorf("%s is named: %v", name, named(name))
				}
			}
		})
	}
}

// verbNames reports which of the foreign files a verb must report: those that lie in
// what it is asked to remove.
var verbNames = map[string]func(name string) bool{
	"uninstall":            func(name string) bool { return strings.Contains(name, "kist/generations/1/") },
	"update,_which_prunes": func(name string) bool { return strings.Contains(name, "kist/generations/1/") },
	"rollback":             func(string) bool { return false },
	"repair":               func(string) bool { return false },
	"channel_remove":       func(name string) bool { return strings.HasSuffix(name, "marks/mine.json") },
	"uninstall_--all": func(name string) bool {
		_, inside, _ := strings.Cut(name, "/kist/")
		return install.OfToolchains(inside)
	},
	"self_uninstall": func(string) bool { return true },
}

func verbName(t *testing.T) string {
	_, name, _ := strings.Cut(t.Name(), "/")
	return name
}

// removeAll removes everything, and checks that it keeps exactly what the preview listed.
func (w *world) removeAll(self bool) ([]install.Drift, error) {
	w.t.Helper()
	foreseen, err := w.kist().PreviewRemoveAll(w.t.Context(), self)
	if err != nil {
		return nil, err
	}
	res, err := w.kist().RemoveAll(w.t.Context(), self)
	if !slices.Equal(res.Leftovers, foreseen) {
		w.t.Errorf("kept %v\nforeseen %v", res.Leftovers, foreseen)
	}
	return res.Leftovers, err
}

func TestVictimDigestIsCorrect(t *testing.T) {
	if got := verify.DigestOf([]byte(victim)).Hex(); got != victimDigest {
		t.Errorf("it is %s", got)
	}
}
