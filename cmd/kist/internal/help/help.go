// Package help describes commands: in the help that they print, and in manual pages. It
// keeps the exit codes of a command among its annotations.
package help

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
)

// Show prints the end of a help page: for kist itself the verbs by group, for a verb
// its flags and exit codes. It does not use a template: text/template keeps the linker
// from dropping unused methods, which would slow every start.
func Show(cmd *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage\n  %s", useLine(cmd))
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
		fmt.Fprintf(&b, "\n\nFlags\n%s", trimRight(cmd.LocalFlags().FlagUsagesWrapped(width)))
	}
	if codes := exitsOf(cmd); len(codes) > 0 {
		b.WriteString("\n\nExit codes")
		for _, e := range codes {
			fmt.Fprintf(&b, "\n  %-4d %s", e.Code, strings.ReplaceAll(wrap(e.Means, width-7), "\n", "\n       "))
		}
	}
	if cmd.HasParent() {
		b.WriteString("\n\n\"kist --help\" shows the flags that every verb has.\n")
	} else {
		fmt.Fprintf(&b, "\n\nFlags of every verb\n%s\n%s", trimRight(cmd.PersistentFlags().FlagUsagesWrapped(width)), `
TOOL is [channel/]name[@version]: go, go@1.25, acme/zig@0.14.0.
"kist VERB --help" shows more, with examples and the exit codes.
`)
	}
	return term.WriteHelp(cmd, b.String())
}

// width is how many columns a help page takes.
const width = 80

// listVerbs lists the subcommands of cmd that belong to a group; "": those in none.
func listVerbs(b *strings.Builder, cmd *cobra.Command, title, group string) {
	b.WriteString("\n\n" + title)
	for _, c := range cmd.Commands() {
		if c.GroupID == group && c.IsAvailableCommand() {
			fmt.Fprintf(b, "\n  %-*s %s", c.NamePadding(), c.Name(), c.Short)
		}
	}
}

// Paragraphs breaks the paragraphs of text into lines that fit a help page. Those with an
// indented line stay as they are.
func Paragraphs(text string) string {
	all := strings.Split(text, "\n\n")
	for i, p := range all {
		if !strings.HasPrefix(p, " ") && !strings.Contains(p, "\n ") {
			all[i] = wrap(p, width)
		}
	}
	return strings.Join(all, "\n\n")
}

// wrap breaks text into lines of at most n characters, at blanks.
func wrap(text string, n int) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Fields(text) {
		long := len([]rune(word))
		switch {
		case i == 0:
		case at+1+long > n:
			b.WriteByte('\n')
			at = 0
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += long
	}
	return b.String()
}

func trimRight(s string) string { return strings.TrimRightFunc(s, unicode.IsSpace) }

// exitAnnotation begins the key under which a command keeps an exit code and, if it
// differs from that of other verbs, its meaning.
const exitAnnotation = "exit "

// exitsOf returns the exit codes of a verb, none for kist itself and a family of verbs.
func exitsOf(cmd *cobra.Command) (codes []failure.Exit) {
	for _, e := range failure.Exits() {
		if means, ok := cmd.Annotations[exitAnnotation+strconv.Itoa(e.Code)]; ok {
			codes = append(codes, failure.Exit{Code: e.Code, Means: cmp.Or(means, e.Means)})
		}
	}
	return codes
}

// AnnotateExits returns the annotations that keep exit codes. means has the meanings that
// differ from those of other verbs.
func AnnotateExits(codes []int, means map[int]string) map[string]string {
	kept := map[string]string{}
	for _, code := range codes {
		kept[exitAnnotation+strconv.Itoa(code)] = means[code]
	}
	return kept
}

// useLine returns the command line of cmd in short.
func useLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " VERB"
	}
	return cmd.UseLine()
}

// Descendants returns every command below cmd that the help lists.
func Descendants(cmd *cobra.Command) (all []*cobra.Command) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			all = append(append(all, c), Descendants(c)...)
		}
	}
	return all
}

// DescribeFlag returns a flag as documents show it, "-c, --component NAME", and its use.
func DescribeFlag(f *pflag.Flag) (names, usage string) {
	value, usage := pflag.UnquoteUsage(f)
	names = strings.TrimSpace("--" + f.Name + " " + value)
	if f.NoOptDefVal != "" && value != "" {
		names = fmt.Sprintf("--%s [%s]", f.Name, value)
	}
	if f.Shorthand != "" {
		names = fmt.Sprintf("-%s, %s", f.Shorthand, names)
	}
	switch f.DefValue {
	case "", "0", "0s", "false", "[]":
	default:
		usage += fmt.Sprintf(" (default %s)", f.DefValue)
	}
	return names, usage
}
