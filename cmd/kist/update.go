package main

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/kist-tools/kist/cmd/kist/internal/change"
	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

func (a *app) updateCommand() *cobra.Command {
	return a.command(verb{
		group: toolchains, use: "update [TOOL…]", aliases: []string{"upgrade"},
		short: "Update toolchains to the newest release of what you requested",
		long: `Updates each TOOL (default: all) to the newest release of what you asked for: go
follows stable, go@1.25 the newest 1.25.x. The new release replaces the old one,
also as the default; kist rollback returns to the old one. A toolchain that you
installed by its exact version is not updated, and no update goes to an older
release, or from a release to a pre-release. A channel that cannot be reached or
trusted is left out with a warning, and the others are updated; the exit code is
then that of the worst failure.`,
		example:  "kist update\nkist update go\nkist update -n",
		exits:    []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
		args:     between(0, 1000),
		changes:  true,
		fetches:  true,
		complete: a.completeInstalled,
		run: a.withTools(func(ctx context.Context, s *toolset.Set, refs []trust.Ref) (result, error) {
			return a.update(ctx, s, refs)
		}),
	})
}

// An updateResult is what update did, or with --dry-run would do.
type updateResult struct {
	change.Result
	Updated  []change.Replaced  `json:"updated"`
	UpToDate []change.Toolchain `json:"up_to_date,omitempty"`
	Pinned   []change.Toolchain `json:"pinned,omitempty"` // requested by exact version
	Failed   []failedChannel    `json:"failed,omitempty"` // channels that were left out
}

func (r updateResult) Render(p *term.Page) {
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
		told[change.ReplacedBy(r.Updated, rel)] = true
	}
	for i, t := range r.Updated {
		if !told[i] {
			p.Headline(did, "%s from %s to %s", t.Tool, t.Installed, t.Newest)
		}
	}
	r.Replaces = r.Updated
	r.Result.Render(p)
}

func (a *app) update(ctx context.Context, s *toolset.Set, refs []trust.Ref) (result, error) {
	v := a.survey(s)
	answers, err := v.Ask(ctx, refs)
	if err != nil {
		return nil, err
	}
	r := updateResult{Updated: []change.Replaced{}}
	var updates []toolset.Answer
	var lost []*install.MissingError
	for _, answer := range answers {
		switch {
		case answer.IsNewer():
			updates = append(updates, answer)
		case answer.Missing != nil:
			lost = append(lost, answer.Missing)
		case !answer.Known:
		case plan.IsPinned(answer.Have):
			r.Pinned = append(r.Pinned, change.Describe(s, answer.Have))
		default:
			r.UpToDate = append(r.UpToDate, change.Describe(s, answer.Have))
		}
	}
	if len(refs) == 0 { // report unchanged tools only if they were named
		r.UpToDate, r.Pinned = nil, nil
		if len(updates)+len(v.LeftOut)+len(lost) == 0 {
			a.Say("everything is up to date")
		}
	}
	err = a.apply(ctx, v, updates, &r)
	_, unfinished := errors.AsType[*install.UnfinishedError](err)
	_, kept := errors.AsType[*failure.KeptError](err)
	r.Failed = a.failed(v)
	a.changed = len(r.Updated) > 0 && !a.flags.dryRun
	switch {
	case err == nil, unfinished, kept:
	case a.changed: // some channels were updated before a failure of this machine
		return r, &channelsError{Failed: r.Failed, gravest: err}
	default:
		return nil, err
	}
	skipped := a.end(v, r.Failed)
	if skipped != nil && unfinished { // the hint of err matters more
		a.Warn("%v", skipped)
		skipped = nil
	}
	return r, a.orMissing(cmp.Or(skipped, err), lost)
}

// apply installs updates: all at once, or, if the files of one channel cannot be
// fetched or verified, channel by channel.
func (a *app) apply(ctx context.Context, v *toolset.Survey, updates []toolset.Answer, r *updateResult) error {
	done, err := a.applyAll(ctx, v.Set, updates, r)
	if done || ctx.Err() != nil || !isOfChannel(err) {
		return err
	}
	byChannel := map[string][]toolset.Answer{}
	for _, u := range updates {
		byChannel[u.Have.Channel] = append(byChannel[u.Have.Channel], u)
	}
	var last error
	for _, channel := range slices.Sorted(maps.Keys(byChannel)) {
		part, failed := byChannel[channel], err
		if len(byChannel) > 1 {
			if done, failed = a.applyAll(ctx, v.Set, part, r); done {
				last = cmp.Or(last, failed)
				continue
			}
		}
		if ctx.Err() != nil || !isOfChannel(failed) {
			return failed
		}
		for _, u := range part {
			v.LeaveOut(channel, u.Have.Tool, failed)
		}
	}
	return last
}

// applyAll installs all updates in one change, and adds what it did to r. done is false if
// nothing was changed.
func (a *app) applyAll(ctx context.Context, s *toolset.Set, updates []toolset.Answer, r *updateResult) (done bool, err error) {
	done, err = a.maker(s).Make(ctx, s.Updating(updates), nil, &r.Result)
	for _, u := range updates {
		if done {
			r.Updated = append(r.Updated, change.Replacing(u))
		}
	}
	return done, err
}
