package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func (a *app) channelRefreshCommand() *cobra.Command {
	var keys []string
	return a.command(verb{
		use: "refresh NAME [--key FILE…]", short: "Prove a channel again; recreate its lost mark or merge newer keys",
		long: `Fetches and proves the channel's manifest. Where the mark of the newest manifest
seen was lost or damaged, it is recreated, with a message. With --key, a newer
copy of a pinned key (a later expiry, a new subkey, a revocation) is merged into
the one known, also of a built-in channel; a different primary key is never accepted.`,
		example:  "kist channel refresh acme --key acme-2027.asc",
		exits:    []int{0, 2, 3, 4, 5, 6, 7, 8, 9},
		args:     exactly(1),
		complete: firstOnly(a.completeRefreshed),
		changes:  true,
		flags: func(f *pflag.FlagSet) {
			f.StringArrayVar(&keys, "key", nil, "a `FILE` with a newer copy of a pinned key (repeatable)")
		},
		run: func(ctx context.Context, args []string) (result, error) {
			s, err := a.open(ctx)
			if err != nil {
				return nil, err
			}
			defer s.Close()
			return a.channelRefresh(ctx, s, args[0], keys)
		},
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

func (r channelRefreshed) text(p *page) {
	if r.Renewed {
		p.line("the mark of channel %s was lost or damaged; it was recreated from the manifest just proved", r.Name)
	}
	if r.NewKeys {
		p.line("stored the newer keys")
	}
	switch {
	case r.DryRun:
		p.line("channel %s is proved; nothing was stored", r.Name)
	case r.NewsSeen:
		p.line("channel %s has a newer manifest", r.Name)
	default:
		p.line("the manifest of channel %s has not changed", r.Name)
	}
	r.shownChannel.text(p)
}

func (a *app) channelRefresh(ctx context.Context, s *session, name string, keyFiles []string) (result, error) {
	o, err := a.namedOrigin(ctx, s, name)
	if err != nil {
		return nil, err
	}
	r := channelRefreshed{DryRun: a.flags.dryRun}
	var builtin *verify.Keyring // newer copies of the keys of a built-in channel
	if len(keyFiles) > 0 && o.added == nil {
		if o, builtin, err = a.renewBuiltin(ctx, s, name, keyFiles); err != nil {
			return nil, err
		}
		r.NewKeys = true
	} else if len(keyFiles) > 0 {
		had := o.keys
		if o, err = a.mergeKeys(s, o, keyFiles); err != nil {
			return nil, err
		}
		r.NewKeys = !slices.EqualFunc(had.Export(), o.keys.Export(), bytes.Equal)
	}
	_, err = s.Mark(o.Channel)
	var lost *verify.MarkError
	r.Renewed = errors.As(err, &lost)
	if err != nil && !r.Renewed {
		return nil, err
	}
	requests := []manifests.Request{a.request(toolRef{Name: o.tool})} // a built-in upstream proves one release
	if o.added != nil {
		requests = o.proofs(a.request(toolRef{}))
	}
	store := r.NewKeys
	for n, q := range requests {
		t, keep, err := a.documents(s, o, q)
		if err != nil {
			return nil, err
		}
		switch {
		case n > 0:
		case r.Renewed: // without a mark, nothing is stored before everything is proved
			var news bool
			o, news, err = a.rotate(ctx, s, t, o)
			store = store || news
		default:
			o, err = a.rotated(ctx, s, t, o)
		}
		if err != nil {
			return nil, err
		}
		cat, was, err := s.Renew(ctx, t, o.Channel, q)
		if err != nil {
			return nil, err
		}
		mark := cat.Mark()
		r.NewsSeen = r.NewsSeen || !r.Renewed && !mark.Same(was)
		r.shownChannel = a.shown(s, o, &mark)
		if a.flags.dryRun {
			continue
		}
		if err := keep(); err != nil {
			return nil, err
		}
	}
	switch {
	case a.flags.dryRun || !store:
	case o.added == nil:
		return r, s.rememberBuiltin(ctx, builtin)
	default:
		return r, s.remember(ctx, *o.added, o.keys)
	}
	return r, nil
}

// mergeKeys returns o with newer copies of its keys. The pins do not change, so a new
// subkey must be bound by a signature that is strong enough by itself.
func (a *app) mergeKeys(s *session, o origin, keyFiles []string) (origin, error) {
	newer, err := openKeys(keyFiles)
	if err != nil {
		return o, err
	}
	merged, err := o.keys.Merge(newer)
	if err != nil {
		return o, fmt.Errorf("channel %s: %w", o.Name, err)
	}
	if err := a.lint(merged); err != nil {
		return o, err
	}
	return a.bind(s, *o.added, merged)
}
