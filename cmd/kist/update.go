package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) updateCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "update [TOOL…]", Aliases: []string{"upgrade"},
		Short: "Update toolchains to the newest release of what you requested",
		Long: `Updates each TOOL (default: all) to the newest release of what you asked for: go
follows stable, go@1.25 the newest 1.25.x. The new release replaces the old one,
also as the default; kist rollback returns to the old one, which stays on disk. What
was replaced before that is removed (keep in config.toml says how many stay). A toolchain that you
installed by its exact version is not updated, and no update goes to an older
release, or from a release to a pre-release. A channel that cannot be reached or
trusted is left out with a warning, and the others are updated; the exit code is
then that of the worst failure.`,
		Example:     "kist update\nkist update go\nkist update -n",
		Exits:       []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		Args:        cli.Between(0, 1000),
		Changes:     true,
		MayOnlyRead: true,
		Fetches:     true,
		FromBundle:  true,
		Complete:    a.Offers().Installed,
		Run: a.WithTools(func(ctx context.Context, s *toolset.Set, refs []trust.Ref) (cli.Result, error) {
			r, err := a.Maker(s).Update(ctx, refs)
			if r == nil {
				return nil, err
			}
			a.Changed = r.Changed()
			return r, err
		}),
	})
}
