package debian

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// testArchive has an example of each kind of dependency.
func testArchive(t *testing.T) *archive {
	return packages(t, "amd64",
		newStanza("tool 2:1.0-1", "Depends: compiler, libc6 (>= 2.34)", "Pre-Depends: base"),
		newStanza("compiler 12", "Depends: linker | other-linker, libc-dev"),
		newStanza("linker 1", "Depends: tool"), // a circle
		newStanza("other-linker 1"),
		newStanza("base 1", "Depends: debconf (>= 0.5) | debconf-2.0, perl:any"),
		newStanza("libc6 2.36", "Depends: libgcc-s1"),
		newStanza("libgcc-s1 12"),
		newStanza("libc6-dev 2.36", "Depends: libc6 (= 2.36)", "Provides: libc-dev"),
		newStanza("zz-dev 1", "Provides: libc-dev"),
		newStanza("shared 3", "Provides: shared-abi-2 (= 2.5), old-shared"),
		newStanza("python3 3.11", "Multi-Arch: allowed"),
		newStanza("foreign 1", "Multi-Arch: foreign"),
		newStanza("wants-versioned 1", "Depends: shared-abi-2 (>= 2.4)"),
		newStanza("wants-newer 1", "Depends: shared-abi-2 (>= 2.6)"),
		newStanza("wants-any-version 1", "Depends: old-shared"),
		newStanza("wants-some-version 1", "Depends: old-shared (>= 1)"),
		newStanza("wants-newer-libc 1", "Depends: libc6 (>> 2.36)"),
		newStanza("wants-older-libc 1", "Depends: libc6 (<< 2.36) | libc6 (<= 2.36)"),
		newStanza("wants-any 1", "Depends: python3:any"),
		newStanza("wants-any-foreign 1", "Depends: foreign:any"),
		newStanza("wants-any-virtual 1", "Depends: libc-dev:any"),
		newStanza("wants-native 1", "Depends: foreign:native, foreign:amd64"),
		newStanza("wants-i386 1", "Depends: foreign:i386"),
		newStanza("wants-nothing 1", "Depends: nothing | nothing-else"),
		newStanza("prefers-chosen 1", "Depends: other-linker, linker | other-linker"),
		newStanza("prefers-chosen-provider 1", "Depends: zz-dev, libc-dev"),
		newStanza("recommends 1", "Recommends: nothing", "Suggests: nothing", "Conflicts: libc6", "Enhances: nothing"),
	)
}

func TestClosure(t *testing.T) {
	a := testArchive(t)
	host := []string{"debconf*", "perl"}
	for _, test := range []struct{ roots, want string }{
		{"tool", "base compiler libc6 libc6-dev libgcc-s1 linker tool"},
		{"base", "base"},
		{"wants-versioned", "shared wants-versioned"},
		{"wants-newer", ""},
		{"wants-any-version", "shared wants-any-version"},
		{"wants-some-version", ""}, // provided without a version
		{"wants-newer-libc", ""},
		{"wants-older-libc", "libc6 libgcc-s1 wants-older-libc"},
		{"wants-any", "python3 wants-any"},
		{"wants-any-foreign", ""},
		{"wants-any-virtual", ""},
		{"wants-native", "foreign wants-native"},
		{"wants-i386", ""},
		{"wants-nothing", ""},
		{"prefers-chosen", "other-linker prefers-chosen"},
		{"prefers-chosen-provider", "prefers-chosen-provider zz-dev"},
		{"recommends", "recommends"},
		{"no-such-package", ""},
		{"libc6 base", "base libc6 libgcc-s1"},
	} {
		chosen, err := a.closure(strings.Fields(test.roots), host)
		got := strings.Join(slices.Sorted(maps.Keys(chosen)), " ")
		if got != test.want || (err == nil) != (test.want != "") || err != nil && !isType[*unsatisfiedError](err) {
			t.Errorf("%s: %q, want %q: %v", test.roots, got, test.want, err)
		}
	}
	if _, err := a.closure([]string{"base"}, nil); err == nil || !strings.Contains(err.Error(), "base 1 depends on debconf (>= 0.5) | debconf-2.0") {
		t.Errorf("without the host's: %v", err)
	}
}

