package unpack_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// component returns the layout of a component that an archive has under one of dirs.
func component(dirs ...string) manifests.Layout {
	return manifests.Layout{Format: "tar", Strip: 1, Installer: &manifests.Installer{Dirs: dirs, Manifest: "lib/rustlib/manifest-part"}}
}

// installerOf returns a rust-installer archive: its metadata files, then entries.
func installerOf(version, components, list string, entries ...tarEntry) []byte {
	says := []tarEntry{dir("top/"), file("top/rust-installer-version", version), file("top/components", components),
		file("top/install.sh", "exit 1"), file("top/LICENSE-MIT", "text"), file("top/part/manifest.in", list)}
	return tarOf(append(says, entries...)...)
}

func TestInstallerArchives(t *testing.T) {
	const rest = " lib/ lib/rustlib/ lib/rustlib/manifest-part"
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"files": {installerOf("3", "part\n", "file:bin/a\nfile:bin/b\n", dir("top/part/"), dir("top/part/bin/"),
			file("top/part/bin/a", "1"), link("top/part/bin/b", "a")), "bin/ bin/a bin/b>a" + rest},
		"the list comes last": {tarOf(file("top/part/bin/a", "1"), hard("top/part/bin/b", "top/part/bin/a"), file("top/part/manifest.in", "file:bin/a\nfile:bin/b"),
			file("top/components", "other\npart"), file("top/rust-installer-version", "3\n")), "bin/ bin/a bin/b" + rest},
		"a directory": {installerOf("3", "part\n", "dir:share/doc\n", dir("top/part/share/doc/"), file("top/part/share/doc/x/y", "1"), file("top/part/share/doc/z", "1")),
			strings.TrimSpace(rest) + " share/ share/doc/ share/doc/x/ share/doc/x/y share/doc/z"},
		"an empty directory, and a file": {installerOf("3", "part", "dir:etc\nfile:a", dir("top/part/etc/"), file("top/part/a", "1")), "a etc/" + rest},
		"unlisted files are removed": {installerOf("3", "part", "file:bin/a", file("top/part/bin/a", "1"), file("top/part/bin/evil", "1"), link("top/part/gone", "bin/a"),
			file("top/part/x/y/z", "1"), dir("top/part/etc"), file("top/other/bin/a", "2"), file("top/part/bin.d/a", "1")), "bin/ bin/a" + rest},
		"lines end as on Windows": {installerOf("3", "part\r\n", "file:a\r\nfile:b\r\n", file("top/part/a", "1"), file("top/part/b", "1")), "a b" + rest},
	} {
		t.Run(name, func(t *testing.T) {
			entries, err := unpackAll(t, c.data, component("part-x86_64", "part"), unpack.DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			if got := list(entries); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			for _, e := range entries {
				if e.Component != "part" {
					t.Errorf("no component: %v", e)
				}
			}
		})
	}
}

