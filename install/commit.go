package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// This file is the part of a change that happens under the lock. Every step that
// can fail for lack of space or permission comes before the one step that puts
// the change in force; the steps after that only remove things.

// An UnfinishedError reports that a change is in force, but that a later step
// failed: usually the removal of files that are no longer needed. The next
// change completes it.
type UnfinishedError struct{ Err error }

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("the change was made, but a later step failed: %v", e.Err)
}

func (e *UnfinishedError) Unwrap() error { return e.Err }

// commit carries out p under the lock. It plans again, since another kist may have changed
// the state, and returns the plan that counts. If that needs a release that is not staged,
// commit has changed nothing.
func (i *Installer) commit(ctx context.Context, p plan.Plan, staged stagedReleases) (res Result, now plan.Plan, err error) {
	lock, err := i.lock(ctx)
	if err != nil {
		return Result{}, p, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if res, err = i.repair(ctx); err != nil {
		return res, p, err
	}
	change := p.Change
	if change.Remove, err = i.withoutRemoved(change.Remove); err != nil {
		return res, p, err
	}
	now, s, err := i.planNow(change)
	if err != nil {
		return res, now, err
	}
	if now.InForce() {
		res.Generation = s.Current
		if err := i.putRequested(now.Follow); err != nil || len(now.Free) == 0 {
			return res, now, err
		}
		ready, err := i.openRemovals(now.Free)
		if err != nil {
			return res, now, err
		}
		defer ready.close()
		tidied, err := i.tidy(ctx, s, now.Free, ready)
		if err != nil {
			err = &UnfinishedError{err}
		}
		return res.with(tidied), now, err
	}
	if !staged.cover(now) {
		return Result{}, now, nil
	}
	ready, err := i.openRemovals(now.Remove)
	if err != nil {
		return res, now, err
	}
	defer ready.close()
	before := s.Current
	next, err := i.switchTo(ctx, now, s, staged, &res)
	if err != nil {
		return res, now, err
	}
	i.noteUse(slices.DeleteFunc(slices.Clone(before.Receipts), next.Has)...)
	var tidied Result
	if s, err = i.stateToChange(); err == nil {
		tidied, err = i.tidy(context.WithoutCancel(ctx), s, now.Free, ready)
	}
	res = res.with(tidied)
	res.Generation = next
	if err != nil {
		err = &UnfinishedError{err}
	}
	return res, now, err
}

// with returns r with what other removed and left.
func (r Result) with(other Result) Result {
	r.Removed = append(r.Removed, other.Removed...)
	r.Leftovers = append(r.Leftovers, other.Leftovers...)
	r.Freed += other.Freed
	return r
}

// removals are releases that are ready to be removed.
type removals map[record.ID]*removal

// openRemovals opens the releases ids for removal.
func (i *Installer) openRemovals(ids []record.ID) (removals, error) {
	ready := removals{}
	for _, id := range ids {
		rm, err := i.openRemoval(id)
		if err != nil {
			ready.close()
			return nil, err
		}
		ready[id] = rm
	}
	return ready, nil
}

func (all removals) close() {
	for _, rm := range all {
		rm.close()
	}
}

// switchTo publishes what p installs, and switches to the generation that p means, which
// it returns. s is the state that p was made from. It adds what was installed to res. If it
// fails, it undoes what it did.
func (i *Installer) switchTo(ctx context.Context, p plan.Plan, s plan.State, staged stagedReleases, res *Result) (next record.Generation, err error) {
	var fresh []record.Head
	skipped, unpacked := map[record.ID][]string{}, map[record.ID]Unpacked{}
	for _, in := range p.Install {
		st := staged.of(in.Release)
		id := st.receipt.ID
		unpacked[id] = unpackedSize(st.receipt.Entries)
		fresh = append(fresh, st.receipt.Head)
		s.Receipts[id] = st.receipt.Head
		if len(st.skipped) > 0 {
			skipped[id] = st.skipped
		}
	}
	next = s.Generations[p.Goto]
	if p.Goto == 0 {
		if next, err = plan.Next(s, p, fresh, i.o.Now); err != nil {
			return next, err
		}
		highest, err := i.store().Highest()
		if err != nil {
			return next, err
		}
		next.Number = highest + 1
	}
	i.o.Linking(s.Current, next)
	if err := ctx.Err(); err != nil {
		return next, err
	}
	if err := i.putRequested(p.Follow); err != nil {
		return next, err
	}
	if err := i.publish(p, next, s.Receipts, staged); err != nil {
		_, undo := i.repair(context.WithoutCancel(ctx))
		return next, errors.Join(err, undo)
	}
	res.Installed, res.Skipped, res.Unpacked = fresh, skipped, unpacked
	return next, nil
}

// putRequested stores in receipts the version that the user requested.
func (i *Installer) putRequested(requested map[record.ID]string) error {
	for id, asked := range requested {
		r, err := i.Receipt(id)
		if err != nil {
			return err
		}
		r.Requested = asked
		if err := i.store().PutReceipt(r); err != nil {
			return err
		}
	}
	return nil
}

// withoutRemoved returns ids without those that the repair has just removed.
func (i *Installer) withoutRemoved(ids []record.ID) ([]record.ID, error) {
	receipts, damaged, err := i.store().Receipts()
	return slices.DeleteFunc(slices.Clone(ids), func(id record.ID) bool {
		r, readable := receipts[id]
		return r.Removed || !readable && damaged[id] == nil
	}), err
}

// publish puts the staged releases in place, with everything else that the
// generation next needs, and switches to it: this is the commit.
func (i *Installer) publish(p plan.Plan, next record.Generation, receipts map[record.ID]record.Head, staged stagedReleases) error {
	for _, in := range p.Install {
		st := staged.of(in.Release)
		stage := st.stage
		st.stage = nil
		if err := i.store().Publish(stage, st.receipt); err != nil {
			return errors.Join(err, stage.Discard())
		}
	}
	if p.Goto == 0 {
		if err := i.store().Prepare(next, i.launcher()); err != nil {
			return err
		}
	}
	if err := i.addNextLinks(next, receipts); err != nil {
		return err
	}
	return i.store().Switch(next.Number)
}

// tidy makes everything else agree with the current generation of s: its
// confirmation, the links, the aliases, the generations that name removed
// releases, or those of freed, the files that no generation names, and their evidence.
// Removals in ready were checked before the commit, and their failure is an error. For any
// other removal, of a release that an update no longer keeps, or that an earlier change left
// over, failure is only a warning, so that it does not block other changes.
func (i *Installer) tidy(ctx context.Context, s plan.State, freed []record.ID, ready removals) (res Result, err error) {
	res.Generation = s.Current
	var failed error
	if err := i.store().Confirm(s.Current.Number); err != nil {
		return res, err
	}
	if err := i.alignLinks(s); err != nil {
		return res, err
	}
	if res.Leftovers, err = i.prune(s, freed); err != nil {
		return res, err
	}
	for _, id := range s.Unreferenced() {
		kept, bytes, err := i.remove(ctx, id, ready[id])
		res.Leftovers = append(res.Leftovers, kept...)
		res.Freed += bytes
		if cause := ctx.Err(); cause != nil {
			return res, cause
		}
		if err != nil && ready[id] == nil {
			i.o.Warn(err.Error() + "; left alone")
			continue
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		res.Removed = append(res.Removed, s.Receipts[id])
		delete(s.Receipts, id) // kept files need no evidence
	}
	return res, errors.Join(failed, i.sweepEvidence(s.Receipts, s.Damaged))
}

// prune drops every other generation that names a release that the current one removes,
// and takes out of the others what is freed: freed, and what the current one frees. It
// updates s, and returns the files in the directories of dropped generations that are not
// kist's.
func (i *Installer) prune(s plan.State, freed []record.ID) (kept []Drift, err error) {
	drop := func(numbers []uint64) error {
		for _, n := range numbers {
			foreign, err := i.PreviewDropGenerations(n)
			if err == nil {
				err = i.store().KeepProjects(n, s.Current.Number)
			}
			if err == nil {
				err = i.store().DropGeneration(n)
			}
			if err != nil {
				return err
			}
			kept = append(kept, foreign...)
			delete(s.Generations, n)
		}
		return nil
	}
	if err := drop(s.Stale()); err != nil {
		return kept, err
	}
	dropped, reduced := s.WithoutFreed(slices.Concat(freed, s.Current.Freeing))
	for _, g := range reduced {
		if err := i.store().ReplaceGeneration(g); err != nil {
			return kept, err
		}
		s.Generations[g.Number] = g
	}
	return kept, drop(dropped)
}

// PreviewDropGenerations returns what dropping these generations would keep. It changes nothing.
func (i *Installer) PreviewDropGenerations(numbers ...uint64) (kept []Drift, err error) {
	for _, n := range numbers {
		foreign, err := i.store().ForeignIn(n)
		if err != nil {
			return nil, err
		}
		for _, name := range foreign {
			kept = append(kept, i.foreign(roots.Data, name))
		}
	}
	return kept, nil
}

// sweepEvidence removes the evidence that no receipt needs, unless a receipt is
// damaged: then its needs are unknown.
func (i *Installer) sweepEvidence(receipts map[record.ID]record.Head, damaged map[record.ID]error) error {
	if len(damaged) > 0 {
		return nil
	}
	needed := map[verify.Digest]bool{}
	for _, r := range receipts {
		for _, d := range r.Proofs() {
			needed[d] = true
		}
	}
	return i.store().SweepEvidence(needed)
}

// repairOnly is Apply for an empty plan. It repairs what a crash may have left,
// unless another kist holds the lock, which does the same.
func (i *Installer) repairOnly(ctx context.Context) (Result, error) {
	if !i.o.DryRun {
		i.forgetInstalled()
		held, err := i.roots.LockExisting(ctx)
		var busy *rootfs.BusyError
		switch {
		case held == nil && err == nil: // nothing was ever installed
		case err == nil:
			res, err := i.repair(ctx)
			return res, errors.Join(err, held.Unlock())
		case !errors.As(err, &busy) && !cannotWrite(err):
			return Result{}, err
		}
	}
	s, err := i.State()
	return Result{Generation: s.Current}, err
}

// cannotWrite reports whether err means that this user can write nothing at present. An
// operation that needs no writing may ignore that.
func cannotWrite(err error) bool {
	_, others := errors.AsType[*OwnerError](err)
	return others || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOSPC)
}