// TestClosureUsesNewestVersion checks that the newest version in any index is chosen,
// with its dependencies.
func TestClosureUsesNewestVersion(t *testing.T) {
	a := packages(t, "amd64", newStanza("tool 1.0-1", "Depends: old", "Provides: gone"), newStanza("tool 1.0-1+deb12u1", "Depends: new"), newStanza("old 1"), newStanza("new 1"), newStanza("new 0.9"),
		newStanza("user 1", "Depends: gone"))
	chosen, err := a.closure([]string{"tool"}, nil)
	if err != nil || !maps.Equal(names(chosen), map[string]bool{"tool": true, "new": true}) || string(a.packages["new"].version) != "1" {
		t.Errorf("%v, %v", names(chosen), err)
	}
	if _, err := a.closure([]string{"user"}, nil); !isType[*unsatisfiedError](err) {
		t.Errorf("what only a superseded version provides: %v", err)
	}
}

func TestRelations(t *testing.T) {
	for text, want := range map[string]string{
		"a1, b2 | c3 (>= 1:2-3),d4:any": "a1, b2 | c3 (>= 1:2-3), d4:any",
		" a1 ( = 1 ) ":                  "a1 (= 1)",
		"a1(<<2)":                       "a1 (<< 2)",
		"a1\n (>> 1)":                   "a1 (>> 1)",
		"":                              "",
		"a1,":                           "!", "a1 |": "!", ",": "!", "a": "!", "a1 (>= )": "!", "a1 (>= 1": "!", "a1 (>= 1) x": "!", "a1 (1)": "!", "a1 (=)": "!",
		"a1 (> 1)": "!", "a1 (=> 1)": "!", "a1:": "!", "a1:ANY": "!", "a1 b2": "!", "../a1": "!", "a1 [amd64]": "!", "a1 (= x)": "!", "${misc:Depends}": "!",
		strings.Repeat("a1,", maxRelations) + "a1": "!",
	} {
		clauses, err := parseRelations(text)
		var got []string
		for _, c := range clauses {
			got = append(got, c.String())
		}
		if s := strings.Join(got, ", "); err == nil && s != want || err != nil && want != "!" {
			t.Errorf("%.60q: %q, %v", text, s, err)
		}
	}
}

// TestClosureProperties checks that a closure is closed, does not depend on the order
// of stanzas, and grows with its roots.
func TestClosureProperties(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(2, 12).Draw(r, "packages")
		var stanzas []string
		for i := range n {
			var depends []string
			for range rapid.IntRange(0, 3).Draw(r, "depends") {
				one := fmt.Sprintf("p%d", rapid.IntRange(0, n-1).Draw(r, "on"))
				if rapid.Bool().Draw(r, "or") {
					one += fmt.Sprintf(" | v%d", rapid.IntRange(0, n-1).Draw(r, "virtual"))
				}
				depends = append(depends, one)
			}
			fields := []string{fmt.Sprintf("Provides: v%d", i/2)}
			if depends != nil {
				fields = append(fields, "Depends: "+strings.Join(depends, ", "))
			}
			stanzas = append(stanzas, newStanza(fmt.Sprintf("p%d 1", i), fields...))
		}
		roots := []string{"p0", "p1"}
		chosen, err := packages(t, "amd64", stanzas...).closure(roots, nil)
		if err != nil {
			r.Fatal(err)
		}
		slices.Reverse(stanzas)
		a := packages(t, "amd64", stanzas...)
		again, err := a.closure(roots, nil)
		if err != nil || !maps.Equal(names(chosen), names(again)) {
			r.Fatalf("%v, in another order %v, %v", names(chosen), names(again), err)
		}
		for name, d := range chosen {
			for _, wants := range d.depends {
				if !slices.ContainsFunc(wants, func(w relation) bool {
					providers, _ := a.providers(w.name)
					_, real := chosen[w.name]
					return real || slices.ContainsFunc(providers, func(p provision) bool { return names(chosen)[p.provider.name] })
				}) {
					r.Fatalf("%s wants %s, and has only %v", name, wants, names(chosen))
				}
			}
		}
		for _, root := range roots {
			if !names(chosen)[root] {
				r.Fatalf("%s is missing", root)
			}
		}
	})
}
