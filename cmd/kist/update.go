package main

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
)

func (a *app) updateCommand() *cobra.Command {
	return a.command(verb{
		group: toolchains, use: "update [TOOL…]",
		short: "Bring toolchains to the newest release of what they were asked for",
		long: `Asks the channel of each TOOL, or of everything installed, what the label or the
beginning of a version that it was installed by means now, and installs that. The
new release takes the old one's place, as the default if it was that; kist
rollback returns to the old one. What was asked for by an exact version stays.
All of them are updated, or none.`,
		example:  "kist update go",
		exits:    []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		args:     between(0, 1000),
		changes:  true,
		fetches:  true,
		complete: a.completeInstalled,
		run: func(ctx context.Context, args []string) (result, error) {
			refs, err := parseTools(args)
			if err != nil {
				return nil, err
			}
			s, err := a.open(ctx)
			if err != nil {
				return nil, err
			}
			defer s.Close()
			return a.update(ctx, s, refs)
		},
	})
}

// An updateResult is what update did, or with --dry-run would do.
type updateResult struct {
	changeResult
	Updated  []outdatedTool  `json:"updated"`
	UpToDate []installedTool `json:"up_to_date,omitempty"`
	Pinned   []installedTool `json:"pinned,omitempty"` // asked for by an exact version
}

func (r updateResult) text(p *page) {
	for _, t := range r.UpToDate {
		p.line("%s %s · channel %s · up to date", t.Tool, t.Version, t.Channel)
	}
	for _, t := range r.Pinned {
		p.line("%s %s · channel %s · stays: it was asked for by its exact version", t.Tool, t.Version, t.Channel)
	}
	done := "updated"
	if r.DryRun {
		done = "would update"
	}
	for _, t := range r.Updated {
		p.line("%s %s/%s from %s to %s", done, t.Channel, t.Tool, t.Installed, t.Newest)
	}
	r.changeResult.text(p)
}

func (a *app) update(ctx context.Context, s *session, refs []toolRef) (result, error) {
	chosen, err := s.chosen(refs)
	if err != nil {
		return nil, err
	}
	r := updateResult{Updated: []outdatedTool{}}
	var c plan.Change
	for _, have := range chosen {
		next, err := a.newest(ctx, s, have)
		switch {
		case len(refs) == 0 && a.left(have, err):
			continue
		case err != nil:
			return nil, err
		case stays(have):
			r.Pinned = append(r.Pinned, s.describe(have))
		case next.Version == have.Version:
			r.UpToDate = append(r.UpToDate, s.describe(have))
		default:
			r.Updated = append(r.Updated, outdated(have, next))
			c.Update = append(c.Update, plan.Update{ID: have.ID, Release: next})
		}
	}
	if len(refs) == 0 { // what was not named is worth no line
		r.UpToDate, r.Pinned = nil, nil
		if len(r.Updated) == 0 {
			a.say("everything is up to date")
		}
	}
	done, err := a.change(ctx, s, c, nil)
	changed, ok := done.(changeResult)
	if !ok {
		return nil, err
	}
	r.changeResult = changed
	return r, err
}

// chosen returns the installed releases that refs mean, each once; all without refs.
func (s *session) chosen(refs []toolRef) (list []record.Head, err error) {
	if len(refs) == 0 {
		return s.state.Installed(), nil
	}
	for _, ref := range refs {
		found, err := s.matching(ref)
		if err != nil {
			return nil, err
		}
		for _, have := range found {
			if !slices.ContainsFunc(list, func(r record.Head) bool { return r.ID == have.ID }) {
				list = append(list, have)
			}
		}
	}
	return list, nil
}

// left reports whether have, which nobody named, has no channel to ask any more,
// and says so: the user removed it.
func (a *app) left(have record.Head, err error) bool {
	var unknown *channels.UnknownChannelError
	if !errors.As(err, &unknown) {
		return false
	}
	a.warn("%s stays: channel %s was removed", have.Ref(), have.Channel)
	return true
}

// stays reports whether have was asked for by its exact version.
func stays(have record.Head) bool { return have.Requested == have.Version }

// newest asks the channel of have what it was asked for by means now. It is have's
// own version where that is still the newest, for a pinned one without asking.
func (a *app) newest(ctx context.Context, s *session, have record.Head) (manifests.Release, error) {
	same := manifests.Release{Channel: have.Channel, Tool: have.Tool, Version: have.Version}
	if stays(have) {
		return same, nil
	}
	o, err := a.namedOrigin(ctx, s, have.Channel)
	if err != nil {
		return same, err
	}
	q := manifests.Request{Tool: have.Tool, Version: have.Requested, Platform: have.Platform, Distro: a.Distro(), Glibc: a.Glibc(), Components: have.Components, Profile: have.Profile}
	a.detail("asking channel %s for %s", o.Name, toolRef{have.Channel, have.Tool, have.Requested})
	cat, err := a.fetch(ctx, s, o, q)
	if err != nil {
		return same, err
	}
	next, err := s.Release(cat, o.Channel, q)
	if err != nil {
		return same, err
	}
	if slices.Contains(next.Evidence.Notes, manifests.Unsigned) && !newer(next.Version, have.Version, cat.Versions(have.Tool)) {
		if next.Version != have.Version {
			a.warn("channel %s names %s %s, which is not newer than the installed %s; the list that says so is unsigned, so it is not followed",
				have.Channel, have.Tool, next.Version, have.Version)
		}
		return same, nil
	}
	return next, nil
}

// newer reports whether version comes after than, by their places in list, newest
// first, or if one of the two is missing there, by their numbers.
func newer(version, than string, list []manifests.Version) bool {
	at := func(v string) int {
		return slices.IndexFunc(list, func(have manifests.Version) bool { return have.Version == v })
	}
	if i, j := at(version), at(than); i >= 0 && j >= 0 {
		return i < j
	}
	order, ok := manifests.CompareVersions(version, than)
	return ok && order > 0
}
