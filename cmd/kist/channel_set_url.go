package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
)

func (a *app) channelSetURLCommand() *cobra.Command {
	return a.Command(cli.Verb{
		Use: "set-url NAME URL", Short: "Fetch a channel from another place, with the keys it has",
		Long: `Changes where a channel that you added is fetched from. URL is as for channel add.
Its keys, threshold, tools and newest manifest seen stay: what the new place
serves is proved by them before anything is stored, so it must be the same
channel, and no older than what was seen.

To fetch a built-in channel from a mirror, name the mirror in config.toml.`,
		Example:   "kist channel set-url acme https://mirror.example/acme/\nkist channel set-url acme ./public -n",
		Exits:     []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		ExitMeans: map[int]string{3: "no such channel, or no manifest at that URL"},
		Args:      cli.Exactly(2),
		Complete:  completion.First(a.Offers().Added),
		Changes:   true,
		Run: a.WithSession(func(ctx context.Context, s *toolset.Set, args []string) (cli.Result, error) {
			cwd, err := os.Getwd()
			if err != nil {
				return nil, err
			}
			p, err := s.Desk.SetURL(ctx, args[0], args[1], cwd)
			if errors.Is(err, manifests.ErrInput) {
				return nil, failure.Usage("channel set-url: %v", err)
			}
			if err != nil {
				return nil, err
			}
			return channelMoved{shownChannel{s.Desk.DescribeProved(p)}, a.Flags.DryRun && !p.Existed, p.Existed}, nil
		}),
	})
}

// channelMoved is the result of channel set-url.
type channelMoved struct {
	shownChannel
	DryRun    bool `json:"dry_run,omitempty"`
	Unchanged bool `json:"unchanged,omitempty"` // the channel had that URL already
}

func (r channelMoved) Render(p *term.Page) {
	switch {
	case r.Unchanged:
		p.Line("channel %s has that URL already; nothing was changed", r.Name)
	case r.DryRun:
		p.Line("channel %s is proved at the new URL; nothing was stored", r.Name)
	default:
		p.Line("channel %s is now fetched from the new URL", r.Name)
	}
	r.shownChannel.Render(p)
}
