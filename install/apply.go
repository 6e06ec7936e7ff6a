package install

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Result is what Apply did.
type Result struct {
	Generation record.Generation
	Installed  []record.Head
	Removed    []record.Head
	Kept       []Drift  // what removal left in place: changed, or not recorded
	Linked     []string // commands that were not in the bin directory before
}

// Apply does p: all of it, or (but for downloads, which stay in the cache)
// nothing. Fetching and unpacking need no lock; publishing, switching and
// removing are one hold of it. Where another kist changed the state meanwhile,
// the plan is made again from its Change.
func (i *Installer) Apply(ctx context.Context, p plan.Plan) (Result, error) {
	if p.Empty() {
		return i.settle(ctx)
	}
	staged := map[string]*stagedRelease{}
	defer func() {
		for _, s := range staged {
			s.discard()
		}
	}()
	for {
		for _, in := range p.Install {
			if name := releaseName(in.Release); staged[name] == nil {
				s, err := i.stage(ctx, in)
				if err != nil {
					return Result{}, err
				}
				staged[name] = s
			}
		}
		result, again, err := i.commit(ctx, &p, staged)
		if !again {
			return result, err
		}
	}
}

func releaseName(r manifests.Release) string {
	return fmt.Sprintf("%s/%s@%s %v", r.Channel, r.Tool, r.Version, r.Components)
}

