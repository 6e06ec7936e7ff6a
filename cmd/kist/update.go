package main

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) updateCommand() *cobra.Command {
	return a.command(verb{
		group: toolchains, use: "update [TOOL…]", aliases: []string{"upgrade"},
		short: "Update toolchains to the newest release of what you asked for",
		long: `Updates each TOOL (default: all) to the newest release of what you asked for: go
follows stable, go@1.25 the newest 1.25.x. The new release replaces the old one,
also as the default; kist rollback returns to the old one. A toolchain that you
installed by its exact version is not updated, and no update goes to an older
release, or from a release to a pre-release. A channel that cannot be reached or
trusted is left out with a warning, and the others are updated; the exit code is
then that of the gravest failure.`,
		example:  "kist update\nkist update go",
		exits:    []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		args:     between(0, 1000),
		changes:  true,
		fetches:  true,
		complete: a.completeInstalled,
		run: a.withTools(func(ctx context.Context, s *session, refs []trust.Ref) (result, error) {
			return a.update(ctx, s, refs)
		}),
	})
}

// An updateResult is what update did, or with --dry-run would do.
type updateResult struct {
	changeResult
	Updated  []outdatedTool  `json:"updated"`
	UpToDate []installedTool `json:"up_to_date,omitempty"`
	Pinned   []installedTool `json:"pinned,omitempty"` // requested by exact version
	Failed   []failedChannel `json:"failed,omitempty"` // channels that were left out
}

// replacedBy returns the index of the first of Updated that the release replaces, or -1.
func replacedBy(updated []outdatedTool, rel installedRelease) int {
	return slices.IndexFunc(updated, func(t outdatedTool) bool {
		return t.Channel == rel.Channel && t.Tool == rel.Tool && t.Newest == rel.Version
	})
}

func (r updateResult) text(p *term.Page) {
	for _, t := range r.UpToDate {
		p.Line("%s/%s@%s is up to date", t.Channel, t.Tool, t.Version)
	}
	for _, t := range r.Pinned {
		p.Line("%s/%s@%s was not updated: it was installed by its exact version", t.Channel, t.Tool, t.Version)
	}
	did := "Updated"
	if r.DryRun {
		did = "Would update"
	}
	told := map[int]bool{} // with the release that replaces them
	for _, rel := range r.Installed {
		told[replacedBy(r.Updated, rel)] = true
	}
	for i, t := range r.Updated {
		if !told[i] {
			p.Headline(did, "%s from %s to %s", t.Tool, t.Installed, t.Newest)
		}
	}
	r.updated = r.Updated
	r.changeResult.text(p)
}

func (a *app) update(ctx context.Context, s *session, refs []trust.Ref) (result, error) {
	chosen, err := s.selected(refs)
	if err != nil {
		return nil, err
	}
	r := updateResult{Updated: []outdatedTool{}}
	v := a.survey(s)
	var updates []update
	var lost []*install.MissingError
	for _, have := range chosen {
		missing := s.Missing(have)
		if len(refs) == 0 && a.warnChannelRemoved(s, have) {
			if missing != nil {
				lost = append(lost, missing)
			}
			continue
		}
		next, ok, err := v.newest(ctx, have)
		switch {
		case err != nil:
			return nil, err
		case missing != nil && (!ok || plan.IsPinned(have) || next.Version == have.Version):
			lost = append(lost, missing)
		case !ok:
		case plan.IsPinned(have):
			r.Pinned = append(r.Pinned, s.describe(have))
		case next.Version == have.Version:
			r.UpToDate = append(r.UpToDate, s.describe(have))
		default:
			updates = append(updates, update{have, next})
		}
	}
	if len(refs) == 0 { // report unchanged tools only if they were named
		r.UpToDate, r.Pinned = nil, nil
		if len(updates)+len(v.failed)+len(lost) == 0 {
			a.Say("everything is up to date")
		}
	}
	err = a.apply(ctx, v, updates, &r)
	_, unfinished := errors.AsType[*install.UnfinishedError](err)
	_, kept := errors.AsType[*keptError](err)
	r.Failed = v.failed
	changed := len(r.Updated) > 0 && !a.flags.dryRun
	switch {
	case err == nil, unfinished, kept:
	case changed: // some channels were updated before a failure of this machine
		return r, &channelsError{Failed: v.failed, Changed: true, gravest: err}
	default:
		return nil, err
	}
	skipped := v.end(changed)
	if skipped != nil && unfinished { // the hint of err matters more
		a.Warn("%v", skipped)
		skipped = nil
	}
	a.changed = changed
	return r, a.orMissing(cmp.Or(skipped, err), lost)
}

// An update is an installed release and the one that replaces it.
type update struct {
	have record.Head
	next manifests.Release
}

