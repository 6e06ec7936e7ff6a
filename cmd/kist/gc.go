package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/namedfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/projectfiles"
	"github.com/kist-tools/kist/cmd/kist/internal/upkeeptext"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/install/upkeep"
	"github.com/kist-tools/kist/manifests/config"
)

func (a *app) gcCommand() *cobra.Command {
	var olderThan string
	var keepPinned bool
	return a.Command(cli.Verb{
		Group: cli.Housekeeping, Use: "gc",
		Short: "Remove releases that only older generations hold",
		Long: `Removes the releases that updates replaced and that nothing needs, with every
rule of kist uninstall: files that were changed or added stay. What kist list shows
stays, and so does what is needed by any project in which you ran kist install, as
long as its directory exists. kist rollback cannot return to what was removed.

The last use of a release is known to the day: when it was installed, when kist
started it, or when a newer release replaced it. Commands started by their links or
paths are not seen. kist list --all shows the releases, and docs/upkeep.md says more.`,
		Example: "kist gc -n\nkist gc\nkist gc --older-than 30d",
		Exits:   []int{0, 1, 2, 7, 8, 9, 10},
		Args:    cli.Exactly(0),
		Changes: true,
		Local:   true,
		Flags: func(f *pflag.FlagSet) {
			f.StringVar(&olderThan, "older-than", "", "only what was last used more than `DURATION` ago, such as 30d, 2w or 12h")
			f.BoolVar(&keepPinned, "keep-pinned", false, "keep what was installed by its exact version")
		},
		Run: func(ctx context.Context, _ []string) (cli.Result, error) {
			age, err := parseAge("gc", olderThan)
			if err != nil {
				return nil, err
			}
			return a.WithSession(func(ctx context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
				projects, err := s.SeenProjects()
				if err != nil {
					return nil, err
				}
				return a.collect(ctx, upkeep.Collector{
					Set: s, Now: a.Started, OlderThan: age, KeepPinned: keepPinned, Projects: projects, Asks: a.asksOf,
				})
			})(ctx, nil)
		},
	})
}

// parseAge parses the value of --older-than: 0 if it is not given.
func parseAge(verb, text string) (age time.Duration, err error) {
	if text == "" {
		return 0, nil
	}
	if age, err = config.ParseAge(text); err != nil {
		err = failure.Usage("%s: --older-than: %v", verb, err)
	}
	return age, err
}

// asksOf returns what the project in dir asks for, and what its kist.lock names.
func (a *app) asksOf(dir string) ([]toolset.Want, error) {
	p, err := namedfiles.FindProject(dir, a.Getenv("HOME"), a.Host)
	if err != nil {
		return nil, err
	}
	return projectfiles.Asks(p)
}

func (a *app) collect(ctx context.Context, c upkeep.Collector) (cli.Result, error) {
	all, err := c.Releases()
	if err != nil {
		return nil, err
	}
	r := upkeeptext.Collected{Collected: []upkeeptext.OlderRelease{}, Stay: []upkeeptext.OlderRelease{}}
	var free plan.Change
	for _, one := range all {
		described := upkeeptext.NewOlderRelease(one, c.Prefix(one.ID))
		if one.Why != "" {
			r.Stay = append(r.Stay, described)
			continue
		}
		r.Collected = append(r.Collected, described)
		free.Free = append(free.Free, one.ID)
	}
	if len(free.Free) == 0 {
		a.Say("nothing to remove")
	}
	done, err := a.Maker(c.Set).Make(ctx, free, nil, &r.Result)
	if !done {
		return nil, err
	}
	return r, err
}
