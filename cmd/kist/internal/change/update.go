package change

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

// An UpdateResult is what update did, or with --dry-run would do.
type UpdateResult struct {
	Result
	Updated  []Replaced      `json:"updated"`
	UpToDate []Toolchain     `json:"up_to_date,omitempty"`
	Pinned   []Toolchain     `json:"pinned,omitempty"` // requested by exact version
	Failed   []FailedChannel `json:"failed,omitempty"` // channels that were left out
}

// Changed reports whether a release was updated.
func (r UpdateResult) Changed() bool { return len(r.Updated) > 0 && !r.DryRun }

// Render writes r as text.
func (r UpdateResult) Render(p *term.Page) {
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
	r.Replaces = r.Updated
	r.Result.Render(p)
}

// Update updates the installed releases that refs mean, or all. The result is nil if an
// error kept it from doing anything; an error may come with work that is done.
func (m *Maker) Update(ctx context.Context, refs []trust.Ref) (*UpdateResult, error) {
	if err := m.mayUpdate(refs); err != nil {
		return nil, err
	}
	v := m.survey()
	answers, err := v.Ask(ctx, refs)
	if err != nil {
		return nil, err
	}
	r := &UpdateResult{Updated: []Replaced{}}
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
			r.Pinned = append(r.Pinned, Describe(m.Set, answer.Have))
		default:
			r.UpToDate = append(r.UpToDate, Describe(m.Set, answer.Have))
		}
	}
	if len(refs) == 0 { // report unchanged tools only if they were named
		r.UpToDate, r.Pinned = nil, nil
		if len(updates)+len(v.LeftOut)+len(lost) == 0 {
			m.Printer.Say("everything is up to date")
		}
	}
	err = m.apply(ctx, v, updates, r)
	_, unfinished := errors.AsType[*install.UnfinishedError](err)
	_, kept := errors.AsType[*failure.KeptError](err)
	r.Failed = m.failed(v)
	switch {
	case err == nil, unfinished, kept:
	case r.Changed(): // some channels were updated before a failure of this machine
		return r, &ChannelsError{Failed: r.Failed, Gravest: err}
	default:
		return nil, err
	}
	skipped := m.end(v, r.Failed)
	if skipped != nil && unfinished { // the hint of err matters more
		m.Printer.Warn("%v", skipped)
		skipped = nil
	}
	return r, m.orMissing(cmp.Or(skipped, err), lost)
}

// mayUpdate returns why nothing may be changed, if refs, or without them all, mean a
// release that an update could replace.
func (m *Maker) mayUpdate(refs []trust.Ref) error {
	list, err := m.SelectedOwn(refs)
	if err != nil || !slices.ContainsFunc(list, func(r record.Head) bool { return !plan.IsPinned(r) }) {
		return err
	}
	return m.MayChange()
}

// apply installs updates: all at once, or, if the files of one channel cannot be
// fetched or verified, channel by channel.
func (m *Maker) apply(ctx context.Context, v *toolset.Survey, updates []toolset.Answer, r *UpdateResult) error {
	done, err := m.applyAll(ctx, updates, r)
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
			if done, failed = m.applyAll(ctx, part, r); done {
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
func (m *Maker) applyAll(ctx context.Context, updates []toolset.Answer, r *UpdateResult) (done bool, err error) {
	done, err = m.Make(ctx, m.Updating(updates), nil, &r.Result)
	for _, u := range updates {
		if done {
			r.Updated = append(r.Updated, replacing(u))
		}
	}
	return done, err
}
