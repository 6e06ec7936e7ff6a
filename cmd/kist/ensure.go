package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) ensureCommand() *cobra.Command {
	var prefer []string
	return a.Command(cli.Verb{
		Group: cli.Toolchains, Use: "ensure 'TOOL>=V'",
		Short: "Find a tool that is new enough, or get it",
		Long: `Finds a version that satisfies the requirement and prints where it is: first the
system's command on PATH, then an installed toolchain, then what a channel that
you added from a directory of this machine has, which is then installed. If none
does, the exit code is 3.

--prefer names the places to look in first, in order: system, installed and
network. Only if network is named may kist fetch, and it then installs what the
channel calls stable, as kist install does, if that is new enough.

Quote 'TOOL>=V', or the shell treats > as a redirection. TOOL@V asks
for a version as kist install does. system/TOOL is only the system's, and
CHANNEL/TOOL only that channel's.`,
		Example: "kist ensure 'rust>=1.63'\nkist ensure 'rust>=1.63' --prefer system,installed,network\nkist ensure go@1.25 --prefer installed",
		Exits:   []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		Args:    cli.Exactly(1),
		Changes: true, MayOnlyRead: true, ReadsDamaged: true,
		Fetches: true,
		Flags: func(f *pflag.FlagSet) {
			f.StringSliceVar(&prefer, "prefer", nil, "look first in `PLACES`: of system, installed and network, with commas; default: system,installed")
		},
		Complete: completion.First(a.Offers().Demanded),
		Values:   map[string]completion.Completer{"prefer": completion.List(completion.Words(toolset.System, toolset.Installed, toolset.Network))},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			d, err := trust.ParseDemand(args[0])
			if err != nil {
				return nil, err
			}
			places, err := toolset.Places(prefer)
			if err != nil {
				return nil, failure.Usage("ensure: --prefer %v", err)
			}
			s, err := a.Open(ctx)
			if err != nil {
				return nil, err
			}
			defer s.Close()
			return a.ensure(ctx, s, d, places)
		},
	})
}

// An ensureResult is the tool that satisfies the demand.
type ensureResult struct {
	toolset.Found
	// Change tells what was installed, or with --dry-run would be.
	Change *change.Result `json:"change,omitempty"`
}

func (r ensureResult) Render(p *term.Page) {
	if r.Change != nil {
		r.Change.Render(p)
	}
	if r.Path != "" {
		p.Line("%s %s · channel %s · %s", r.Tool, r.Version, r.Channel, r.Path)
	}
}

func (a *app) ensure(ctx context.Context, s *toolset.Set, d trust.Demand, places []string) (cli.Result, error) {
	var r ensureResult
	search := toolset.Search{
		Set: s, Demand: d, Path: a.SearchPath(), Ask: a.Ask, Environ: a.Environ, Absent: absent,
		Install: func(ctx context.Context, release manifests.Release) (done bool, err error) {
			var made change.Result
			if done, err = a.Maker(s).Make(ctx, plan.Change{Install: []manifests.Release{release}}, nil, &made); done {
				r.Change = &made
			}
			return done, err
		},
	}
	found, err := search.Run(ctx, places)
	if found == nil {
		return nil, err
	}
	r.Found = *found
	return r, err
}

// absent reports whether err only means that a place lacks the tool or cannot be
// reached.
func absent(err error) bool {
	v := failure.KindOf(err).Verdict
	return v == failure.Lacking || v == failure.Unreachable
}
