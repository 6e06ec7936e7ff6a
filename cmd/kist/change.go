package main

import (
	"context"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// A changeResult is what install, uninstall, default and rollback did, or with
// --dry-run would do.
type changeResult struct {
	DryRun     bool               `json:"dry_run,omitempty"`
	Generation uint64             `json:"generation"` // in force afterwards
	Already    []installedTool    `json:"already,omitempty"`
	Installed  []installedRelease `json:"installed,omitempty"`
	Removed    []string           `json:"removed,omitempty"`  // channel/tool@version
	Defaults   map[string]string  `json:"defaults,omitempty"` // that changed: channel/tool to version, "" for none
	Commands   []commandLink      `json:"commands,omitempty"` // that lead somewhere new
	Kept       []install.Drift    `json:"kept,omitempty"`
	Notes      []string           `json:"notes,omitempty"` // what a user must know about PATH

	rolledBack bool
}

// An installedRelease is a release and how it was proved.
type installedRelease struct {
	Tool     string          `json:"tool"`
	Version  string          `json:"version"`
	Channel  string          `json:"channel"`
	Prefix   string          `json:"prefix,omitempty"`
	Proof    string          `json:"proof"`
	Size     int64           `json:"size,omitempty"` // bytes to fetch, where stated
	Evidence verify.Evidence `json:"evidence"`
}

type commandLink struct {
	Name string `json:"name"`
	Path string `json:"path"` // of the link
}

func (r changeResult) text(p *page) {
	done := func(did, would string) string {
		if r.DryRun {
			return "would " + would
		}
		return did
	}
	for _, t := range r.Already {
		p.line("%s %s · channel %s · already installed", t.Tool, t.Version, t.Channel)
	}
	for _, rel := range r.Installed {
		text := fmt.Sprintf("%s %s · channel %s · %s", rel.Tool, rel.Version, rel.Channel, rel.Proof)
		if r.DryRun {
			text = "would install " + text
		}
		p.line("%s", text)
	}
	for _, ref := range r.Removed {
		p.line("%s %s", done("removed", "remove"), ref)
	}
	for _, k := range r.Kept {
		p.line("kept %s (%s)", k.Path, k.Reason)
	}
	if r.rolledBack {
		p.line("%s generation %d", done("returned to", "return to"), r.Generation)
	}
	for _, key := range slices.Sorted(maps.Keys(r.Defaults)) {
		if v := r.Defaults[key]; v != "" {
			p.line("%s %s %s", key, done("now defaults to", "default to"), v)
		} else {
			p.line("%s %s no default", key, done("now has", "have"))
		}
	}
	if len(r.Commands) > 0 {
		p.line("%s %s", done("commands:", "link"), strings.Join(names(r.Commands), ", "))
	}
}

// change plans c and carries it out, unless this is a dry run. already are the
// releases that the user named and that need nothing more.
func (a *app) change(ctx context.Context, s *session, c plan.Change, already []record.Head) (result, error) {
	p, err := s.Plan(c)
	if err != nil {
		return nil, err
	}
	r := changeResult{DryRun: a.flags.dryRun, Generation: s.state.Current.Number, rolledBack: p.Goto != 0}
	for _, have := range already {
		r.Already = append(r.Already, s.describe(have))
	}
	if p.Empty() && !a.flags.dryRun {
		_, err := s.Apply(ctx, p) // nothing to do but mend what a crash may have left
		return r, err
	}
	if a.flags.dryRun {
		r.foresee(s, p)
		r.Commands = a.foreseenLinks(p)
		a.note(&r)
		return r, nil
	}
	before := s.state.Current
	res, err := s.Apply(ctx, p)
	a.endProgress()
	if err != nil {
		return nil, err
	}
	if s.state, err = s.State(); err != nil {
		return nil, err
	}
	r.Generation = res.Generation.Number
	for _, have := range res.Installed {
		e, proof := receiptProof(have)
		r.Installed = append(r.Installed, installedRelease{
			Tool: have.Tool, Version: have.Version, Channel: have.Channel, Prefix: s.Prefix(have.ID), Proof: proof, Evidence: e,
		})
	}
	for _, gone := range res.Removed {
		r.Removed = append(r.Removed, gone.Ref())
	}
	r.Defaults = s.changedDefaults(before.Defaults, res.Generation.Defaults, res.Removed)
	r.Kept = res.Kept
	r.Commands = a.newLinks(before, res.Generation)
	if len(r.Installed) > 0 {
		a.note(&r)
	}
	if len(r.Kept) > 0 {
		return r, &keptError{r.Kept}
	}
	return r, nil
}

// note says what the user must know of PATH now.
func (a *app) note(r *changeResult) {
	r.Notes = a.pathNotes(names(r.Commands))
	for _, n := range r.Notes {
		a.say("%s", n)
	}
}

// newLinks are the commands that lead somewhere else than before.
func (a *app) newLinks(before, after record.Generation) (links []commandLink) {
	for _, l := range after.Links {
		if !slices.Contains(before.Links, l) {
			links = append(links, commandLink{l.Name, filepath.Join(a.Dirs.Bin, l.Name)})
		}
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

// foresee fills r with what p would do.
func (r *changeResult) foresee(s *session, p plan.Plan) {
	for _, in := range p.Install {
		rel := in.Release
		item := installedRelease{Tool: rel.Tool, Version: rel.Version, Channel: rel.Channel, Proof: releaseProof(rel), Evidence: rel.Evidence}
		for _, art := range rel.Artifacts {
			item.Size += art.Size
		}
		r.Installed = append(r.Installed, item)
	}
	for _, id := range p.Remove {
		r.Removed = append(r.Removed, s.state.Receipts[id].Ref())
	}
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
}

// foreseenLinks are the commands that p would link, as far as its releases name
// them without a pattern.
func (a *app) foreseenLinks(p plan.Plan) (links []commandLink) {
	for _, in := range p.Install {
		for _, c := range in.Release.Commands {
			if name := path.Base(c); in.Default && !strings.ContainsAny(name, `*?[\`) {
				links = append(links, commandLink{name, filepath.Join(a.Dirs.Bin, name)})
			}
		}
	}
	return links
}

// changedDefaults compares two sets of defaults. A tool that is gone altogether
// is not worth a line.
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

// versionOf returns the version of a release that may have gone.
func (s *session) versionOf(id record.ID, gone []record.Head) string {
	if r, ok := s.state.Receipts[id]; ok {
		return r.Version
	}
	if i := slices.IndexFunc(gone, func(r record.Head) bool { return r.ID == id }); i >= 0 {
		return gone[i].Version
	}
	return ""
}

func (s *session) countInstalled(key string) (n int) {
	for _, r := range s.state.Installed() {
		if r.Key() == key {
			n++
		}
	}
	return n
}

// A keptError says that a removal was done, but left changed files in place.
type keptError struct{ Kept []install.Drift }

func (e *keptError) Error() string {
	if len(e.Kept) == 1 {
		return "1 path was kept, because it is not as it was installed"
	}
	return fmt.Sprintf("%d paths were kept, because they are not as they were installed", len(e.Kept))
}
