package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
)

// publishSet publishes hello 1.1 and other 1.0, and the set team of these tools.
func (b *battle) publishSet(tools ...string) {
	b.Helper()
	m := b.next("1.1", "1.0")
	other := b.hello("2.0", "linux/amd64")
	other.Tool, other.Commands, other.Artifacts[0].Component = "other", []string{"bin/other"}, "other"
	m.Releases = append(m.Releases, other)
	set := manifests.Set{Name: "team"}
	for _, ref := range tools {
		tool, err := native.ParseSetTool(ref)
		if err != nil {
			b.Fatal(err)
		}
		set.Tools = append(set.Tools, tool)
	}
	m.Sets = []manifests.Set{set}
	b.serve(m, b.first)
}

// TestSyncAsksBeforeItPrunes tests that only a person at a terminal is asked, only if
// something is to be removed, and that nothing is done before the answer.
func TestSyncAsksBeforeItPrunes(t *testing.T) {
	person := term.Terminal{Stdin: true, Stderr: true}
	for _, test := range []struct {
		name     string
		terminal term.Terminal
		answer   string
		args     []string
		code     int
		asked    bool
	}{
		{"yes", person, "y\n", []string{"--prune"}, 0, true},
		{"no", person, "n\n", []string{"--prune"}, 1, true},
		{"end of input", person, "", []string{"--prune"}, 1, true},
		{"quiet", person, "n\n", []string{"--prune", "--quiet"}, 1, true},
		{"--yes", person, "", []string{"--prune", "--yes"}, 0, false},
		{"dry run", person, "", []string{"--prune", "-n"}, 0, false},
		{"no --prune", person, "", nil, 0, false},
		{"a pipe", term.Terminal{Stderr: true}, "", []string{"--prune"}, 0, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBattle(t)
			b.publish("1.1", "1.0")
			file := filepath.Join(b.home, "kist.toml")
			if err := os.WriteFile(file, []byte("[tools]\nhello = \"1.1\"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			before := b.installed()
			b.terminal, b.answer = test.terminal, test.answer
			code, said := b.kist(append([]string{"sync", file}, test.args...)...)
			if code != test.code {
				t.Errorf("exit code %d, want %d: %s", code, test.code, said)
			}
			const question = "Remove acme/hello@1.0 (37 B)? [y/N]"
			if asked := strings.Contains(said, question); asked != test.asked {
				t.Errorf("asked: %v: %s", asked, said)
			}
			if after := b.installed(); code != 0 && after != before {
				t.Errorf("it did something before the answer:\n%s", after)
			}
			b.terminal = term.Terminal{}
			_, list := b.kist("list")
			removes := code == 0 && len(test.args) > 0 && test.name != "dry run"
			if removed := !strings.Contains(list, "1.0"); removed != removes {
				t.Errorf("removed: %v:\n%s", removed, list)
			}
		})
	}
}
