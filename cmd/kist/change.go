package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
)

// change plans c and carries it out, unless this is a dry run. already holds the
// releases that the user named and that need no change.
func (a *app) change(ctx context.Context, s *toolset.Set, c plan.Change, already []record.Head) (result, error) {
	p, err := s.Plan(c)
	if err != nil {
		return nil, err
	}
	r := changeResult{DryRun: a.flags.dryRun, Generation: s.State.Current.Number, rolledBack: p.Goto != 0, details: a.Verbose}
	for _, have := range already {
		r.Already = append(r.Already, describe(s, have))
	}
	for _, id := range slices.Sorted(maps.Keys(p.Follow)) {
		have := s.State.Receipts[id]
		r.Follows = append(r.Follows, followedTool{have.Ref(), have.Requested, p.Follow[id]})
	}
	if p.Empty() && !a.flags.dryRun {
		_, err := s.Apply(ctx, p) // only cleans up what a crash may have left
		a.noteDefaults(&r, s, c, already)
		return r, err
	}
	if a.flags.dryRun {
		for _, in := range p.Install {
			if len(in.Without) > 0 {
				r.reduced(in.Release.Channel, in.Release.Tool, in.Release.Version, in.Without, "")
				continue
			}
			rel := in.Release
			proved, notes := evidence.OfRelease(rel)
			keys := evidence.KeysOf(rel)
			item := installedRelease{Tool: rel.Tool, Version: rel.Version, Channel: rel.Channel, Proof: releaseProof(proved, keys), Evidence: rel.Evidence, proved: proved, notes: notes,
				Keys: keys, Packages: foreseenPackages(rel)}
			item.Size, item.Announced = s.Size(ctx, in)
			r.Installed = append(r.Installed, item)
		}
		if r.Removed, r.Kept, err = s.PreviewPlan(ctx, p); err != nil {
			return nil, err
		}
		r.Generation = cmp.Or(p.Goto, r.Generation)
		r.Defaults = s.State.PredictDefaults(p, r.Removed)
		r.Commands, r.Patterns = a.newLinks(s.State.Current, p.Predicted), patterns(p)
		a.tellHidden(&r, plan.NewNames(s.State.Current, p.Predicted))
		a.note(&r)
		return r, kept(r.Kept, true)
	}
	before := s.State.Current
	a.tellHidden(&r, plan.NewNames(before, p.Predicted))
	a.linking = func(now, next record.Generation) {
		a.EndProgress()
		a.tellHidden(&r, plan.NewNames(now, next))
	}
	defer func() { a.linking = nil }()
	res, failed := s.Apply(ctx, p)
	a.EndProgress()
	r.took = a.Now().Sub(a.now)
	if _, done := errors.AsType[*install.UnfinishedError](failed); failed != nil && !done {
		return nil, failed
	}
	if s.State, err = s.Installer.State(); err != nil {
		return nil, errors.Join(failed, &install.UnfinishedError{Err: err})
	}
	r.Generation = res.Generation.Number
	for _, have := range res.Installed {
		if without := p.Without(have); len(without) > 0 {
			r.reduced(have.Channel, have.Tool, have.Version, without, s.Prefix(have.ID))
			continue
		}
		e, notes := evidence.OfReceipt(have)
		r.Installed = append(r.Installed, installedRelease{
			Tool: have.Tool, Version: have.Version, Channel: have.Channel, Prefix: s.Prefix(have.ID), Proof: strings.Join(append([]string{proof(e)}, notes...), " · "), Evidence: e,
			proved: e, notes: notes, unpacked: res.Unpacked[have.ID],
		})
		a.tellSkipped(&r, have, res.Skipped[have.ID])
	}
	r.Removed = toolset.Refs(res.Removed)
	r.Defaults = s.State.ChangedDefaults(before.Defaults, res.Generation.Defaults, res.Removed)
	r.Kept = res.Leftovers
	r.Commands = a.newLinks(before, res.Generation)
	if len(r.Installed) > 0 {
		if s.NoExec() {
			a.Warn("%s is on a file system that is mounted noexec: no command that is installed there can be started", filepath.Join(a.Dirs.Data, "kist"))
		}
		a.note(&r)
	}
	a.noteDefaults(&r, s, c, already)
	return r, cmp.Or(failed, kept(r.Kept, false))
}

// newLinks returns the links that are new or lead somewhere else than before.
func (a *app) newLinks(before, after record.Generation) (links []commandLink) {
	for _, l := range plan.NewLinks(before, after) {
		links = append(links, commandLink{l.Name, filepath.Join(a.Dirs.Bin, l.Name)})
	}
	return links
}

func names(links []commandLink) []string {
	list := make([]string, len(links))
	for i, l := range links {
		list[i] = l.Name
	}
	return list
}

func (r *changeResult) reduced(channel, tool, version string, without []string, prefix string) {
	r.Reduced = append(r.Reduced, reducedTool{Tool: tool, Version: version, Channel: channel, Prefix: prefix, Without: without})
}

// patterns returns the command patterns of new defaults, whose matches only the
// archive names.
func patterns(p plan.Plan) (list []string) {
	for _, in := range p.Install {
		for _, c := range in.Release.Commands {
			if _, named := manifests.CommandName(c); in.Default && !named {
				list = append(list, c)
			}
		}
	}
	return list
}

// foreseenPackages returns the packages that a distribution's toolchain is made of.
func foreseenPackages(r manifests.Release) (list []foreseenPackage) {
	for _, artifact := range install.Files(r) {
		if artifact.Layout.MergedUsr {
			list = append(list, foreseenPackage{artifact.Component, artifact.Name, artifact.Size, artifact.Integrity.Digest})
		}
	}
	return list
}

// A keptError reports that a removal left, or would leave, changed files in place.
type keptError struct {
	Kept   []install.Drift
	DryRun bool
}

// kept returns a *keptError about drifts, or nil if there are none.
func kept(drifts []install.Drift, dryRun bool) error {
	if len(drifts) == 0 {
		return nil
	}
	return &keptError{drifts, dryRun}
}

func (e *keptError) Error() string {
	one, several := "was", "were"
	if e.DryRun {
		one, several = "would be", "would be"
	}
	if len(e.Kept) == 1 {
		return fmt.Sprintf("1 path %s kept: %s", one, e.Kept[0].Reason)
	}
	return fmt.Sprintf("%d paths %s kept", len(e.Kept), several)
}
func (*keptError) Kind() string { return "kept" }
