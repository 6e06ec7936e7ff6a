// Package completion adapts kist's completions to cobra, and holds the scripts by which
// bash and zsh ask for them.
package completion

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
)

// A Completer returns the candidates for the word typed after args. files reports
// that file names are candidates, too.
type Completer func(args []string, typed string) (candidates []string, files bool)

// Adapt adapts c to cobra. It drops words that would have to be escaped.
func Adapt(c Completer) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		candidates, files := c(args, typed)
		candidates = slices.DeleteFunc(candidates, func(word string) bool { return !strings.HasPrefix(word, typed) || term.Escape(word) != word })
		slices.Sort(candidates)
		directive := cobra.ShellCompDirectiveNoFileComp
		if files {
			directive = cobra.ShellCompDirectiveDefault
		}
		return slices.Compact(candidates), directive
	}
}

// Words completes from a fixed list.
func Words(list ...string) Completer {
	return func([]string, string) ([]string, bool) { return slices.Clone(list), false }
}

// List completes the last word of a comma-separated list.
func List(c Completer) Completer {
	return func(args []string, typed string) (candidates []string, files bool) {
		before := typed[:strings.LastIndex(typed, ",")+1]
		candidates, files = c(args, typed[len(before):])
		for i, word := range candidates {
			candidates[i] = before + word
		}
		return candidates, files
	}
}

// First completes only the first argument, by c.
func First(c Completer) Completer {
	return func(args []string, typed string) ([]string, bool) {
		if len(args) > 0 {
			return nil, false
		}
		return c(args, typed)
	}
}