func TestHostileInstallerArchives(t *testing.T) {
	a := file("top/part/a", "1")
	good := installerOf("3", "part", "file:a", a)
	const want = "a lib/ lib/rustlib/ lib/rustlib/manifest-part"
	lie := func(name string, rule unpack.Rule, bad []byte) attack {
		return attack{name: name, bad: bad, rule: rule, twin: good, want: want, layout: component("part")}
	}
	runAttacks(t, "tar", []attack{
		lie("another version", unpack.RuleInstaller, installerOf("4", "part", "file:a", a)),
		lie("no version", unpack.RuleInstaller, tarOf(file("top/components", "part"), file("top/part/manifest.in", "file:a"), a)),
		lie("a component that is not listed", unpack.RuleInstaller, installerOf("3", "other", "file:a", a)),
		lie("no list of components", unpack.RuleInstaller, tarOf(file("top/rust-installer-version", "3"), file("top/part/manifest.in", "file:a"), a)),
		lie("another component", unpack.RuleInstaller, tarOf(file("top/rust-installer-version", "3"), file("top/components", "other"), file("top/other/manifest.in", "file:a"), file("top/other/a", "1"))),
		lie("no list of files", unpack.RuleEmpty, tarOf(file("top/rust-installer-version", "3"), file("top/components", "part"), a)),
		lie("an empty list", unpack.RuleEmpty, installerOf("3", "part", "", a)),
		lie("a file that is not there", unpack.RuleInstaller, installerOf("3", "part", "file:a\nfile:b", a)),
		lie("a file that is a directory", unpack.RuleInstaller, installerOf("3", "part", "file:a\nfile:d", a, dir("top/part/d/"))),
		lie("a directory that is not there", unpack.RuleInstaller, installerOf("3", "part", "file:a\ndir:d", a, file("top/part/dd/x", "1"))),
		lie("a directory that is a file", unpack.RuleInstaller, installerOf("3", "part", "dir:a", a)),
		lie("a line of another kind", unpack.RuleInstaller, installerOf("3", "part", "file:a\nrun:b", a)),
		lie("an empty line", unpack.RuleInstaller, installerOf("3", "part", "\nfile:a", a)),
		lie("a line twice", unpack.RuleInstaller, installerOf("3", "part", "file:a\nfile:a", a)),
		lie("a directory and a file of one name", unpack.RuleInstaller, installerOf("3", "part", "file:a\ndir:a", a)),
		lie("a line that leaves", unpack.RuleElements, installerOf("3", "part", "file:a\nfile:../b", a)),
		lie("a line from the root", unpack.RuleRelative, installerOf("3", "part", "file:a\nfile:/etc/passwd", a)),
		lie("a line not in its simplest form", unpack.RuleInstaller, installerOf("3", "part", "file:./a", a)),
		lie("two lists", unpack.RuleOnce, installerOf("3", "part", "file:a", a, file("top/part/manifest.in", "file:b"))),
		lie("a list that is a link", unpack.RuleInstaller, tarOf(file("top/rust-installer-version", "3"), file("top/components", "part"), a, link("top/part/manifest.in", "a"))),
		lie("a component that is a file", unpack.RuleInstaller, installerOf("3", "part", "file:a", a, file("top/part", "1"))),
		lie("the name of the list that is kept", unpack.RuleOnce, installerOf("3", "part", "file:a\nfile:lib/rustlib/manifest-part", a, file("top/part/lib/rustlib/manifest-part", "file:a"))),
		lie("a file twice, with other contents", unpack.RuleOnce, installerOf("3", "part", "file:a", a, file(a.name, a.data+"!"))),
		lie("a file that leaves", unpack.RuleElements, installerOf("3", "part", "file:a", a, file("top/part/../../x", "1"))),
		lie("a link that leaves", unpack.RuleTarget, installerOf("3", "part", "file:a\nfile:b", a, link("top/part/b", "../x"))),
		lie("a hard link to a file that is not installed", unpack.RuleHardLink, installerOf("3", "part", "file:a\nfile:b", a, hard("top/part/b", "top/install.sh"))),
		lie("a list over the ceiling", unpack.RuleCeiling, installerOf("3", "part", "file:a\n"+strings.Repeat("x", 8<<20), a)),
	})
	two := component("part", "part-x86_64")
	both := installerOf("3", "part\npart-x86_64", "file:a", a, file("top/part-x86_64/manifest.in", "file:b"), file("top/part-x86_64/b", "1"))
	wantRefused(t, both, two, unpack.DefaultLimits(), unpack.RuleInstaller)
}

