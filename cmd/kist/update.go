package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) updateCommand() *cobra.Command {
	return a.command(verb{
		group: toolchains, use: "update [TOOL…]", aliases: []string{"upgrade"},
		short: "Update toolchains to the newest release of what you requested",
		long: `Updates each TOOL (default: all) to the newest release of what you asked for: go
follows stable, go@1.25 the newest 1.25.x. The new release replaces the old one,
also as the default; kist rollback returns to the old one. A toolchain that you
installed by its exact version is not updated, and no update goes to an older
release, or from a release to a pre-release. A channel that cannot be reached or
trusted is left out with a warning, and the others are updated; the exit code is
then that of the worst failure.`,
		example:     "kist update\nkist update go\nkist update -n",
		exits:       []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		args:        between(0, 1000),
		changes:     true,
		mayOnlyRead: true,
		fetches:     true,
		complete:    a.offers().Installed,
		run: a.withTools(func(ctx context.Context, s *toolset.Set, refs []trust.Ref) (result, error) {
			r, err := a.maker(s).Update(ctx, refs)
			if r == nil {
				return nil, err
			}
			a.changed = r.Changed()
			return r, err
		}),
	})
}