// commit carries out *p under the lock. again is true if the state had moved on
// so that *p, now made anew, needs a release that is not staged.
func (i *Installer) commit(ctx context.Context, p *plan.Plan, staged map[string]*stagedRelease) (res Result, again bool, err error) {
	lock, err := i.lock(ctx, "change what is installed")
	if err != nil {
		return Result{}, false, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if _, err := i.create(dataDir); err != nil {
		return Result{}, false, err
	}
	if res, err = i.repair(ctx); err != nil {
		return res, false, err
	}
	s, err := i.State()
	if err != nil {
		return res, false, err
	}
	change := p.Change
	change.Remove = slices.DeleteFunc(slices.Clone(change.Remove), func(id record.ID) bool {
		r, exists := s.Receipts[id]
		return !exists || r.Removed // the repair finished it
	})
	if *p, err = plan.Make(s, change); err != nil {
		return res, false, err
	}
	if p.Empty() {
		res.Generation = s.Current
		return res, false, nil
	}
	var fresh []record.Head
	for _, in := range p.Install {
		st := staged[releaseName(in.Release)]
		if st == nil {
			return Result{}, true, nil
		}
		fresh = append(fresh, st.receipt.Head)
	}
	for _, id := range p.Remove {
		if err := i.removable(id); err != nil {
			return res, false, err
		}
	}
	next := s.Generations[p.Goto]
	if p.Goto == 0 {
		if next, err = plan.Next(s, *p, fresh, i.o.Now); err != nil {
			return res, false, err
		}
		highest, err := i.store().Highest()
		if err != nil {
			return res, false, err
		}
		next.Number = max(next.Number, highest+1)
	}
	if err := i.ready(next); err != nil {
		return res, false, err
	}
	if err := ctx.Err(); err != nil {
		return res, false, err
	}
	if err := i.publish(*p, next, staged); err != nil {
		_, undo := i.repair(context.WithoutCancel(ctx))
		return res, false, errors.Join(err, undo)
	}
	// From here on the change has happened. What follows brings the rest into
	// line; interrupted, the next writer's repair goes on from here.
	tidied, err := i.tidy(context.WithoutCancel(ctx), next, p.Prune, p.Remove)
	res.Generation, res.Installed, res.Linked = next, fresh, tidied.Linked
	res.Removed = append(res.Removed, tidied.Removed...)
	res.Kept = append(res.Kept, tidied.Kept...)
	return res, false, err
}

// ready finds before anything is changed whether the bin directory can be
// brought into line with g.
func (i *Installer) ready(g record.Generation) error {
	if len(g.Links) == 0 {
		return nil
	}
	bin, err := i.create(binDir)
	if err != nil {
		return err
	}
	return rootfs.Probe(bin)
}

// publish puts the staged releases in place and switches to next: the commit.
func (i *Installer) publish(p plan.Plan, next record.Generation, staged map[string]*stagedRelease) error {
	for _, in := range p.Install {
		st := staged[releaseName(in.Release)]
		stage := st.take()
		if err := i.store().PutEvidence(st.receipt.Kept()); err != nil {
			return errors.Join(err, stage.Discard())
		}
		if err := i.store().Publish(stage, st.receipt); err != nil {
			return errors.Join(err, stage.Discard())
		}
	}
	if p.Goto == 0 {
		if err := i.store().Prepare(next); err != nil {
			return err
		}
	}
	return i.store().Switch(next.Number)
}

// tidy makes everything else agree with generation g, which is current: its
// confirmation, the links, the aliases, the pruned generations, the files of
// what was removed.
func (i *Installer) tidy(ctx context.Context, g record.Generation, prune []uint64, remove []record.ID) (res Result, err error) {
	if err := i.store().Confirm(g.Number); err != nil {
		return res, err
	}
	receipts, _, err := i.store().Receipts()
	if err != nil {
		return res, err
	}
	if res.Linked, err = i.alignBin(g); err != nil {
		return res, err
	}
	if err := i.alignAliases(g, receipts); err != nil {
		return res, err
	}
	for _, n := range prune {
		if err := i.store().DropGeneration(n); err != nil {
			return res, err
		}
	}
	for _, id := range remove {
		kept, err := i.removeFiles(ctx, id)
		res.Kept = append(res.Kept, kept...)
		if err != nil {
			return res, err
		}
		res.Removed = append(res.Removed, receipts[id])
	}
	return res, i.sweepEvidence()
}

// sweepEvidence removes the evidence that no receipt needs, unless one cannot be
// read.
func (i *Installer) sweepEvidence() error {
	receipts, damaged, err := i.store().Receipts()
	if err != nil || len(damaged) > 0 {
		return err
	}
	needed := map[verify.Digest]bool{}
	for _, r := range receipts {
		for _, d := range r.Proofs() {
			needed[d] = true
		}
	}
	return i.store().SweepEvidence(needed)
}

// settle is what a change that turns out to be nothing still does: put right
// what a crash may have left, unless another kist is at work, which does the same.
func (i *Installer) settle(ctx context.Context) (Result, error) {
	var res Result
	if state := i.roots.open(stateDir); state != nil && i.roots.open(dataDir) != nil && !i.o.DryRun {
		lock, err := rootfs.TryLock(state, store.LockFile, "repair")
		var busy *rootfs.BusyError
		switch {
		case err == nil:
			res, err = i.repair(ctx)
			if err := errors.Join(err, lock.Unlock()); err != nil {
				return res, err
			}
		case !errors.As(err, &busy) && !cannotWrite(err):
			return res, err
		}
	}
	s, err := i.State()
	res.Generation = s.Current
	return res, err
}

// cannotWrite reports whether nothing can be written just now: no reason to
// refuse what needs no writing.
func cannotWrite(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSPC)
}

// A stagedRelease is unpacked, proved and recorded, but not yet published.
type stagedRelease struct {
	stage   *store.Stage
	receipt record.Receipt
}

// take hands the stage over to its publication.
func (s *stagedRelease) take() *store.Stage {
	stage := s.stage
	s.stage = nil
	return stage
}

func (s *stagedRelease) discard() {
	if s.stage != nil {
		s.stage.Discard()
		s.stage = nil
	}
}

