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
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// change plans c and carries it out, unless this is a dry run. already holds the
// releases that the user named and that need no change.
func (a *app) change(ctx context.Context, s *session, c plan.Change, already []record.Head) (result, error) {
	p, err := s.Plan(c)
	if err != nil {
		return nil, err
	}
	r := changeResult{DryRun: a.flags.dryRun, Generation: s.state.Current.Number, rolledBack: p.Goto != 0, details: a.Verbose}
	for _, have := range already {
		r.Already = append(r.Already, s.describe(have))
	}
	for _, id := range slices.Sorted(maps.Keys(p.Follow)) {
		have := s.state.Receipts[id]
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
			proved, notes := releaseEvidence(rel)
			item := installedRelease{Tool: rel.Tool, Version: rel.Version, Channel: rel.Channel, Proof: releaseProof(rel), Evidence: rel.Evidence, proved: proved, notes: notes,
				Keys: releaseKeys(rel), Packages: foreseenPackages(rel)}
			item.Size, item.Announced = a.size(ctx, in)
			r.Installed = append(r.Installed, item)
		}
		if err := a.foresee(ctx, s, p, &r); err != nil {
			return nil, err
		}
		r.Commands, r.Patterns = a.newLinks(s.state.Current, p.Predicted), patterns(p)
		a.tellHidden(&r, newNames(s.state.Current, p.Predicted))
		a.note(&r)
		return r, kept(r.Kept, true)
	}
	before := s.state.Current
	a.tellHidden(&r, newNames(before, p.Predicted))
	a.linking = func(now, next record.Generation) {
		a.EndProgress()
		a.tellHidden(&r, newNames(now, next))
	}
	defer func() { a.linking = nil }()
	res, failed := s.Apply(ctx, p)
	a.EndProgress()
	r.took = a.Now().Sub(a.now)
	if _, done := errors.AsType[*install.UnfinishedError](failed); failed != nil && !done {
		return nil, failed
	}
	if s.state, err = s.State(); err != nil {
		return nil, errors.Join(failed, &install.UnfinishedError{Err: err})
	}
	r.Generation = res.Generation.Number
	for _, have := range res.Installed {
		if without := p.Without(have); len(without) > 0 {
			r.reduced(have.Channel, have.Tool, have.Version, without, s.Prefix(have.ID))
			continue
		}
		e, notes := receiptEvidence(have)
		r.Installed = append(r.Installed, installedRelease{
			Tool: have.Tool, Version: have.Version, Channel: have.Channel, Prefix: s.Prefix(have.ID), Proof: strings.Join(append([]string{proof(e)}, notes...), " · "), Evidence: e,
			proved: e, notes: notes, unpacked: res.Unpacked[have.ID],
		})
		a.tellSkipped(&r, have, res.Skipped[have.ID])
	}
	r.Removed = refs(res.Removed)
	r.Defaults = s.changedDefaults(before.Defaults, res.Generation.Defaults, res.Removed)
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

// newNames returns the names of the commands that before does not link.
func newNames(before, after record.Generation) (names []string) {
	for _, l := range after.Links {
		if !slices.ContainsFunc(before.Links, func(have record.CommandLink) bool { return have.Name == l.Name }) {
			names = append(names, l.Name)
		}
	}
	return names
}

// newLinks returns the links that are new or lead somewhere else than before.
func (a *app) newLinks(before, after record.Generation) (links []commandLink) {
	for _, l := range after.Links {
		if !slices.Contains(before.Links, l) {
			links = append(links, commandLink{l.Name, filepath.Join(a.Dirs.Bin, l.Name)})
		}
	}
	return links
}