// apply installs updates: all at once, or, if the files of one channel cannot be
// fetched or verified, channel by channel.
func (a *app) apply(ctx context.Context, v *survey, updates []update, r *updateResult) error {
	done, err := a.applyAll(ctx, v.s, updates)
	byChannel := map[string][]update{}
	for _, u := range updates {
		byChannel[u.have.Channel] = append(byChannel[u.have.Channel], u)
	}
	if done != nil || ctx.Err() != nil || !isOfChannel(err) {
		r.add(done, updates)
		return err
	}
	var last error
	for _, channel := range slices.Sorted(maps.Keys(byChannel)) {
		part := byChannel[channel]
		failed := err
		if len(byChannel) > 1 {
			if done, failed = a.applyAll(ctx, v.s, part); done != nil {
				r.add(done, part)
				last = cmp.Or(last, failed)
				continue
			}
		}
		if ctx.Err() != nil || !isOfChannel(failed) {
			return failed
		}
		for _, u := range part {
			v.leaveOut(channel, u.have.Tool, failed)
		}
	}
	return last
}

// applyAll installs all updates in one change. done is nil if nothing was changed.
func (a *app) applyAll(ctx context.Context, s *session, updates []update) (done *changeResult, err error) {
	c := plan.Change{Follow: map[record.ID]string{}}
	for _, u := range updates {
		c.Update = append(c.Update, plan.Update{ID: u.have.ID, Release: u.next})
		// What is installed by its number already goes on for both.
		if held, ok := s.holds(u.next); ok && held.Requested == held.Version && plan.Follows(held, u.have.Requested) {
			c.Follow[held.ID] = u.have.Requested
		}
	}
	r, err := a.change(ctx, s, c, nil)
	if changed, ok := r.(changeResult); ok {
		return &changed, err
	}
	return nil, err
}

// add adds the result of one change to r.
func (r *updateResult) add(done *changeResult, updates []update) {
	if done == nil {
		return
	}
	for _, u := range updates {
		r.Updated = append(r.Updated, outdated(u.have, u.next))
	}
	have := r.changeResult
	r.changeResult = *done
	r.Installed = append(have.Installed, done.Installed...)
	r.Removed = append(have.Removed, done.Removed...)
	r.Reduced = append(have.Reduced, done.Reduced...)
	r.Commands = append(have.Commands, done.Commands...)
	r.Patterns = append(have.Patterns, done.Patterns...)
	r.Follows = append(have.Follows, done.Follows...)
	r.Hides = append(have.Hides, done.Hides...)
	r.Skipped = append(have.Skipped, done.Skipped...)
	r.Kept = append(have.Kept, done.Kept...)
	for _, note := range have.Notes {
		if !slices.Contains(r.Notes, note) {
			r.Notes = append(r.Notes, note)
		}
	}
	for key, version := range have.Defaults {
		if _, changed := r.Defaults[key]; !changed {
			if r.Defaults == nil {
				r.Defaults = map[string]string{}
			}
			r.Defaults[key] = version
		}
	}
}

// selected returns the installed releases that refs mean, each once; without refs, all.
func (s *session) selected(refs []trust.Ref) (list []record.Head, err error) {
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

// warnChannelRemoved warns if have, which was not named on the command line, cannot
// be updated because the user removed its channel, and reports whether that is so.
func (a *app) warnChannelRemoved(s *session, have record.Head) bool {
	if plan.IsPinned(have) || trust.IsBuiltinChannel(have.Channel) {
		return false
	}
	_, err := s.desk.Added(have.Channel)
	if _, unknown := errors.AsType[*channels.UnknownChannelError](err); !unknown {
		return false
	}
	a.Warn("%s is not updated: channel %s was removed", have.Ref(), have.Channel)
	return true
}

// requestNewest returns the request for the release that have's label or version line
// means now.
func (a *app) requestNewest(have record.Head) manifests.Request {
	return manifests.Request{Tool: have.Tool, Version: have.Requested, Platform: have.Platform, Distro: a.Distro(), Glibc: a.Glibc(),
		Components: have.Components, Profile: have.Profile}
}

// newestOf returns the release of cat that answers q, the request for have: have's own
// version if there is nothing newer.
func (a *app) newestOf(s *session, o trust.Binding, cat manifests.Catalog, q manifests.Request, have record.Head) (manifests.Release, error) {
	same := manifests.Release{Channel: have.Channel, Tool: have.Tool, Version: have.Version}
	next, err := s.Release(cat, o.Channel, q)
	if isUnknownVersion(err) && have.Requested == have.Version { // the only one of its line, and withdrawn
		return same, nil
	}
	if err != nil {
		return same, err
	}
	if why := plan.HeldBack(have, next, cat.Versions(have.Tool)); why != "" {
		a.Warn("channel %s names %s %s, %s", have.Channel, next.Tool, next.Version, why)
		return same, nil
	}
	return next, nil
}
