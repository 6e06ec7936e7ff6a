package main

import (
	"bytes"
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
)

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	var cmd *cobra.Command
	cmd = a.command(verb{
		group: housekeeping, use: "completion bash|zsh|fish|powershell",
		short: "Print completions for a shell",
		long: `Prints a script that completes kist's command line. Load it from your shell's
start-up file, or store it where your shell looks for completions. It needs no
package for bash; in zsh, compinit must run, before or after it.`,
		example: `source <(kist completion bash)    # in ~/.bashrc
source <(kist completion zsh)     # in ~/.zshrc
kist completion fish | source     # in ~/.config/fish/config.fish`,
		exits:    []int{0, 2},
		args:     exactly(1),
		plain:    true,
		complete: completion.First(completion.Words(shells...)),
		run: func(_ context.Context, args []string) (result, error) {
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
				err = usage("completion: %q is not one of %s", args[0], strings.Join(shells, ", "))
			}
			return scriptResult(script.String()), err
		},
	})
	return cmd
}

// scriptResult is text for a shell.
type scriptResult string

func (r scriptResult) Render(p *term.Page) { p.Raw(string(r)) }
