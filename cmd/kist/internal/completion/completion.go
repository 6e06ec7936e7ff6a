// Package completion finds the candidates for a word of a command line, adapts them to
// cobra, and holds the scripts by which bash and zsh ask for them.
package completion

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
)

// A Completer returns the candidates for the word typed after args.
type Completer func(args []string, typed string) []string

// Files, as a candidate, stands for the names of files.
const Files = "\x00files"

// Adapt adapts c to cobra. It drops words that would have to be escaped.
func Adapt(c Completer) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		candidates, directive := c(args, typed), cobra.ShellCompDirectiveNoFileComp
		if slices.Contains(candidates, Files) {
			directive = cobra.ShellCompDirectiveDefault
		}
		candidates = slices.DeleteFunc(candidates, func(word string) bool { return !strings.HasPrefix(word, typed) || term.Escape(word) != word })
		slices.Sort(candidates)
		return slices.Compact(candidates), directive
	}
}

// Words completes from a fixed list.
func Words(list ...string) Completer {
	return func([]string, string) []string { return slices.Clone(list) }
}

// List completes the last word of a comma-separated list.
func List(c Completer) Completer {
	return func(args []string, typed string) []string {
		before := typed[:strings.LastIndex(typed, ",")+1]
		candidates := c(args, typed[len(before):])
		for i, word := range candidates {
			candidates[i] = before + word
		}
		return candidates
	}
}

// First completes only the first argument, by c.
func First(c Completer) Completer {
	return func(args []string, typed string) []string {
		if len(args) > 0 {
			return nil
		}
		return c(args, typed)
	}
}

// AfterPath completes the first argument as the name of a file, and the others by c.
func AfterPath(c Completer) Completer {
	return func(args []string, typed string) []string {
		if len(args) == 0 {
			return []string{Files}
		}
		return c(args, typed)
	}
}
