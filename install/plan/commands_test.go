package plan_test

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// A wildcard skips files whose names are not valid commands; a literal pattern with such
// a name is refused.
func TestCommandsSkipsOrRefusesInvalidNames(t *testing.T) {
	var entries []record.Entry
	for _, name := range []string{"-rf", "[", "a b", "g\u200bit", "hello", "kist", "kist.exe", "sudo"} {
		entries = append(entries, record.Entry{Path: "bin/" + name, Type: record.File, Mode: 0o755})
	}
	slices.SortFunc(entries, func(a, b record.Entry) int { return strings.Compare(a.Path, b.Path) })
	for _, test := range []struct{ patterns, want, skipped string }{
		{"bin/hello", "hello", ""},
		{"bin/[", "[", ""},
		{"bin/*", "[ hello", "-rf|a b|g\u200bit|kist|kist.exe|sudo"},
		{"bin/k*", "", "kist|kist.exe"},
		{"bin/s* bin/sudo", "sudo", ""},
		{"bin/sudo bin/s*", "sudo", ""},
		{"bin/kist", "!", ""},
		{"*/kist.exe", "!", ""},
		{"bin/-rf", "!", ""},
		{"bin/x*", "!", ""},
	} {
		commands, skipped, err := plan.Commands(strings.Fields(test.patterns), entries)
		var got, passed []string
		for _, c := range commands {
			got = append(got, c.Name)
		}
		for _, p := range skipped {
			passed = append(passed, strings.TrimPrefix(p, "bin/"))
		}
		if err != nil {
			got = []string{"!"}
			if !errors.Is(err, verify.ErrUntrusted) {
				t.Errorf("%s: %v", test.patterns, err)
			}
		}
		if strings.Join(got, " ") != test.want || strings.Join(passed, "|") != test.skipped {
			t.Errorf("%s: %q, skipped %q", test.patterns, got, passed)
		}
	}
}

func TestCommandsAreExecutableFilesAfterResolution(t *testing.T) {
	file := func(p string, mode fs.FileMode) record.Entry {
		return record.Entry{Path: p, Type: record.File, Mode: mode}
	}
	link := func(p, target string) record.Entry { return record.Entry{Path: p, Type: record.Link, Target: target} }
	dir := func(p string) record.Entry { return record.Entry{Path: p, Type: record.Dir, Mode: 0o755} }
	entries := []record.Entry{dir("bin"), file("bin/go", 0o755), file("bin/README", 0o644), link("bin/npm", "../lib/npm/cli"),
		link("bin/dead", "nowhere"), link("bin/loop", "loop"), link("bin/out", "../../etc/passwd"), dir("bin/sub"),
		dir("lib"), dir("lib/npm-1"), link("lib/npm", "npm-1"), file("lib/npm-1/cli", 0o755), file("go", 0o755)}
	slices.SortFunc(entries, func(a, b record.Entry) int { return strings.Compare(a.Path, b.Path) })
	for _, test := range []struct{ patterns, want string }{ // after !, part of the error
		{"bin/*", "go=bin/go npm=bin/npm"},
		{"bin/go", "go=bin/go"},
		{"go bin/go", "go=go"},
		{"bin/README", "!; bin/README has the mode 0644"},
		{"bin/R*", "!no executable file matches the commands bin/R*; bin/README has the mode 0644"},
		{"bin/dead bin/loop bin/out", "!; bin/dead is a link"},
		{"bin/sub", "!; bin/sub is a dir"},
		{"sbin/* sbin/x", "!no executable file matches the commands sbin/*, sbin/x"},
		{"", ""},
	} {
		commands, _, err := plan.Commands(strings.Fields(test.patterns), entries)
		var got []string
		for _, c := range commands {
			got = append(got, c.Name+"="+c.Path)
		}
		if err != nil {
			if got = nil; strings.HasPrefix(test.want, "!") && strings.Contains(err.Error(), test.want[1:]) {
				got = []string{test.want}
			}
			if !errors.Is(err, verify.ErrUntrusted) {
				t.Errorf("%s: %v does not match ErrUntrusted", test.patterns, err)
			}
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("%q: %s, %v, want %s", test.patterns, s, err, test.want)
		}
	}
}

func TestNamedReturnsLiteralPatterns(t *testing.T) {
	got := plan.Named([]string{"bin/go", "bin/*", "b?n/x", "bin/[ab]", `bin/\*`, "a b", "x", "bin/["})
	if want := []string{"bin/go", "a b", "x", "bin/["}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
