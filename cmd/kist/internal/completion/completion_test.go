package completion_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
)

func TestAdapt(t *testing.T) {
	tools := completion.Words("zig", "go", "gopls", "go", "g\x1b[2J", "g o\u202e")
	files := func([]string, string) []string { return []string{completion.Files} }
	for name, test := range map[string]struct {
		completer completion.Completer
		args      []string
		typed     string
		want      string
		directive cobra.ShellCompDirective
	}{
		"sorted, each once":        {tools, nil, "", "go gopls zig", cobra.ShellCompDirectiveNoFileComp},
		"only with what was typed": {tools, nil, "gop", "gopls", cobra.ShellCompDirectiveNoFileComp},
		"file names":               {files, nil, "", "", cobra.ShellCompDirectiveDefault},
		"the first argument":       {completion.First(tools), nil, "z", "zig", cobra.ShellCompDirectiveNoFileComp},
		"no second argument":       {completion.First(tools), []string{"go"}, "z", "", cobra.ShellCompDirectiveNoFileComp},
		"the last of a list":       {completion.List(tools), nil, "zig,gop", "zig,gopls", cobra.ShellCompDirectiveNoFileComp},
	} {
		got, directive := completion.Adapt(test.completer)(nil, test.args, test.typed)
		if strings.Join(got, " ") != test.want || directive != test.directive {
			t.Errorf("%s: got %q, %d", name, got, directive)
		}
		if slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "\x1b") }) {
			t.Errorf("%s: a control character is offered", name)
		}
	}
}
