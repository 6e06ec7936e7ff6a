package unpack_test

import (
	"context"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

var mergedUsr = manifests.Layout{Format: "deb", MergedUsr: true}

func TestMergedUsr(t *testing.T) {
	for name, c := range map[string]struct {
		deb  []byte
		into string
		want string
	}{
		"both names of a directory": {debOf(file("./lib/a", "x"), file("./usr/lib/b", "x")), "", "usr/ usr/lib/ usr/lib/a usr/lib/b"},
		"every top directory": {debOf(file("./bin/a", ""), file("./sbin/a", ""), file("./lib/a", ""), file("./lib32/a", ""), file("./lib64/a", ""), file("./libx32/a", "")), "",
			"usr/ usr/bin/ usr/bin/a usr/lib/ usr/lib/a usr/lib32/ usr/lib32/a usr/lib64/ usr/lib64/a usr/libx32/ usr/libx32/a usr/sbin/ usr/sbin/a"},
		"other directories stay":    {debOf(file("./etc/a", "x"), file("./library/a", "x"), file("./usr/share/lib/a", "x")), "", "etc/ etc/a library/ library/a usr/ usr/share/ usr/share/lib/ usr/share/lib/a"},
		"below a directory":         {debOf(file("./lib/a", "x")), "sysroot", "sysroot/ sysroot/usr/ sysroot/usr/lib/ sysroot/usr/lib/a"},
		"a directory without more":  {debOf(dir("./sbin/")), "", "usr/ usr/sbin/"},
		"an absolute link":          {debOf(link("./usr/lib/a.so", "/lib/a.so.1"), file("./lib/a.so.1", "x")), "sysroot", "sysroot/ sysroot/usr/ sysroot/usr/lib/ sysroot/usr/lib/a.so>a.so.1 sysroot/usr/lib/a.so.1"},
		"an absolute link away":     {debOf(link("./lib64/ld.so", "/lib/ld.so")), "", "usr/ usr/lib64/ usr/lib64/ld.so>../lib/ld.so"},
		"a relative link through":   {debOf(link("./usr/share/a", "../../lib/a"), file("./lib/a", "x")), "", "usr/ usr/lib/ usr/lib/a usr/share/ usr/share/a>../../lib/a"},
		"a hard link":               {debOf(file("./bin/a", "x"), hard("./usr/bin/b", "./bin/a")), "", "usr/ usr/bin/ usr/bin/a usr/bin/b"},
		"links equal to the layout": {debOf(link("./lib", "usr/lib"), link("./lib64", "/usr/lib64"), file("./usr/lib/a", "x")), "", "usr/ usr/lib/ usr/lib/a"},
		"a configuration file":      {debOf(file("./etc/apt/conf", "x")), "", "etc/ etc/apt/ etc/apt/conf"},
	} {
		t.Run(name, func(t *testing.T) {
			layout := mergedUsr
			layout.Into = c.into
			entries, err := unpackAll(t, c.deb, layout, unpack.DefaultLimits())
			if err != nil || list(entries) != c.want {
				t.Errorf("got %q, %v\nwant %q", list(entries), err, c.want)
			}
			for _, e := range entries {
				if e.Component != "part" {
					t.Errorf("%s belongs to %q", e.Path, e.Component)
				}
			}
		})
	}
}

// The rules hold for the paths below usr to which entries are moved.
func TestHostileMergedUsr(t *testing.T) {
	usr := file("./usr/lib/a", "x")
	limits := unpack.DefaultLimits()
	limits.Depth = 8
	deep := "./lib/" + strings.Repeat("d/", limits.Depth-2) + "f" // as deep as allowed
	for _, c := range []struct {
		name string
		bad  []byte
		rule unpack.Rule
		twin []byte
		want string
	}{
		{"the same file by both names", debOf(usr, file("./lib/a", "x")), unpack.RuleOnce, debOf(usr, file("./lib/b", "x")), "usr/ usr/lib/ usr/lib/a usr/lib/b"},
		{"a directory is a link elsewhere", debOf(link("./lib", "/etc"), usr), unpack.RuleBelow, debOf(link("./lib", "/usr/lib"), usr), "usr/ usr/lib/ usr/lib/a"},
		{"a directory became a link", debOf(usr, link("./lib", "/usr/lib/b")), unpack.RuleOnce, debOf(usr, link("./lib", "./usr/lib")), "usr/ usr/lib/ usr/lib/a"},
		{"a directory is a file", debOf(usr, file("./lib", "x")), unpack.RuleOnce, debOf(usr, file("./usr/lib.conf", "x")), "usr/ usr/lib/ usr/lib.conf usr/lib/a"},
		{"a parent in a name", debOf(file("./lib/../../evil", "x")), unpack.RuleElements, debOf(file("./lib/..fine", "x")), "usr/ usr/lib/ usr/lib/..fine"},
		{"a link out", debOf(link("./lib/a", "../../../evil")), unpack.RuleTarget, debOf(link("./lib/a", "../../fine")), "usr/ usr/lib/ usr/lib/a>../../fine"},
		{"too deep once it is moved", debOf(file(deep, "x")), unpack.RuleCeiling, debOf(dir("./lib/d/d/d/d/d/d")), "usr/ usr/lib/ usr/lib/d/ usr/lib/d/d/ usr/lib/d/d/d/ usr/lib/d/d/d/d/ usr/lib/d/d/d/d/d/ usr/lib/d/d/d/d/d/d/"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			wantRefused(t, c.bad, mergedUsr, limits, c.rule)
			entries, err := unpackAll(t, c.twin, mergedUsr, limits)
			if err != nil || list(entries) != c.want {
				t.Errorf("honest: got %q, %v\nwant %q", list(entries), err, c.want)
			}
		})
	}
}

