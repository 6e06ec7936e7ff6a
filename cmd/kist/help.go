package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
)

// usageOf prints the end of a help page: for kist itself the verbs by group, for a verb
// its flags and exit codes. It does not use a template: text/template keeps the linker
// from dropping unused methods, which would slow every start.
func usageOf(cmd *cobra.Command, exits []int) error {
	var b strings.Builder
	line := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		line = cmd.CommandPath() + " VERB"
	}
	fmt.Fprintf(&b, "Usage\n  %s", line)
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(&b, "\n  also: %s", strings.Join(cmd.Aliases, " "))
	}
	if cmd.HasExample() {
		title := "Examples"
		if cmd.HasParent() && !strings.Contains(cmd.Example, "\n") {
			title = "Example"
		}
		fmt.Fprintf(&b, "\n\n%s\n%s", title, cmd.Example)
	}
	switch {
	case !cmd.HasAvailableSubCommands():
	case len(cmd.Groups()) == 0:
		listVerbs(&b, cmd, "Verbs", "")
	default:
		for _, group := range cmd.Groups() {
			listVerbs(&b, cmd, group.Title, group.ID)
		}
	}
	if cmd.HasParent() && cmd.HasAvailableLocalFlags() {
		fmt.Fprintf(&b, "\n\nFlags\n%s", trimRight(cmd.LocalFlags().FlagUsages()))
	}
	if exits != nil {
		b.WriteString("\n\nExit codes")
		for _, code := range exits {
			fmt.Fprintf(&b, "\n  %-4d %s", code, exitMeaning(code))
		}
	}
	if cmd.HasParent() {
		b.WriteString("\n\n\"kist --help\" shows the flags that every verb has.\n")
	} else {
		fmt.Fprintf(&b, "\n\nFlags of every verb\n%s\n%s", trimRight(cmd.PersistentFlags().FlagUsages()), `
TOOL is [channel/]name[@version]: go, go@1.25, acme/zig@0.14.0.
"kist VERB --help" tells more, with an example and the exit codes.
`)
	}
	return term.WriteHelp(cmd, b.String())
}

// listVerbs lists the subcommands of cmd that belong to a group; "": those in none.
func listVerbs(b *strings.Builder, cmd *cobra.Command, title, group string) {
	b.WriteString("\n\n" + title)
	for _, c := range cmd.Commands() {
		if c.GroupID == group && c.IsAvailableCommand() {
			fmt.Fprintf(b, "\n  %-*s %s", c.NamePadding(), c.Name(), c.Short)
		}
	}
}

func trimRight(s string) string { return strings.TrimRightFunc(s, unicode.IsSpace) }

// exitMeaning describes an exit code in a few words.
func exitMeaning(code int) string {
	all := exits()
	return all[slices.IndexFunc(all, func(e exit) bool { return e.code == code })].means
}
