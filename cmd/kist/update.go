package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/debian"
)

func (a *app) updateCommand() *cobra.Command {
	return a.command(verb{
		group: toolchains, use: "update [TOOL…]",
		short: "Bring toolchains to the newest release of what they were asked for",
		long: `Asks the channel of each TOOL, or of everything installed, what the label or the
beginning of a version that it was installed by means now, and installs that. The
new release takes the old one's place, as the default if it was that; kist
rollback returns to the old one. What was asked for by an exact version stays, and
nothing goes to an older release, or from a release to a pre-release. All of them
are updated, or none.`,
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

// stays reports whether have was asked for by its exact version. One or two numbers
// are no exact version, but the line of all releases that begin so.
func stays(have record.Head) bool {
	_, exact := manifests.ExactVersion(have.Requested)
	return exact || have.Requested == have.Version && !manifests.IsVersionLine(have.Version)
}

// newest asks the channel of have what it was asked for by means now. It is have's
// own version where nothing newer is meant, for a pinned one without asking.
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
	if isUnknownVersion(err) && have.Requested == have.Version { // the only one of its line, and withdrawn
		return same, nil
	}
	if err != nil {
		return same, err
	}
	if why := heldBack(have, next, cat.Versions(have.Tool)); why != "" {
		a.warn("channel %s names %s %s, %s", have.Channel, next.Tool, next.Version, why)
		return same, nil
	}
	return next, nil
}

// heldBack is why update does not follow what the channel of have names now, empty
// where it does: nobody is taken to an older release, or from a release to a
// pre-release, who did not ask for it by a label that the channel has. list is what
// the channel offers, newest first.
func heldBack(have record.Head, next manifests.Release, list []manifests.Version) string {
	if next.Version == have.Version {
		return ""
	}
	order := compareReleases(have, next, list)
	// The labels of a distribution's release are beginnings of its version.
	labelled := have.Requested != "" && slices.Contains(next.Labels, have.Requested) && !fromDistro(next)
	switch {
	case order <= 0 && slices.Contains(next.Evidence.Notes, manifests.Unsigned):
		return fmt.Sprintf("which is not newer than the installed %s; the list that says so is unsigned, so it is not followed", have.Version)
	case labelled:
	case order < 0:
		return "which is older than the installed " + have.Version
	case fromDistro(next) || slices.Contains(next.Labels, manifests.Stable):
	case manifests.Prerelease(next.Version) && !manifests.Prerelease(have.Version):
		return fmt.Sprintf("which is a pre-release, and the installed %s is none", have.Version)
	}
	return ""
}

// compareReleases orders next and have as cmp.Compare does: by the order of their
// versions, which a distribution has of its own, and where that has no place for
// them by their places in list.
func compareReleases(have record.Head, next manifests.Release, list []manifests.Version) int {
	if fromDistro(next) {
		return debian.Compare(next.Version, have.Version)
	}
	at := func(v string) int {
		return slices.IndexFunc(list, func(have manifests.Version) bool { return have.Version == v })
	}
	if order := manifests.CompareVersions(next.Version, have.Version); order != 0 {
		return order
	}
	if i, j := at(next.Version), at(have.Version); i >= 0 && j >= 0 {
		return j - i
	}
	return 0
}

// fromDistro reports whether a distribution's indices name r.
func fromDistro(r manifests.Release) bool { return debian.IsIndex(r.Evidence.Name) }
