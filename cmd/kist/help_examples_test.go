package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/help"
)

// TestHelpExamplesParse checks that each example in the help names a verb and flags that
// exist.
func TestHelpExamplesParse(t *testing.T) {
	root := kistCommand()
	checked := 0
	for _, cmd := range append(help.Descendants(root), root) {
		if !cmd.HasAvailableSubCommands() && !cmd.HasExample() {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Example) {
			line, _, _ = strings.Cut(line, "  #")
			line, _, _ = strings.Cut(line, " |")
			words := strings.Fields(strings.NewReplacer("'", "", `"`, "", "$(", " ", "<(", " ", ")", " ").Replace(line))
			for len(words) > 0 && words[0] != "kist" {
				words = words[1:]
			}
			if len(words) < 2 || cmd == root {
				continue
			}
			checked++
			if err := parses(kistCommand(), words[1:]); err != nil { // a root parses once: a flag takes one value
				t.Errorf("%s: %q: %v", cmd.CommandPath(), line, err)
			}
		}
	}
	if checked < 40 {
		t.Errorf("only %d examples were found", checked)
	}
	if parses(root, []string{"list", "--no-such-flag"}) == nil || parses(root, []string{"no-such-verb"}) == nil {
		t.Error("a wrong example passes")
	}
}

func parses(root *cobra.Command, words []string) error {
	cmd, rest, err := root.Find(words)
	if err == nil && cmd == root {
		err = cli.UnknownVerb(root, words[0])
	}
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	return err
}
