package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) outdatedCommand() *cobra.Command {
	var exitCode bool
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "outdated [TOOL…]",
		Short: "List tools that kist update would change",
		Long: `Asks the channel of each TOOL (default: all) for the newest release of what you
asked for, and lists the tools that kist update would change. Nothing is changed.
A toolchain that you installed by its exact version is never outdated. A channel
that cannot be reached or trusted is left out with a warning; the exit code is then
that of the worst failure.`,
		Example: "kist outdated\nkist outdated go\nkist outdated --exit-code --json",
		Exits:   []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100},
		Args:    cli.Between(0, 1000),
		Flags: func(f *pflag.FlagSet) {
			f.BoolVar(&exitCode, "exit-code", false, "exit with 100 if anything is outdated")
		},
		Complete: a.Offers().Installed,
		Run: a.WithTools(func(ctx context.Context, s *toolset.Set, refs []trust.Ref) (cli.Result, error) {
			r, err := a.Maker(s).Outdated(ctx, refs)
			switch {
			case r == nil:
				return nil, err
			case err != nil:
				return r, err
			case exitCode && len(r.Tools) > 0:
				return r, failure.New("outdated", term.Count(len(r.Tools), "toolchain")+" could be updated")
			}
			return r, nil
		}),
	})
}
