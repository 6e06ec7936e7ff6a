package main

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/upstreams"
)

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	var cmd *cobra.Command
	cmd = a.command(verb{
		group: housekeeping, use: "completion bash|zsh|fish|powershell",
		short: "Print completions for a shell",
		long: `Prints a script that completes kist's command line. Load it from your shell's
start-up file, or store it where your shell looks for completions.`,
		example:  "source <(kist completion bash)",
		exits:    []int{0, 2},
		args:     exactly(1),
		plain:    true,
		complete: func(string) []string { return shells },
		run: func(_ context.Context, args []string) (result, error) {
			var script bytes.Buffer
			var err error
			switch root := cmd.Root(); args[0] {
			case "bash":
				err = root.GenBashCompletionV2(&script, true)
			case "zsh":
				err = root.GenZshCompletion(&script)
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

func (r scriptResult) text(p *page) { p.raw(string(r)) }

// completeInstalled offers what is installed, completeTools what kist can
// install besides. Completion reads and never asks the network; whatever goes
// wrong, it offers less.
func (a *app) completeInstalled(typed string) []string {
	var names []string
	for _, r := range a.peek() {
		names = append(names, r.Tool, r.Tool+"@"+r.Version)
	}
	return offer(names, typed)
}

func (a *app) completeTools(typed string) []string {
	names := builtinTools()
	for _, r := range a.peek() {
		names = append(names, r.Tool)
	}
	return offer(names, typed)
}

func (a *app) completeChannels(typed string) []string {
	names := upstreams.Names()
	s, err := a.open(context.Background())
	if err != nil {
		return offer(names, typed)
	}
	defer s.Close()
	if st, ok, err := s.store(); ok && err == nil {
		added, _ := st.List()
		for _, c := range added {
			names = append(names, c.Name)
		}
	}
	return offer(names, typed)
}

func offer(names []string, typed string) []string {
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, typed) })
	slices.Sort(names)
	return slices.Compact(names)
}

func (a *app) peek() []record.Head {
	s, err := a.open(context.Background())
	if err != nil {
		return nil
	}
	defer s.Close()
	return s.state.Installed()
}