// stage fetches, proves and unpacks one release, and has its witnesses confirm
// it. What it shares with an installed one is copied from there, unless that was
// changed: then it is fetched like the rest, where it can be.
func (i *Installer) stage(ctx context.Context, in plan.Install) (*stagedRelease, error) {
	s, err := i.stageFrom(ctx, in)
	if changed, ok := errors.AsType[*ReuseError](err); ok && len(in.Without) == 0 {
		i.o.Warn(changed.Error() + "; nothing is copied from it")
		in.Base, in.Reuse = "", nil
		return i.stageFrom(ctx, in)
	}
	return s, err
}

func (i *Installer) stageFrom(ctx context.Context, in plan.Install) (*stagedRelease, error) {
	r := in.Release
	if len(in.Without) == 0 { // else it is no source's, but a receipt's
		if err := r.Validate(); err != nil {
			return nil, err
		}
	}
	from, err := i.openBase(in)
	if err != nil {
		return nil, err
	}
	defer from.close()
	cacheRoot, err := i.create(cacheDir)
	if err != nil {
		return nil, err
	}
	if _, err := i.create(dataDir); err != nil {
		return nil, err
	}
	if err := i.space(r); err != nil {
		return nil, err
	}
	cache := download.Cache{Root: cacheRoot, Transport: i.o.Transport, Progress: i.progress}
	stage, err := i.store().NewStage(i.o.Random)
	if err != nil {
		return nil, err
	}
	s := &stagedRelease{stage: stage}
	if s.receipt, err = i.fill(ctx, cache, stage, in, from); err != nil {
		s.discard()
		return nil, err
	}
	return s, nil
}

// pick fetches a, or the first of its alternatives that is to be had. A proof
// that fails is the end: it is no reason to look elsewhere. Where none is to be
// had, the error is that of one whose host was not reached, if there is one.
func pick(ctx context.Context, cache download.Cache, a manifests.Artifact) (manifests.Artifact, download.Blob, error) {
	var absent error
	for _, one := range append([]manifests.Artifact{a}, a.Alternatives...) {
		blob, err := cache.Fetch(ctx, one)
		missing := errors.Is(err, manifests.ErrNotFound)
		switch {
		case err == nil:
			return one, blob, nil
		case ctx.Err() != nil || errors.Is(err, verify.ErrUntrusted) || !missing && !errors.Is(err, manifests.ErrUnreachable):
			return one, download.Blob{}, err
		case absent == nil || !missing && errors.Is(absent, manifests.ErrNotFound):
			absent = err
		}
	}
	return a, download.Blob{}, absent
}

func (i *Installer) newReceipt(r manifests.Release) (record.Receipt, error) {
	var random [4]byte
	if _, err := io.ReadFull(i.o.Random, random[:]); err != nil {
		return record.Receipt{}, err
	}
	id := record.NewID(r.Channel, r.Tool, r.Version, random)
	data, err := filepath.EvalSymlinks(filepath.Join(i.o.Dirs.Data, "kist"))
	return record.Receipt{Head: record.Head{ID: id, Channel: r.Channel, Tool: r.Tool, Version: r.Version,
		Requested: r.Requested, Labels: r.Labels,
		Platform: r.Platform, Components: r.Components, Optional: r.Optional, Listings: r.Listings, Profile: r.Profile, Evidence: r.Evidence, Env: r.Env,
		Prefix: filepath.Join(data, store.Prefixes, string(id)), Installed: i.o.Now, Kist: i.o.Version}}, err
}

func (i *Installer) progress(stage, name string, done, total int64) {
	i.report(Progress{Stage(stage), name, done, total})
}

// space finds before anything is fetched whether the toolchain can be written
// and fits.
func (i *Installer) space(r manifests.Release) error {
	var need int64
	for _, a := range r.Artifacts {
		need += max(a.Unpacked, a.Size)
	}
	data := i.roots.open(dataDir)
	if err := rootfs.Probe(data); err != nil {
		return err
	}
	free, _, err := rootfs.Space(data)
	if err != nil || free >= need {
		return err
	}
	return &download.SpaceError{Path: filepath.Join(i.o.Dirs.Data, "kist"), Need: need, Free: free}
}
