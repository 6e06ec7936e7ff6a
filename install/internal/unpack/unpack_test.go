package unpack_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func TestLayouts(t *testing.T) {
	tree := tarOf(dir("top/"), file("top/version", "1"), dir("top/part/"), file("top/part/manifest.in", "file:bin/a"),
		file("top/part/bin/a", "a"), file("top/part/src/_go.mod", "module a"), link("top/part/bin/b", "a"))
	for name, c := range map[string]struct {
		layout manifests.Layout
		want   string
	}{
		"unchanged": {manifests.Layout{}, "top/ top/part/ top/part/bin/ top/part/bin/a top/part/bin/b>a top/part/manifest.in top/part/src/ top/part/src/_go.mod top/version"},
		"stripped":  {manifests.Layout{Strip: 1}, "part/ part/bin/ part/bin/a part/bin/b>a part/manifest.in part/src/ part/src/_go.mod version"},
		"into":      {manifests.Layout{Strip: 1, Into: "x/y"}, "x/ x/y/ x/y/part/ x/y/part/bin/ x/y/part/bin/a x/y/part/bin/b>a x/y/part/manifest.in x/y/part/src/ x/y/part/src/_go.mod x/y/version"},
		"copied":    {manifests.Layout{Strip: 1, Copies: map[string]string{"_go.mod": "go.mod"}}, "part/ part/bin/ part/bin/a part/bin/b>a part/manifest.in part/src/ part/src/_go.mod part/src/go.mod version"},
	} {
		t.Run(name, func(t *testing.T) {
			c.layout.Format = "tar"
			entries, err := unpackAll(t, tree, c.layout, unpack.DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			if got := list(entries); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			for _, e := range entries {
				if e.Type == record.File && e.Digest.IsZero() || e.Component != "part" {
					t.Errorf("recorded without digest or component: %v", e)
				}
			}
		})
	}
}

func TestInvalidLayoutsAreRefused(t *testing.T) {
	for name, layout := range map[string]manifests.Layout{
		"format unknown":               {Format: "rar"},
		"codec unknown":                {Format: "tar.lzma"},
		"into a parent":                {Format: "tar", Into: "../x"},
		"into the root":                {Format: "tar", Into: "/x"},
		"pattern bad":                  {Format: "tar", Exec: []string{"[a"}},
		"file list outside the prefix": {Format: "tar", Installer: &manifests.Installer{Dirs: []string{"a"}, Manifest: "../x"}},
		"file list with Into":          {Format: "tar", Installer: &manifests.Installer{Dirs: []string{"a"}, Manifest: "x"}, Into: "y"},
		"copy to a path":               {Format: "tar", Copies: map[string]string{"a": "b/c"}},
		"copy to a parent":             {Format: "tar", Copies: map[string]string{"a": ".."}},
		"file without path":            {Format: "file"},
	} {
		if _, err := unpackAll(t, tarOf(file("a", "x")), layout, unpack.DefaultLimits()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestModes(t *testing.T) {
	moded := func(e tarEntry, mode string) tarEntry { e.mode = mode; return e }
	data := tarOf(
		moded(file("plain", "x"), "0000644\x00"), moded(file("exe", "x"), "0000755\x00"), moded(file("shared", "x"), "0000777\x00"),
		moded(file("locked", "x"), "0000000\x00"), moded(file("readonly", "x"), "0000444\x00"), moded(file("setuid", "x"), "0007755\x00"),
		moded(file("typed", "x"), "0100755\x00"), hard("hard", "exe"),
		moded(dir("d"), "0000000\x00"), moded(dir("again"), "0000700\x00"), moded(dir("again"), "0001777\x00"),
		file("implied/f", "x"), moded(dir("implied"), "0000711\x00"),
		file("tool/bin/linker", "x"), file("tool/bin/sub/deep", "x"), file("tool/doc", "x"), file("bin/go", "x"), file("bin/sub/go", "x"))
	want := map[string]fs.FileMode{
		"plain": 0o644, "exe": 0o755, "shared": 0o755, "locked": 0o600, "readonly": 0o644, "setuid": 0o755, "typed": 0o755, "hard": 0o755,
		"d": 0o700, "again": 0o755, "implied": 0o711, "implied/f": 0o644,
		"tool": 0o755, "tool/bin": 0o755, "tool/bin/linker": 0o755, "tool/bin/sub": 0o755, "tool/bin/sub/deep": 0o755, "tool/doc": 0o644,
		"bin": 0o755, "bin/go": 0o755, "bin/sub": 0o755, "bin/sub/go": 0o644,
	}
	entries, err := unpackAll(t, data, manifests.Layout{Format: "tar", Exec: []string{"bin/*", "tool/bin/**"}}, unpack.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Mode != want[e.Path] {
			t.Errorf("%s: mode %v, want %v", e.Path, e.Mode, want[e.Path])
		}
	}
	if len(entries) != len(want) {
		t.Errorf("%d entries, want %d", len(entries), len(want))
	}
}

func TestSingleFile(t *testing.T) {
	layout := manifests.Layout{Format: "file", Into: "bin/kubectl"}
	entries, err := unpackAll(t, []byte("\x7fELF"), layout, unpack.DefaultLimits())
	if err != nil || list(entries) != "bin/ bin/kubectl" || entries[1].Mode != 0o755 || entries[1].Size != 4 {
		t.Errorf("got %v, %v", entries, err)
	}
	_, err = unpackAll(t, nil, layout, unpack.DefaultLimits())
	wantRule(t, err, unpack.RuleEmpty)
}

// Two archives may share directories, but not files.
func TestArchivesMayShareDirectoriesOnly(t *testing.T) {
	rustc := tarOf(dir("bin/"), file("bin/rustc", "1"), link("lib", "bin"))
	for name, c := range map[string]struct {
		data []byte
		rule unpack.Rule
		want string
	}{
		"different files":                {tarOf(dir("bin/"), file("bin/cargo", "1")), "", "bin/ bin/cargo bin/rustc lib>bin"},
		"the same file":                  {tarOf(file("bin/rustc", "1")), unpack.RuleOnce, ""},
		"the same link":                  {tarOf(link("lib", "bin")), unpack.RuleOnce, ""},
		"a file in place of a directory": {tarOf(file("bin", "1")), unpack.RuleOnce, ""},
		"below the other's link":         {tarOf(file("lib/cargo", "1")), unpack.RuleBelow, ""},
		"below the other's file":         {tarOf(file("bin/rustc/x", "1")), unpack.RuleBelow, ""},
		"hard link to the other's":       {tarOf(hard("bin/cargo", "bin/rustc")), unpack.RuleHardLink, ""},
		"link into the other's":          {tarOf(link("cargo", "lib/rustc")), "", "bin/ bin/rustc cargo>lib/rustc lib>bin"},
		"link out by the other's":        {tarOf(dir("d/e"), link("d/e/x", "../../lib/../..")), unpack.RuleTarget, ""},
		"directory where a link is":      {tarOf(dir("lib")), unpack.RuleOnce, ""},
		"link where a directory is":      {tarOf(link("bin", "lib")), unpack.RuleOnce, ""},
		"directory of the same name":     {tarOf(dir("bin")), "", "bin/ bin/rustc lib>bin"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, unpack.DefaultLimits())
			if err := s.add(t, rustc, manifests.Layout{Format: "tar"}); err != nil {
				t.Fatal(err)
			}
			err := s.add(t, c.data, manifests.Layout{Format: "tar"})
			var entries []record.Entry
			if err == nil {
				entries, err = s.prefix.Finish(context.Background())
			}
			s.check(t, entries, err)
			if c.rule != "" {
				wantRule(t, err, c.rule)
			} else if err != nil || list(entries) != c.want {
				t.Errorf("got %q, %v, want %q", list(entries), err, c.want)
			}
		})
	}
}

// On a case-insensitive file system, the second of two names exists already.
func TestFoldedNamesAreRefused(t *testing.T) {
	for name, entry := range map[string]tarEntry{"file": file("README", "x"), "directory": dir("README"), "link": link("README", "x")} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, unpack.DefaultLimits())
			if err := os.WriteFile(filepath.Join(s.inner, "README"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			err := s.add(t, tarOf(entry), manifests.Layout{Format: "tar"})
			if err == nil {
				_, err = s.prefix.Finish(context.Background())
			}
			wantRule(t, err, unpack.RuleFolded)
		})
	}
}

