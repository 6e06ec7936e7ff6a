package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/upkeeptext"
	"github.com/kist-tools/kist/install/cache"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/transport"
)

func (a *app) cacheCommand() *cobra.Command {
	var all bool
	var olderThan, maxSize string
	return a.Family(cli.Housekeeping, "cache", "Show and prune the cache of downloads",
		`The cache holds the archives that were downloaded, partial downloads, and the documents
that proved releases. All of it can be fetched again. kist verify --evidence does not
need it.`,
		a.Command(cli.Verb{
			Use: "list", Aliases: []string{"ls"}, Short: "Show what the cache holds",
			Long: `Shows the archives, the partial downloads and the documents in the cache, the oldest
first, and for each archive the installed release that came from it, if any.`,
			Example: "kist cache list\nkist cache list --json",
			Exits:   []int{0, 1, 2, 9},
			Args:    cli.Exactly(0),
			Local:   true,
			Run:     a.WithSession(a.listCache),
		}),
		a.Command(cli.Verb{
			Use: "prune", Short: "Remove downloads from the cache",
			Long: `Removes archives and partial downloads, and with --all also documents, without which
kist --offline cannot answer. It keeps what another kist is fetching, and files
that kist did not write. With --max-size it removes only the oldest, until the cache
is small enough; documents go last. cache-max-size in config.toml does that after
each install.`,
			Example: "kist cache prune\nkist cache prune --older-than 30d\nkist cache prune --all --max-size '500 MB'",
			Exits:   []int{0, 1, 2, 8, 9},
			Args:    cli.Exactly(0),
			Changes: true,
			Local:   true,
			Flags: func(f *pflag.FlagSet) {
				f.BoolVar(&all, "all", false, "documents too")
				f.StringVar(&olderThan, "older-than", "", "only what was written more than `DURATION` ago, such as 30d, 2w or 12h")
				f.StringVar(&maxSize, "max-size", "", "only the oldest, until the cache has at most `SIZE`, such as '500 MB'")
			},
			Run: func(ctx context.Context, _ []string) (cli.Result, error) {
				age, err := parseAge("cache prune", olderThan)
				if err != nil {
					return nil, err
				}
				rule := cache.Rule{Documents: all}
				if olderThan != "" {
					rule.Before = a.Started.Add(-age)
				}
				if maxSize != "" {
					size, err := config.ParseSize(maxSize)
					if err != nil {
						return nil, failure.Usage("cache prune: --max-size: %v", err)
					}
					rule.MaxSize = &size
				}
				return a.WithSession(func(ctx context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
					return a.pruneCache(ctx, s, rule)
				})(ctx, nil)
			},
		}))
}

func (a *app) listCache(_ context.Context, s *toolset.Set, _ []string) (cli.Result, error) {
	r := upkeeptext.Cache{Dir: filepath.Join(a.Dirs.Cache, "kist"), Items: []upkeeptext.CacheItem{}, MaxSize: a.CacheMaxSize()}
	root, err := s.Cache(false)
	if root == nil || err != nil {
		return r, err
	}
	items, err := cache.List(root)
	if err != nil {
		return nil, err
	}
	r.Items, r.Size = append(r.Items, upkeeptext.NewCacheItems(items, s.State.Receipts)...), cache.Size(items)
	return r, nil
}

func (a *app) pruneCache(ctx context.Context, s *toolset.Set, rule cache.Rule) (cli.Result, error) {
	r := upkeeptext.Pruned{DryRun: a.Flags.DryRun, Removed: []upkeeptext.CacheItem{}}
	root, err := s.Cache(false)
	if root == nil || err != nil {
		return r, err
	}
	items, err := cache.List(root)
	if err != nil {
		return nil, err
	}
	removed, kept := rule.Select(items), []cache.Item(nil)
	if !r.DryRun {
		removed, kept, err = cache.Remove(ctx, root, removed, transport.Owns, "kist cache prune")
	}
	a.Changed = len(removed) > 0 && !r.DryRun
	r.Removed = append(r.Removed, upkeeptext.NewCacheItems(removed, s.State.Receipts)...)
	r.Kept = upkeeptext.NewCacheItems(kept, s.State.Receipts)
	r.Freed = cache.Size(removed)
	r.Left = cache.Size(items) - r.Freed
	return r, err
}
