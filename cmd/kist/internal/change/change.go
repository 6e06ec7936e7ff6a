// Package change plans a change of the installed toolchains, carries it out or, in a dry
// run, finds out what it would do, and describes it for people and as JSON. What is to
// change is decided by others; how the files are written and removed is package install's.
package change

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/failure"
	"github.com/kist-tools/kist/cmd/kist/internal/prooftext"
	"github.com/kist-tools/kist/cmd/kist/internal/term"
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/cache"
	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests"
)

// A Maker makes changes of a set of toolchains.
type Maker struct {
	*toolset.Set
	Printer *term.Printer
	Context failure.Context // explains why channels were left out
	DryRun  bool
	// Keep is how many earlier releases of each tool keep their files when a release is
	// replaced; nil: all.
	Keep *int
	// CacheMaxSize is how many bytes the cache may have after an install; 0: no limit.
	CacheMaxSize int64
	OwnsDocument cache.Owner // says which documents of the cache are kist's

	Dirs     host.BaseDirs
	Path     host.SearchPath // where the user's shell looks for commands
	PathHow  string          // what to do with PathLine
	PathLine string          // puts the bin directory on PATH for good
	Started  time.Time       // when the command began
	Clock    func() time.Time
	// SetLinkHook sets what is called before commands are linked; nil: nothing.
	SetLinkHook func(hook func(now, next record.Generation))
}

// Make plans c and carries it out, unless this is a dry run, and adds what it did to r.
// already holds the releases that the user named and that need no change. done is false if
// an error kept it from doing anything; an error may come with work that is done.
func (m *Maker) Make(ctx context.Context, c plan.Change, already []record.Head, r *Result) (done bool, err error) {
	c.Keep = m.Keep
	p, err := m.Plan(c)
	if err != nil {
		return false, err
	}
	if !p.InForce() { // a dry run is refused, too
		if err := m.MayChange(); err != nil {
			return false, err
		}
	}
	was := *r
	r.DryRun, r.Generation, r.rolledBack, r.details = m.DryRun, m.State.Current.Number, p.Goto != 0, m.Printer.Verbose
	for _, have := range already {
		r.Already = append(r.Already, Describe(m.Set, have))
	}
	for _, id := range slices.Sorted(maps.Keys(p.Follow)) {
		have := m.State.Receipts[id]
		r.Follows = append(r.Follows, Followed{have.Ref(), have.Requested, p.Follow[id]})
	}
	switch {
	case m.DryRun:
		if err := m.foresee(ctx, p, r); err != nil {
			*r = was
			return false, err
		}
		return true, failure.Kept(r.Kept, true)
	case p.Empty():
		_, err = m.Apply(ctx, p) // only cleans up what a crash may have left
	default:
		if done, err = m.carryOut(ctx, p, r); !done {
			*r = was
			return false, err
		}
	}
	m.noteDefaults(r, c, already)
	return true, cmp.Or(err, failure.Kept(r.Kept, false))
}

// foresee adds to r what p would do.
func (m *Maker) foresee(ctx context.Context, p plan.Plan, r *Result) error {
	removed, left, err := m.PreviewPlan(ctx, p)
	if err != nil {
		return err
	}
	for _, in := range p.Install {
		rel := in.Release
		if len(in.Without) > 0 {
			r.Reduced = append(r.Reduced, Reduced{rel.Tool, rel.Version, rel.Channel, "", in.Without})
			continue
		}
		proved, notes := evidence.OfRelease(rel)
		item := Release{Tool: rel.Tool, Version: rel.Version, Channel: rel.Channel, Evidence: rel.Evidence,
			Keys: evidence.KeysOf(rel), Packages: packagesOf(rel)}
		item.Proof, item.proof = prooftext.Planned(proved, item.Keys), prooftext.Proof{Evidence: proved, Notes: notes, Planned: true, Keys: item.Keys}
		item.Size, item.Announced = m.Size(ctx, in)
		r.Installed = append(r.Installed, item)
	}
	for _, have := range removed {
		size, err := m.Occupied(have.ID)
		if err != nil {
			return err
		}
		r.Freed += size.Bytes
	}
	r.addReleased(p, removed)
	r.Generation = cmp.Or(p.Goto, r.Generation)
	r.Patterns = append(r.Patterns, patterns(p)...)
	refs := toolset.Refs(removed)
	m.addChanges(r, m.State.Current, p.Predicted, refs, left, m.State.PredictDefaults(p, refs, m.InLayers()))
	m.tellHidden(r, plan.NewNames(m.State.Current, p.Predicted))
	m.notePath(r)
	return nil
}

