package manifests_test

import (
	"errors"
	"path"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func TestCommandNames(t *testing.T) {
	for _, good := range []string{"go", "clang++", "g++-14", "python3.13", "[", "[.exe", "_x", "0ad", "7z", "PATH", "go.exe", "npm.cmd",
		"kist-helper", "kistle", "akist", "kist.sh", "kist.exe.txt", "sudo", "con", strings.Repeat("a", 255)} {
		if err := manifests.ValidCommand(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "-rf", "+x", ".profile", ".exe", "a b", "a'b", "a=b", "$(x)", "`id`", "x;y", "*", "?", "~", "#x",
		"[a", "a[", "[[", "a/b", `a\b`, "a\nb", "a\x00b", "é", "a\u202egnp.exe", "g\u200bit", "a\u00adb", "ａ", "a:b", "a@b", "a,b", "a|b",
		"kist", "Kist", "KIST", "kist.exe", "KIST.EXE", "kist.cmd", "kist.bat", "kist.com", "kist.ps1", "kist.", "kist..", "kist.exe.", "kist..exe",
		strings.Repeat("a", 256), strings.Repeat("a", 252) + ".exe"} {
		if manifests.ValidCommand(bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
		if manifests.MatchedCommand(bad) == nil {
			t.Errorf("%q was accepted as a match of a pattern", bad)
		}
	}
	for _, name := range []string{"sudo", "SUDO", "sudo.exe", "su", "doas", "pkexec"} {
		if manifests.MatchedCommand(name) == nil || manifests.ValidCommand(name) != nil {
			t.Errorf("%q: want it accepted only if a release names it", name)
		}
	}
	for _, good := range []string{"go", "[", "sudoku", "sum", "ssh"} {
		if err := manifests.MatchedCommand(good); err != nil {
			t.Errorf("matched %q: %v", good, err)
		}
	}
}

// TestCommandAlphabet: a name without an extension of programs is accepted exactly
// if the documented expression matches it and it is not reserved.
func TestCommandAlphabet(t *testing.T) {
	documented := regexp.MustCompile(`^(\[|[A-Za-z0-9_][A-Za-z0-9._+-]*)$`)
	letters := rapid.OneOf(rapid.SampledFrom([]rune("kistKIST.exe-_+[ ]*/\u200b\u202eé")), rapid.Rune())
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOfN(letters, 0, 8, -1).Draw(t, "name")
		if manifests.ProgramStem(name) != name || strings.EqualFold(strings.TrimRight(name, "."), "kist") || manifests.ProgramStem(strings.TrimRight(name, ".")) != strings.TrimRight(name, ".") {
			return
		}
		if got, want := manifests.ValidCommand(name) == nil, documented.MatchString(name); got != want {
			t.Fatalf("%q: accepted %v, want %v", name, got, want)
		}
	})
}

func TestCommandPatterns(t *testing.T) {
	for _, test := range []struct {
		pattern, name, path string // "" if several may match
		matches, not        string
	}{
		{"bin/go", "go", "bin/go", "bin/go", "bin/gofmt"},
		{"go", "go", "go", "go", "bin/go"},
		{"bin/*", "", "", "bin/go", "bin/x/go"},
		{"*/go", "go", "", "bin/go", "go"},
		{"bin/[", "[", "bin/[", "bin/[", "bin/a"},
		{"[", "[", "[", "[", "bin/["},
		{"*/[", "[", "", "bin/[", "["},
		{"bin/[[]", "", "", "bin/[", "bin/a"},
		{"bin/[ab]", "", "", "bin/a", "bin/c"},
	} {
		if err := manifests.ValidCommandPattern(test.pattern); err != nil {
			t.Errorf("%s: %v", test.pattern, err)
		}
		if name, ok := manifests.CommandName(test.pattern); ok != (test.name != "") || ok && name != test.name {
			t.Errorf("%s names %q, %v", test.pattern, name, ok)
		}
		if p, ok := manifests.CommandPath(test.pattern); ok != (test.path != "") || ok && p != test.path {
			t.Errorf("%s is the path %q, %v", test.pattern, p, ok)
		}
		if ok, err := manifests.MatchCommand(test.pattern, test.matches); !ok || err != nil {
			t.Errorf("%s does not match %s: %v", test.pattern, test.matches, err)
		}
		if ok, err := manifests.MatchCommand(test.pattern, test.not); ok || err != nil {
			t.Errorf("%s matches %s: %v", test.pattern, test.not, err)
		}
	}
	for _, bad := range []string{"bin/kist", "*/kist", "Kist.exe", "bin/-rf", "bin/a b", "bin/g\u200bit", "bin/[a", "[/x", "bin[", "bin/[a-"} {
		if manifests.ValidCommandPattern(bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
		r := validRelease()
		r.Commands = append(r.Commands, bad)
		if err := r.Validate(); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("a release with %q: %v", bad, err)
		}
	}
	if _, err := manifests.MatchCommand("bin/[a", "bin/a"); !errors.Is(err, path.ErrBadPattern) {
		t.Errorf("a malformed pattern: %v", err)
	}
}