// No link exists before Finish, so nothing can be written through one.
func TestLinksAreMadeLast(t *testing.T) {
	s := newStage(t, unpack.DefaultLimits())
	if err := s.add(t, tarOf(link("a", "b"), file("b", "x")), manifests.Layout{Format: "tar"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(s.inner, "a")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before Finish: %v", err)
	}
	if _, err := s.prefix.Finish(context.Background()); err != nil {
		t.Fatal(err)
	}
	if target, err := os.Readlink(filepath.Join(s.inner, "a")); target != "b" {
		t.Errorf("after Finish: %q, %v", target, err)
	}
}

// The final walk detects changes that something else made to the prefix.
func TestFinalWalkDetectsChanges(t *testing.T) {
	for name, change := range map[string]func(dir string) error{
		"nothing":           func(string) error { return nil },
		"a file more":       func(dir string) error { return os.WriteFile(filepath.Join(dir, "d", "new"), nil, 0o600) },
		"a directory more":  func(dir string) error { return os.Mkdir(filepath.Join(dir, "new"), 0o700) },
		"a link more":       func(dir string) error { return os.Symlink("/", filepath.Join(dir, "new")) },
		"a file less":       func(dir string) error { return os.Remove(filepath.Join(dir, "d", "f")) },
		"a directory less":  func(dir string) error { return os.Remove(filepath.Join(dir, "e")) },
		"a file longer":     func(dir string) error { return os.WriteFile(filepath.Join(dir, "d", "f"), []byte("longer"), 0o600) },
		"a link for a file": func(dir string) error { return replace(filepath.Join(dir, "d", "f"), "../e") },
		"a link for a directory": func(dir string) error {
			return replace(filepath.Join(dir, "e"), "d")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, unpack.DefaultLimits())
			if err := s.add(t, tarOf(file("d/f", "x"), dir("e"), link("l", "d")), manifests.Layout{Format: "tar"}); err != nil {
				t.Fatal(err)
			}
			if err := change(s.inner); err != nil {
				t.Fatal(err)
			}
			_, err := s.prefix.Finish(context.Background())
			if name == "nothing" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, unpack.ErrChanged) || errors.Is(err, verify.ErrUntrusted) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The final walk sets all modes, and removes bits that no entry has.
func TestFinalWalkSetsModes(t *testing.T) {
	s := newStage(t, unpack.DefaultLimits())
	if err := s.add(t, tarOf(file("d/f", "x"), file("d/g", "x"), dir("e")), manifests.Layout{Format: "tar"}); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]fs.FileMode{"d/f": 0o600, "d/g": 0o755 | fs.ModeSetuid | fs.ModeSetgid, "d": 0o777 | fs.ModeSticky, "e": 0o700 | fs.ModeSetgid} {
		if err := os.Chmod(filepath.Join(s.inner, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := s.prefix.Finish(context.Background())
	s.check(t, entries, err)
	if err != nil {
		t.Fatal(err)
	}
}

func replace(name, target string) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	return os.Symlink(target, name)
}

// If something else replaces a directory by a link while the prefix is filled, nothing is
// written through the link.
func TestParentReplacedByLinkIsNotFollowed(t *testing.T) {
	s := newStage(t, unpack.DefaultLimits())
	if err := s.add(t, tarOf(dir("d"), file("e", "x")), manifests.Layout{Format: "tar"}); err != nil {
		t.Fatal(err)
	}
	if err := replace(filepath.Join(s.inner, "d"), "../two"); err != nil {
		t.Fatal(err)
	}
	err := s.add(t, tarOf(file("d/evil", "x")), manifests.Layout{Format: "tar"})
	if err == nil || errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("got %v", err)
	}
	s.check(t, nil, err)
}

// After a failure, or once the prefix is finished, nothing more can be added.
func TestAddAfterEndIsRefused(t *testing.T) {
	good := tarOf(file("a", "x"))
	layout := manifests.Layout{Format: "tar"}
	failed := newStage(t, unpack.DefaultLimits())
	if err := failed.add(t, good[:512], layout); err == nil {
		t.Fatal("accepted a cut archive")
	}
	if err := failed.add(t, good, layout); err == nil {
		t.Error("added after a failure")
	}
	if _, err := failed.prefix.Finish(context.Background()); err == nil {
		t.Error("finished after a failure")
	}
	finished := newStage(t, unpack.DefaultLimits())
	if err := finished.add(t, good, layout); err != nil {
		t.Fatal(err)
	}
	if _, err := finished.prefix.Finish(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := finished.add(t, tarOf(file("b", "x")), layout); err == nil {
		t.Error("added after the end")
	}
}

func TestOnlyRegularFilesAreRead(t *testing.T) {
	s := newStage(t, unpack.DefaultLimits())
	dir, err := os.Open(s.inner)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := s.prefix.Add(context.Background(), dir, unpack.Archive{Name: "the-archive", Layout: manifests.Layout{Format: "tar"}}); err == nil {
		t.Error("unpacked a directory")
	}
}

// More directories than are kept open, in an order that returns to the first.
func TestMoreDirectoriesThanOpenHandles(t *testing.T) {
	var entries []tarEntry
	for round := range 3 {
		for i := range 200 {
			name := strings.Repeat("d", i%20+1) + "/" + string(rune('a'+i%26)) + "/" + string(rune('A'+i/26))
			entries = append(entries, file(name+"/"+string(rune('0'+round)), name))
		}
	}
	for way, unpackOne := range bothWays(t) { // the sandbox has few descriptors
		if _, err := unpackOne(t, tarOf(entries...), manifests.Layout{Format: "tar"}, unpack.DefaultLimits()); err != nil {
			t.Errorf("%s: %v", way, err)
		}
	}
}