// Packages may share a path if its entries are equal. It belongs to the first in order,
// whichever is unpacked first.
func TestPackagesMayShareEqualPaths(t *testing.T) {
	moded := func(e tarEntry, mode string) tarEntry {
		e.mode = mode
		return e
	}
	one := debOf(file("./lib/a", "same"), link("./lib/l", "a"))
	for name, c := range map[string]struct {
		other  []byte
		layout manifests.Layout
		want   string // the entries; empty if refused
	}{
		"the same":                      {debOf(file("./lib/a", "same"), link("./lib/l", "a")), mergedUsr, "usr/ usr/lib/ usr/lib/a usr/lib/l>a"},
		"the same paths by both names":  {debOf(file("./usr/lib/a", "same"), link("./usr/lib/l", "a")), mergedUsr, "usr/ usr/lib/ usr/lib/a usr/lib/l>a"},
		"and another":                   {debOf(file("./lib/a", "same"), file("./lib/b", "x")), mergedUsr, "usr/ usr/lib/ usr/lib/a usr/lib/b usr/lib/l>a"},
		"other content":                 {debOf(file("./lib/a", "SAME")), mergedUsr, ""},
		"other size":                    {debOf(file("./lib/a", "same!")), mergedUsr, ""},
		"other mode":                    {debOf(moded(file("./lib/a", "same"), "0000755\x00")), mergedUsr, ""},
		"other type":                    {debOf(link("./lib/a", "same")), mergedUsr, ""},
		"other target":                  {debOf(link("./lib/l", "b")), mergedUsr, ""},
		"a directory":                   {debOf(dir("./lib/a")), mergedUsr, ""},
		"twice in one package":          {debOf(file("./lib/a", "same"), file("./usr/lib/a", "same")), mergedUsr, ""},
		"a package without merged /usr": {debOf(file("./usr/lib/a", "same")), manifests.Layout{Format: "deb"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			parts := []part{{one, mergedUsr}, {c.other, c.layout}}
			for _, turns := range [][]int{{0, 1}, {1, 0}} {
				entries, err := addInTurn(t, parts, turns)
				if c.want == "" {
					e, ok := err.(*unpack.EntryError)
					if !ok || e.Rule != unpack.RuleOnce {
						t.Errorf("in turn %v: got %q, %v", turns, list(entries), err)
					}
					continue
				}
				if err != nil || list(entries) != c.want {
					t.Errorf("in turn %v: got %q, %v\nwant %q", turns, list(entries), err, c.want)
				}
				for _, e := range entries {
					if want := map[bool]string{true: "part-1", false: "part-0"}[e.Path == "usr/lib/b"]; e.Component != want {
						t.Errorf("in turn %v: %s belongs to %q, want %q", turns, e.Path, e.Component, want)
					}
				}
			}
		})
	}
}

// Packages that share paths give the same result concurrently and in turn.
func TestConcurrentPackagesMayShareEqualPaths(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		parts := make([]part, 4)
		for i := range parts {
			entries := []tarEntry{file("./own"+string(rune('a'+i)), "x")}
			for j, content := range rapid.SliceOfN(rapid.SampledFrom([]string{"", "same", "same", "same", "else"}), 0, 3).Draw(r, "contents") {
				if content != "" {
					entries = append(entries, file("./lib/"+string(rune('a'+j)), content))
				}
			}
			parts[i] = part{debOf(entries...), mergedUsr}
		}
		want, first := addInTurn(t, parts, []int{0, 1, 2, 3})
		got, err := addConcurrently(t, parts)
		if (err == nil) != (first == nil) || err == nil && list(got) != list(want) {
			t.Fatalf("at once %v, %v; in turn %v, %v", got, err, want, first)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("at once %v, in turn %v", got[i], want[i])
			}
		}
	})
}

func TestWriteProgramsAndLinks(t *testing.T) {
	s := newStage(t, unpack.DefaultLimits())
	if err := s.add(t, debOf(file("./usr/bin/cc", "x")), mergedUsr); err != nil {
		t.Fatal(err)
	}
	for _, f := range []manifests.File{
		{Path: "kist/bin/cc", Data: []byte("#!/bin/sh\n"), Exec: true},
		{Path: "kist/lib", Link: "../usr/lib"},
	} {
		if err := s.prefix.AddFile(t.Context(), "gcc 12", f); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := s.prefix.Finish(context.Background())
	for i := range entries {
		if kist := strings.HasPrefix(entries[i].Path, "kist"); kist != (entries[i].Component == "") {
			t.Errorf("%s belongs to %q", entries[i].Path, entries[i].Component)
		}
		entries[i].Component = "part" // as onDisk sets it
	}
	s.check(t, entries, err)
	if want := "kist/ kist/bin/ kist/bin/cc kist/lib>../usr/lib usr/ usr/bin/ usr/bin/cc"; err != nil || list(entries) != want {
		t.Fatalf("got %q, %v, want %q", list(entries), err, want)
	}
	for _, e := range entries {
		if e.Path == "kist/bin/cc" && (e.Type != record.File || e.Mode != 0o755) {
			t.Errorf("got %v", e)
		}
	}
	for name, f := range map[string]manifests.File{
		"out":          {Path: "kist/lib", Link: "../../evil"},
		"absolute":     {Path: "kist/lib", Link: "/usr/lib"},
		"where one is": {Path: "usr/bin/cc", Link: "gcc"},
	} {
		s := newStage(t, unpack.DefaultLimits())
		if err := s.add(t, debOf(file("./usr/bin/cc", "x")), mergedUsr); err != nil {
			t.Fatal(err)
		}
		if err := s.prefix.AddFile(t.Context(), "gcc 12", f); err == nil {
			t.Errorf("%s: a link was written", name)
		}
	}
}
