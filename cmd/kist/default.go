package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) defaultCommand() *cobra.Command {
	return a.command(verb{
		group: toolchains, use: "default TOOL@VERSION",
		short: "Choose the version the commands lead to",
		long: `Makes an installed version the default: its commands become links in the bin
directory. It may be in another store that config.toml names.`,
		example:     "kist default go@1.25\nkist default acme/zig@0.14.0",
		exits:       []int{0, 2, 3, 7, 8, 9},
		exitMeans:   map[int]string{3: "not installed"},
		args:        exactly(1),
		changes:     true,
		mayOnlyRead: true,
		complete:    completion.First(a.offers().Installed),
		run: a.withTools(func(ctx context.Context, s *toolset.Set, refs []trust.Ref) (result, error) {
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
			return a.change(ctx, s, s.ToDefault(r), nil)
		}),
	})
}

func (a *app) rollbackCommand() *cobra.Command {
	return a.command(verb{
		group: toolchains, use: "rollback",
		short: "Undo the last change",
		long: `Returns to the previous generation: its toolchains, defaults and links. What was
uninstalled does not come back, because its files are gone.`,
		example:   "kist rollback -n\nkist rollback",
		exits:     []int{0, 2, 3, 7, 8, 9},
		exitMeans: map[int]string{3: "there is no earlier state"},
		args:      exactly(0),
		changes:   true,
		run: a.withSession(func(ctx context.Context, s *toolset.Set, _ []string) (result, error) {
			return a.change(ctx, s, plan.Change{Rollback: true}, nil)
		}),
	})
}
