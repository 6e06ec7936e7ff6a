package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) defaultCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "default TOOL@VERSION",
		Short: "Choose the version the commands lead to",
		Long: `Makes an installed version the default: its commands become links in the bin
directory. It may be in another store that config.toml names.`,
		Example:     "kist default go@1.25\nkist default acme/zig@0.14.0",
		Exits:       []int{0, 2, 3, 7, 8, 9},
		ExitMeans:   map[int]string{3: "not installed"},
		Args:        cli.Exactly(1),
		Changes:     true,
		MayOnlyRead: true,
		Complete:    completion.First(a.Offers().Installed),
		Run: a.WithTools(func(ctx context.Context, s *toolset.Set, refs []trust.Ref) (cli.Result, error) {
			r, err := s.Named(refs[0])
			if err != nil {
				return nil, err
			}
			if missing := s.MissingAt(r, ""); missing != nil {
				return nil, missing
			}
			if s.IsOwnDefault(r) {
				a.Say("%s is already the default", r.Ref())
			}
			return a.Change(ctx, s, s.ToDefault(r), nil)
		}),
	})
}

func (a *app) rollbackCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "rollback",
		Short: "Undo the last change",
		Long: `Returns to the previous generation: its toolchains, defaults and links. What was
uninstalled does not come back, because its files are gone. kist update keeps the
release that each tool had before; list --all shows what is left to return to.`,
		Example:   "kist rollback -n\nkist rollback",
		Exits:     []int{0, 2, 3, 7, 8, 9},
		ExitMeans: map[int]string{3: "there is no earlier state"},
		Args:      cli.Exactly(0),
		Changes:   true,
		Run: a.WithSession(func(ctx context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
			return a.Change(ctx, s, plan.Change{Rollback: true}, nil)
		}),
	})
}
