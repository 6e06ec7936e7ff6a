package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/completion"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install/toolset"
)

func (a *app) channelRefreshCommand() *cobra.Command {
	var keys []string
	return a.Command(cli.Verb{
		Use: "refresh NAME [--key FILE…]", Short: "Prove a channel again; recreate its lost mark or merge newer keys",
		Long: `Fetches and proves the channel's manifest. Where the mark of the newest manifest
seen was lost or damaged, it is recreated, with a message. With --key, a newer
copy of a pinned key (a later expiry, a new subkey, a revocation) is merged into
the one known, also of a built-in channel; a different primary key is never accepted.`,
		Example:   "kist channel refresh acme\nkist channel refresh acme --key acme-2027.asc",
		Exits:     []int{0, 2, 3, 4, 5, 6, 7, 8, 9},
		ExitMeans: map[int]string{3: "no such channel"},
		Args:      cli.Exactly(1),
		Complete:  completion.First(a.Offers().Refreshable),
		Changes:   true,
		Flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&keys, "key", nil, "a `FILE` with a newer copy of a pinned key (repeatable)")
		},
		Run: a.WithSession(func(ctx context.Context, s *toolset.Set, args []string) (cli.Result, error) {
			p, err := s.Desk.Refresh(ctx, args[0], keysIn(keys))
			if err != nil {
				return nil, err
			}
			return channelRefreshed{shownChannel{s.Desk.DescribeProved(p)}, a.Flags.DryRun, p.Recreated, p.NewKeys, p.Newer}, nil
		}),
	})
}

// channelRefreshed is the result of channel refresh.
type channelRefreshed struct {
	shownChannel
	DryRun   bool `json:"dry_run,omitempty"`
	Renewed  bool `json:"mark_renewed,omitempty"` // the mark was lost or damaged
	NewKeys  bool `json:"keys_merged,omitempty"`
	NewsSeen bool `json:"newer_manifest,omitempty"`
}

func (r channelRefreshed) Render(p *term.Page) {
	if r.Renewed {
		p.Line("the mark of channel %s was lost or damaged; it was recreated from the manifest just proved", r.Name)
	}
	if r.NewKeys {
		p.Line("stored the newer keys")
	}
	switch {
	case r.DryRun:
		p.Line("channel %s is proved; nothing was stored", r.Name)
	case r.NewsSeen:
		p.Line("channel %s has a newer manifest", r.Name)
	default:
		p.Line("the manifest of channel %s has not changed", r.Name)
	}
	r.shownChannel.Render(p)
}