// Two components may share directories, but not files.
func TestComponentsMayNotShareFiles(t *testing.T) {
	first := installerOf("3", "part", "file:bin/a\nfile:lib/x", file("top/part/bin/a", "1"), file("top/part/lib/x", "1"))
	add := func(second []byte) ([]record.Entry, error) {
		s := newStage(t, unpack.DefaultLimits())
		if err := s.add(t, first, component("part")); err != nil {
			t.Fatal(err)
		}
		other := component("part")
		other.Installer.Manifest += "-2"
		if err := s.add(t, second, other); err != nil {
			return nil, err
		}
		entries, err := s.prefix.Finish(t.Context())
		s.check(t, entries, err)
		return entries, err
	}
	_, err := add(installerOf("3", "part", "file:bin/a", file("top/part/bin/a", "1")))
	wantRule(t, err, unpack.RuleOnce)
	entries, err := add(installerOf("3", "part", "file:bin/b", file("top/part/bin/b", "1"), file("top/part/bin/c", "1"), file("top/part/d/e", "1")))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := list(entries), "bin/ bin/a bin/b lib/ lib/rustlib/ lib/rustlib/manifest-part lib/rustlib/manifest-part-2 lib/x"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWriteAddsFiles(t *testing.T) {
	s := newStage(t, unpack.DefaultLimits())
	if err := s.add(t, tarOf(file("a", "1")), manifests.Layout{Format: "tar"}); err != nil {
		t.Fatal(err)
	}
	if err := s.prefix.AddFile(t.Context(), "rust 1.95.0", manifests.File{Path: "lib/rustlib/components", Data: []byte("cargo\n")}); err != nil {
		t.Fatal(err)
	}
	if err := s.prefix.AddFile(t.Context(), "rust 1.95.0", manifests.File{Path: "empty"}); err != nil {
		t.Fatal(err)
	}
	entries, err := s.prefix.Finish(t.Context())
	for i, e := range entries {
		if (e.Component == "part") != (e.Path == "a") {
			t.Errorf("%s is recorded as of component %q", e.Path, e.Component)
		}
		entries[i].Component = "part"
	}
	s.check(t, entries, err)
	if got, want := list(entries), "a empty lib/ lib/rustlib/ lib/rustlib/components"; got != want || err != nil {
		t.Errorf("got %q, want %q, %v", got, want, err)
	}
	for _, name := range []string{"a", "../x", "/x", "a/b"} {
		s := newStage(t, unpack.DefaultLimits())
		if err := s.add(t, tarOf(file("a", "1")), manifests.Layout{Format: "tar"}); err != nil {
			t.Fatal(err)
		}
		err := s.prefix.AddFile(t.Context(), "rust 1.95.0", manifests.File{Path: name, Data: []byte("x")})
		if err == nil || !strings.HasPrefix(err.Error(), "rust 1.95.0: ") {
			t.Errorf("%s: %v", name, err)
		}
		s.check(t, nil, err)
	}
}

// Write neither replaces an entry of an archive nor follows its link.
func TestWriteRefusesClaimedPaths(t *testing.T) {
	const name = "etc/config"
	for what, c := range map[string]struct {
		entries []tarEntry
		rule    unpack.Rule // empty if accepted
	}{
		"a file":                     {[]tarEntry{file(name, "1")}, unpack.RuleOnce},
		"a directory":                {[]tarEntry{dir(name)}, unpack.RuleOnce},
		"a link":                     {[]tarEntry{link(name, "gone")}, unpack.RuleOnce},
		"a link to a file":           {[]tarEntry{file("a", "1"), link(name, "../a")}, unpack.RuleOnce},
		"a hard link":                {[]tarEntry{file("a", "1"), hard(name, "a")}, unpack.RuleOnce},
		"a link above":               {[]tarEntry{dir("d"), link("etc", "d")}, unpack.RuleBelow},
		"a file above":               {[]tarEntry{file("etc", "1")}, unpack.RuleBelow},
		"a directory above":          {[]tarEntry{dir("etc"), file("etc/other", "1")}, ""},
		"a link to it":               {[]tarEntry{link("a", name)}, ""},
		"paths with a common prefix": {[]tarEntry{file("etc/config2", "1"), dir("config")}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			s := newStage(t, unpack.DefaultLimits())
			if err := s.add(t, tarOf(c.entries...), manifests.Layout{Format: "tar"}); err != nil {
				t.Fatal(err)
			}
			err := s.prefix.AddFile(t.Context(), "the-archive", manifests.File{Path: name, Data: []byte("kist's")})
			if c.rule != "" {
				wantRule(t, err, c.rule)
				s.check(t, nil, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.prefix.Finish(t.Context()); err != nil {
				t.Fatal(err)
			}
			if data, err := s.root.ReadFile(name); string(data) != "kist's" {
				t.Errorf("it holds %q, %v", data, err)
			}
		})
	}
}

// For any tree in any order, exactly the listed files are installed.
func TestInstallerPlacesExactlyListedFiles(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[ab]/[ab]/[a-d]|[ab]/[c-f]|[c-f]`), 1, 12, rapid.ID[string]).Draw(r, "files")
		tree := rapid.SampledFrom([]string{"", "a", "b", "a/a"}).Draw(r, "tree")
		want := map[string]bool{}
		var list strings.Builder
		var entries []tarEntry
		for i, name := range names {
			entries = append(entries, file("top/part/"+name, name))
			if tree != "" && strings.HasPrefix(name, tree+"/") {
				want[name] = true
			} else if i == 0 || rapid.Bool().Draw(r, "listed") {
				want[name] = true
				list.WriteString("file:" + name + "\n")
			}
		}
		if tree != "" {
			entries = append(entries, dir("top/part/"+tree))
			list.WriteString("dir:" + tree + "\n")
		}
		entries = append(entries, file("top/rust-installer-version", "3"), file("top/components", "part"), file("top/part/manifest.in", list.String()))
		got, err := unpackAll(t, tarOf(rapid.Permutation(entries).Draw(r, "order")...), component("part"), unpack.DefaultLimits())
		if err != nil {
			r.Fatal(err)
		}
		for _, e := range got {
			if e.Type == record.File && e.Path != "lib/rustlib/manifest-part" && !want[e.Path] {
				r.Errorf("%s was not listed", e.Path)
			}
			delete(want, e.Path)
		}
		if len(want) > 0 {
			r.Errorf("missing: %v", want)
		}
	})
}

// FuzzInstaller unpacks rust-installer archives with arbitrary metadata files.
func FuzzInstaller(f *testing.F) {
	f.Add("3", "part\n", "file:a\nfile:d/b\n", "d/b", byte('0'), false)
	f.Add("3", "part", "dir:d", "d/../e", byte('5'), true)
	f.Add("3", "part\r\n", "file:a\r\n", "a", byte('2'), true)
	f.Fuzz(func(t *testing.T, version, components, list, name string, flag byte, first bool) {
		says := []tarEntry{file("top/rust-installer-version", version), file("top/components", components), file("top/part/manifest.in", list)}
		entries := []tarEntry{file("top/part/a", "1"), {name: "top/part/" + name, flag: flag, link: "a"}}
		if first {
			entries = append(says, entries...)
		} else {
			entries = append(entries, says...)
		}
		got, err := unpackAll(t, tarOf(entries...), component("part"), fuzzLimits())
		if err != nil {
			if !errors.Is(err, verify.ErrUntrusted) {
				t.Fatal(err)
			}
			return
		}
		if !slices.ContainsFunc(got, func(e record.Entry) bool { return e.Path == "lib/rustlib/manifest-part" }) {
			t.Fatalf("its list was not installed: %v", got)
		}
	})
}
