package main

import (
	"bytes"
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
)

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	var cmd *cobra.Command
	cmd = a.Command(cli.Verb{
		Group: cli.Housekeeping, Use: "completion bash|zsh|fish|powershell",
		Short: "Print completions for a shell",
		Long: `Prints a script that completes kist's command line. Load it from your shell's
start-up file, or store it where your shell looks for completions. It needs no
package for bash; in zsh, compinit must run, before or after it.`,
		Example: `source <(kist completion bash)    # in ~/.bashrc
source <(kist completion zsh)     # in ~/.zshrc
kist completion fish | source     # in ~/.config/fish/config.fish`,
		Exits:    []int{0, 2},
		Args:     cli.Exactly(1),
		Plain:    true,
		Complete: completion.First(completion.Words(shells...)),
		Run: func(_ context.Context, args []string) (cli.Result, error) {
			var script bytes.Buffer
			var err error
			switch root := cmd.Root(); args[0] {
			case "bash":
				return scriptResult(completion.Bash), nil
			case "zsh":
				return scriptResult(completion.Zsh), nil
			case "fish":
				err = root.GenFishCompletion(&script, true)
			case "powershell":
				err = root.GenPowerShellCompletionWithDesc(&script)
			default:
				err = failure.Usage("completion: %q is not one of %s", args[0], strings.Join(shells, ", "))
			}
			return scriptResult(script.String()), err
		},
	})
	return cmd
}

// scriptResult is text for a shell.
type scriptResult string

func (r scriptResult) Render(p *term.Page) { p.Raw(string(r)) }
