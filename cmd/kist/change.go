package main

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
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
	var r changeResult
	done, err := a.addChange(ctx, s, c, already, &r)
	if !done {
		return nil, err
	}
	return r, err
}

// addChange is change, and adds what it did to r. done is false if an error kept it from
// doing anything.
func (a *app) addChange(ctx context.Context, s *toolset.Set, c plan.Change, already []record.Head, r *changeResult) (done bool, err error) {
	p, err := s.Plan(c)
	if err != nil {
		return false, err
	}
	was := *r
	r.DryRun, r.Generation, r.rolledBack, r.details = a.flags.dryRun, s.State.Current.Number, p.Goto != 0, a.Verbose
	for _, have := range already {
		r.Already = append(r.Already, describe(s, have))
	}
	for _, id := range slices.Sorted(maps.Keys(p.Follow)) {
		have := s.State.Receipts[id]
		r.Follows = append(r.Follows, followedTool{have.Ref(), have.Requested, p.Follow[id]})
	}
	switch {
	case a.flags.dryRun:
		if err := a.foresee(ctx, s, p, r); err != nil {
			*r = was
			return false, err
		}
		return true, failure.Kept(r.Kept, true)
	case p.Empty():
		_, err = s.Apply(ctx, p) // only cleans up what a crash may have left
	default:
		if done, err = a.carryOut(ctx, s, p, r); !done {
			*r = was
			return false, err
		}
	}
	a.noteDefaults(r, s, c, already)
	return true, cmp.Or(err, failure.Kept(r.Kept, false))
}

// foresee adds to r what p would do.
func (a *app) foresee(ctx context.Context, s *toolset.Set, p plan.Plan, r *changeResult) error {
	removed, left, err := s.PreviewPlan(ctx, p)
	if err != nil {
		return err
	}
	for _, in := range p.Install {
		rel := in.Release
		if len(in.Without) > 0 {
			r.Reduced = append(r.Reduced, reducedTool{rel.Tool, rel.Version, rel.Channel, "", in.Without})
			continue
		}
		proved, notes := evidence.OfRelease(rel)
		item := installedRelease{Tool: rel.Tool, Version: rel.Version, Channel: rel.Channel, Evidence: rel.Evidence,
			Keys: evidence.KeysOf(rel), Packages: foreseenPackages(rel), proved: proved, notes: notes}
		item.Proof = releaseProof(proved, item.Keys)
		item.Size, item.Announced = s.Size(ctx, in)
		r.Installed = append(r.Installed, item)
	}
	r.Generation = cmp.Or(p.Goto, r.Generation)
	r.Patterns = append(r.Patterns, patterns(p)...)
	a.addChanges(r, s.State.Current, p.Predicted, removed, left, s.State.PredictDefaults(p, removed))
	a.tellHidden(r, plan.NewNames(s.State.Current, p.Predicted))
	a.note(r)
	return nil
}

// carryOut applies p, and adds what it did to r.
func (a *app) carryOut(ctx context.Context, s *toolset.Set, p plan.Plan, r *changeResult) (done bool, err error) {
	before := s.State.Current
	a.tellHidden(r, plan.NewNames(before, p.Predicted))
	a.linking = func(now, next record.Generation) {
		a.EndProgress()
		a.tellHidden(r, plan.NewNames(now, next))
	}
	defer func() { a.linking = nil }()
	res, failed := s.Apply(ctx, p)
	a.EndProgress()
	r.took = a.Now().Sub(a.now)
	if _, done := errors.AsType[*install.UnfinishedError](failed); failed != nil && !done {
		return false, failed
	}
	if s.State, err = s.Installer.State(); err != nil {
		return false, errors.Join(failed, &install.UnfinishedError{Err: err})
	}
	r.Generation = res.Generation.Number
	for _, have := range res.Installed {
		if without := p.Without(have); len(without) > 0 {
			r.Reduced = append(r.Reduced, reducedTool{have.Tool, have.Version, have.Channel, s.Prefix(have.ID), without})
			continue
		}
		e, notes := evidence.OfReceipt(have)
		r.Installed = append(r.Installed, installedRelease{
			Tool: have.Tool, Version: have.Version, Channel: have.Channel, Prefix: s.Prefix(have.ID), Proof: strings.Join(append([]string{proof(e)}, notes...), " · "), Evidence: e,
			proved: e, notes: notes, unpacked: res.Unpacked[have.ID],
		})
		a.tellSkipped(r, have, res.Skipped[have.ID])
	}
	a.addChanges(r, before, res.Generation, toolset.Refs(res.Removed), res.Leftovers,
		s.State.ChangedDefaults(before.Defaults, res.Generation.Defaults, res.Removed))
	if len(r.Installed) > 0 {
		if s.NoExec() {
			a.Warn("%s is on a file system that is mounted noexec: no command that is installed there can be started", filepath.Join(a.Dirs.Data, "kist"))
		}
		a.note(r)
	}
	return true, failed
}

// addChanges adds to r the links that are new or lead somewhere else, and what was
// removed, left in place, and made a default.
func (a *app) addChanges(r *changeResult, before, after record.Generation, removed []string, left []install.Drift, defaults map[string]string) {
	for _, l := range plan.NewLinks(before, after) {
		r.Commands = append(r.Commands, commandLink{l.Name, filepath.Join(a.Dirs.Bin, l.Name)})
	}
	r.Removed, r.Kept = append(r.Removed, removed...), append(r.Kept, left...)
	if r.Defaults == nil {
		r.Defaults = map[string]string{}
	}
	maps.Copy(r.Defaults, defaults)
}

func names(links []commandLink) []string {
	list := make([]string, len(links))
	for i, l := range links {
		list[i] = l.Name
	}
	return list
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