// refs returns each release's name once, even if it has several prefixes.
func refs(releases []record.Head) (list []string) {
	for _, r := range releases {
		if ref := r.Ref(); !slices.Contains(list, ref) {
			list = append(list, ref)
		}
	}
	return list
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

// foresee fills in r what p would remove and keep, and which defaults it would
// change.
func (a *app) foresee(ctx context.Context, s *session, p plan.Plan, r *changeResult) (err error) {
	if r.Removed, r.Kept, err = a.foreseenRemoval(ctx, s, s.state.After(p).Unreferenced(), p.Remove); err != nil {
		return err
	}
	foreign, err := s.PreviewDropGenerations(s.state.Pruned(p)...)
	if err != nil {
		return err
	}
	r.Kept = append(foreign, r.Kept...)
	after := maps.Clone(s.state.Current.Defaults)
	if after == nil {
		after = map[string]record.ID{}
	}
	if p.Goto != 0 {
		r.Generation = p.Goto
		after = s.state.Generations[p.Goto].Defaults
	}
	for key, id := range p.Default {
		after[key] = id
		if id == "" {
			delete(after, key)
		}
	}
	r.Defaults = s.changedDefaults(s.state.Current.Defaults, after, nil)
	maps.DeleteFunc(r.Defaults, func(key, _ string) bool { return s.removesAll(key, r.Removed) })
	for _, in := range p.Install {
		key := in.Release.Channel + "/" + in.Release.Tool
		if was, ok := s.state.Current.Defaults[key]; ok && in.Default && s.state.Receipts[was].Version != in.Release.Version {
			if r.Defaults == nil {
				r.Defaults = map[string]string{}
			}
			r.Defaults[key] = in.Release.Version
		}
	}
	return nil
}

// foreseenRemoval returns what removing the releases ids would remove and keep. A
// release that cannot be removed is an error if it is in asked; if an earlier change
// left it, it is a warning.
func (a *app) foreseenRemoval(ctx context.Context, s *session, ids, asked []record.ID) (removed []string, kept []install.Drift, err error) {
	var gone []record.Head
	for _, id := range ids {
		left, err := s.Preview(ctx, id)
		if err != nil && (ctx.Err() != nil || slices.Contains(asked, id)) {
			return nil, nil, err
		}
		if err != nil {
			a.Warn("%v; left alone", err)
			continue
		}
		gone, kept = append(gone, s.state.Receipts[id]), append(kept, left...)
	}
	return refs(gone), kept, nil
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
	for _, artifact := range uniqueFiles(r.Artifacts) {
		if artifact.Layout.MergedUsr {
			list = append(list, foreseenPackage{artifact.Component, artifact.Name, artifact.Size, artifact.Integrity.Digest})
		}
	}
	return list
}

// uniqueFiles returns the files of artifacts, each once: it is fetched once, even if
// it is unpacked to several places.
func uniqueFiles(artifacts []manifests.Artifact) (list []manifests.Artifact) {
	for _, artifact := range artifacts {
		d := artifact.Integrity.Digest
		if d.IsZero() || !slices.ContainsFunc(list, func(have manifests.Artifact) bool { return have.Integrity.Digest == d }) {
			list = append(list, artifact)
		}
	}
	return list
}

// size returns how many bytes are to be fetched for in, as the proved documents state
// it, else as the server announces it now; 0 if it is unknown.
func (a *app) size(ctx context.Context, in plan.Install) (total int64, announced bool) {
	for _, artifact := range uniqueFiles(in.Release.Artifacts) {
		if slices.Contains(in.Reuse, artifact.Component) {
			continue
		}
		size := artifact.Size
		if size == 0 {
			answer, err := manifests.SizeOf(ctx, a.artifacts(), artifact.Refs[0])
			if err != nil {
				return 0, false
			}
			size, announced = answer, true
		}
		if size < 0 || size > manifests.MaxArtifact {
			return 0, false
		}
		total += size
	}
	return total, announced
}

// changedDefaults returns the defaults that differ between before and after. A tool
// of which nothing is installed any more is left out.
func (s *session) changedDefaults(before, after map[string]record.ID, gone []record.Head) map[string]string {
	version := func(id record.ID) string { return s.state.Receipts[id].Version }
	changed := map[string]string{}
	for key, id := range after {
		if was, ok := before[key]; ok && was != id && s.versionOf(was, gone) != version(id) {
			changed[key] = version(id)
		} else if !ok && s.countInstalled(key) > 1 {
			changed[key] = version(id)
		}
	}
	for key := range before {
		if _, ok := after[key]; !ok && s.countInstalled(key) > 0 {
			changed[key] = ""
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return changed
}

// versionOf returns the version of a release, which may be one of gone.
func (s *session) versionOf(id record.ID, gone []record.Head) string {
	if r, ok := s.state.Receipts[id]; ok {
		return r.Version
	}
	if i := slices.IndexFunc(gone, func(r record.Head) bool { return r.ID == id }); i >= 0 {
		return gone[i].Version
	}
	return ""
}

// removesAll reports whether each installed release of the tool key is one of removed.
func (s *session) removesAll(key string, removed []string) bool {
	for _, r := range s.state.Installed() {
		if r.Key() == key && !slices.Contains(removed, r.Ref()) {
			return false
		}
	}
	return true
}

func (s *session) countInstalled(key string) (n int) {
	for _, r := range s.state.Installed() {
		if r.Key() == key {
			n++
		}
	}
	return n
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
