package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
)

func (a *app) channelSetURLCommand() *cobra.Command {
	return a.command(verb{
		use: "set-url NAME URL", short: "Fetch a channel from another place, with the keys it has",
		long: `Changes where a channel that you added is fetched from. URL is as for channel add.
Its keys, threshold, tools and newest manifest seen stay: what the new place
serves is proved by them before anything is stored, so it must be the same
channel, and no older than what was seen.

To fetch a built-in channel from a mirror, name the mirror in config.toml.`,
		example:   "kist channel set-url acme https://mirror.example/acme/\nkist channel set-url acme ./public -n",
		exits:     []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		exitMeans: map[int]string{3: "no such channel, or no manifest at that URL"},
		args:      exactly(2),
		complete:  completion.First(a.offers().Added),
		changes:   true,
		run: a.withSession(func(ctx context.Context, s *toolset.Set, args []string) (result, error) {
			cwd, err := os.Getwd()
			if err != nil {
				return nil, err
			}
			p, err := s.Desk.SetURL(ctx, args[0], args[1], cwd)
			if errors.Is(err, manifests.ErrInput) {
				return nil, usage("channel set-url: %v", err)
			}
			if err != nil {
				return nil, err
			}
			return channelMoved{shownChannel{s.Desk.DescribeProved(p)}, a.flags.dryRun && !p.Existed, p.Existed}, nil
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