// carryOut applies p, and adds what it did to r.
func (m *Maker) carryOut(ctx context.Context, p plan.Plan, r *Result) (done bool, err error) {
	before := m.State.Current
	m.tellHidden(r, plan.NewNames(before, p.Predicted))
	m.SetLinkHook(func(now, next record.Generation) {
		m.Printer.EndProgress()
		m.tellHidden(r, plan.NewNames(now, next))
	})
	defer m.SetLinkHook(nil)
	res, failed := m.Apply(ctx, p)
	m.Printer.EndProgress()
	r.took = m.Clock().Sub(m.Started)
	if _, done := errors.AsType[*install.UnfinishedError](failed); failed != nil && !done {
		return false, failed
	}
	r.Freed += res.Freed
	r.addReleased(p, res.Removed)
	if m.State, err = m.Installer.State(); err != nil {
		return false, errors.Join(failed, &install.UnfinishedError{Err: err})
	}
	r.Generation = res.Generation.Number
	for _, have := range res.Installed {
		if without := p.Without(have); len(without) > 0 {
			r.Reduced = append(r.Reduced, Reduced{have.Tool, have.Version, have.Channel, m.Prefix(have.ID), without})
			continue
		}
		e, notes := evidence.OfReceipt(have)
		r.Installed = append(r.Installed, Release{
			Tool: have.Tool, Version: have.Version, Channel: have.Channel, Prefix: m.Prefix(have.ID), Proof: strings.Join(append([]string{prooftext.Line(e)}, notes...), " · "), Evidence: e,
			proof: prooftext.Proof{Evidence: e, Notes: notes}, unpacked: res.Unpacked[have.ID],
		})
		m.tellSkipped(r, have, res.Skipped[have.ID])
	}
	m.addChanges(r, before, res.Generation, toolset.Refs(res.Removed), res.Leftovers,
		m.State.ChangedDefaults(before.Defaults, res.Generation.Defaults, append(m.InLayers(), res.Removed...)))
	if len(r.Installed) > 0 && m.NoExec() {
		m.Printer.Warn("%s is on a file system that is mounted noexec: no command that is installed there can be started", filepath.Join(m.Dirs.Data, "kist"))
	}
	if len(r.Installed)+len(r.ShimsOn) > 0 {
		m.notePath(r)
	}
	if len(res.Installed) > 0 {
		m.limitCache(ctx)
	}
	return true, failed
}

// limitCache removes the oldest files of the cache as far as it is larger than allowed. A
// failure does not matter to the change.
func (m *Maker) limitCache(ctx context.Context) {
	root, err := m.Cache(false)
	if m.CacheMaxSize == 0 || root == nil || err != nil {
		return
	}
	items, err := cache.List(root)
	var removed []cache.Item
	if err == nil {
		rule := cache.Rule{Documents: true, MaxSize: &m.CacheMaxSize}
		removed, _, err = cache.Remove(ctx, root, rule.Select(items), m.OwnsDocument, "install")
	}
	if err != nil {
		m.Printer.Warn("the cache is larger than cache-max-size: %v", err)
	}
	if len(removed) > 0 {
		m.Printer.Say("removed %s from the cache, which may have %s (cache-max-size)", term.ByteSize(cache.Size(removed)), term.ByteSize(m.CacheMaxSize))
	}
}

// addChanges adds to r the links that are new or lead somewhere else, and what was
// removed, left in place, and made a default.
func (m *Maker) addChanges(r *Result, before, after record.Generation, removed []string, left []install.Drift, defaults map[string]string) {
	for _, l := range plan.NewLinks(before, after) {
		r.Commands = append(r.Commands, Link{l.Name, filepath.Join(m.Dirs.Bin, l.Name)})
	}
	r.ShimsOn, r.ShimsOff = plan.NewShims(before, after), plan.NewShims(after, before)
	r.Removed, r.Kept = append(r.Removed, removed...), append(r.Kept, left...)
	if r.Defaults == nil {
		r.Defaults = map[string]string{}
	}
	maps.Copy(r.Defaults, defaults)
}

func names(links []Link) []string {
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

// packagesOf returns the packages that a distribution's toolchain is made of.
func packagesOf(r manifests.Release) (list []Package) {
	for _, artifact := range install.Files(r) {
		if artifact.Layout.MergedUsr {
			list = append(list, Package{artifact.Component, artifact.Name, artifact.Size, artifact.Integrity.Digest})
		}
	}
	return list
}
