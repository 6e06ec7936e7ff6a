package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/healthtext"
	"github.com/kist-tools/kist/install/health"
)

func (a *app) doctorCommand() *cobra.Command {
	var network bool
	return a.Command(cli.Verb{
		Group: cli.Housekeeping, Use: "doctor", Short: "Find out what is wrong, and how to fix it",
		Long: `Looks at kist's directories and their owners, at links, locks and what an
interrupted change left, at PATH and what hides kist's commands there, at disk
space, the clock, settings, policies, keys, the cache and the sandbox. Each finding
says what is wrong, why it matters, and which command fixes it. A problem keeps
something from working, or is not safe; a warning is about what works, but not as
expected. Nothing is changed.

With --network it also asks the servers of the channels in use, each for at most
10 seconds. Files of toolchains are not read: kist verify does that.`,
		Example:   "kist doctor\nkist doctor --network",
		Exits:     []int{0, 1, 2},
		ExitMeans: map[int]string{0: "nothing was found", 1: "something was found, or the command failed"},
		Args:      cli.Exactly(0),
		Flags: func(f *pflag.FlagSet) {
			f.BoolVar(&network, "network", false, "ask the servers of the channels in use, too")
		},
		Run: func(ctx context.Context, _ []string) (cli.Result, error) {
			if network && a.Flags.Offline {
				return nil, failure.Usage("doctor: --network needs the network, which --offline forbids")
			}
			return a.examine(ctx, network)
		},
	})
}

func (a *app) examine(ctx context.Context, network bool) (cli.Result, error) {
	a.NoWarnings = true // the findings say more
	a.Flags.DryRun = true
	s, damaged, err := a.OpenAnyway(ctx)
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	from := health.Source{
		OS: a.Platform.OS, Now: a.Started, Dirs: a.Dirs, User: a.Host, Getenv: a.Getenv, Path: a.SearchPath(), Child: a.Child,
		Set: s, Err: errors.Join(err, damaged), CacheMax: a.CacheMaxSize(),
	}
	if s != nil {
		defer s.Close()
		from.Ask = s.Desk.Transport
	}
	r := healthtext.Report{Report: health.Examine(ctx, from.Host(), network)}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if found := r.Summary(); found != "" {
		return r, failure.New("findings", found)
	}
	a.Say("no problems found")
	return r, nil
}
