package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
)

func (a *app) cacheKeyCommand() *cobra.Command {
	var want plan.Parts
	var locked bool
	return a.Command(cli.Verb{
		Group: cli.Housekeeping, Use: "cache-key [TOOL…]", Short: "Print the key of a CI cache of toolchains",
		Long: `Prints one line that names a cache of what kist install TOOL… installs here, or,
without TOOL, of what the project asks for (kist project shows that). It is the
same as long as the tools, versions and parts asked for, the platform, the
distribution, the added channels that may answer, and the format in which kist
stores toolchains are the same.

The network is not used: a label, such as stable, or a version line, such as
1.25, has the same key when a newer release comes out. Exact versions do not
have that problem, nor has --locked, which names what kist.lock names.`,
		Example: "kist cache-key\nkist cache-key --locked\nkist cache-key go@=1.25.3 node@lts",
		Exits:   []int{0, 1, 2, 8, 9},
		Args:    cli.Between(0, 1000),
		Local:   true,
		Flags: func(f *pflag.FlagSet) {
			f.BoolVar(&locked, "locked", false, "the key of what the project's kist.lock names, without TOOL")
			f.StringArrayVarP(&want.Components, "component", "c", nil, "as for install (repeatable): `NAME`")
			f.StringArrayVarP(&want.Targets, "target", "t", nil, "as for install (repeatable): `TRIPLE`")
			f.StringVar(&want.Profile, "profile", "", "as for install: `PROFILE`")
		},
		Complete: a.Offers().Tools,
		Values: map[string]completion.Completer{
			"component": a.Offers().Components, "target": completion.Words(), "profile": completion.Words("minimal", "default", "complete"),
		},
		Run: func(ctx context.Context, args []string) (cli.Result, error) {
			if locked && (len(args)+len(want.Components)+len(want.Targets) > 0 || want.Profile != "") {
				return nil, failure.Usage("cache-key: --locked takes no TOOL and no parts: kist.lock names them")
			}
			var wants []toolset.Want
			var lock lockedTools
			var err error
			if locked {
				lock, err = a.lockedTools()
			} else {
				wants, err = a.wanted(args, want)
			}
			if err != nil {
				return nil, err
			}
			return a.WithSession(func(_ context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
				if locked {
					if wants, err = s.LockedWants(lock.path, lock.tools); err != nil {
						return nil, err
					}
				}
				key, err := s.CacheKey(wants)
				return cacheKeyResult{key}, err
			})(ctx, args)
		},
	})
}

type cacheKeyResult struct{ toolset.CacheKey }

func (r cacheKeyResult) Render(p *term.Page) { p.Line("%s", r.Key) }
