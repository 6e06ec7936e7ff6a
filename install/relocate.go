package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// This file adapts a store that was moved or copied as a whole: a home under another path, a
// layer of an image, a restored cache. Inside the data directory all links are relative,
// and files that kist writes into a prefix find it at run time. So what names the old
// place is: the links of commands in the bin directory, the launchers with their answers,
// the receipts, and the notes.

// A RelocatedError reports that the receipts of toolchains name another data directory than
// the one in which they are.
type RelocatedError struct {
	From string // the data directory of one of these receipts
	To   string // the data directory in use
}

func (e *RelocatedError) Error() string {
	return fmt.Sprintf("data directory %s was moved or copied from %s, which receipts and commands still name", e.To, e.From)
}

// Relocated returns a *RelocatedError if a receipt of s names another data directory than
// the one in use, else nil. Reading and running such toolchains needs no repair.
func (i *Installer) Relocated(s plan.State) *RelocatedError {
	if from := i.movedFrom(s); len(from) > 0 {
		return &RelocatedError{from[0], i.roots.Path(roots.Data)}
	}
	return nil
}

// movedFrom returns the other data directories that receipts of s name, sorted.
func (i *Installer) movedFrom(s plan.State) (dirs []string) {
	for _, r := range s.Receipts {
		if i.isMoved(r) && !r.Removed {
			dirs = append(dirs, filepath.Dir(filepath.Dir(r.Prefix)))
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// isMoved reports whether r names another data directory than the one in use. Another name
// of that one, such as the path of a mount, does not count.
func (i *Installer) isMoved(r record.Head) bool {
	return !i.roots.IsData(filepath.Dir(filepath.Dir(r.Prefix)))
}

// A Relocation is what Relocate did, or in a dry run what it would do.
type Relocation struct {
	From     []string      // the data directories that were left
	To       string        // the data directory in use
	Adapted  []record.Head // the toolchains whose receipts now name To
	Commands []string      // the commands that were linked
	// Left are the toolchains that are not as their receipts say, and Drifts what differs.
	// Their receipts and command links stay as they were.
	Left   []record.Head
	Drifts []Drift
	// OldPaths are files that were added to adapted toolchains, and hold the old path.
	// They stay as they are.
	OldPaths []string
}

// Relocate adapts a store that was moved or copied to where it is: it compares every
// toolchain with its receipt, links the commands of those that are unchanged, and records
// the new place in their receipts and in the notes. A release that differs is left as it
// is. Each step can be repeated, so after an interruption Relocate can be called again.
//
// It changes nothing and returns an *UnsafeDirError if another user owns or can write to
// a file of the store, a *SharedBinError if the store at the old place keeps its commands in
// the same bin directory, and the error of MayChange.
func (i *Installer) Relocate(ctx context.Context) (res Relocation, err error) {
	if err := i.roots.MayChange(); err != nil {
		return res, err
	}
	s, err := i.stateToChange()
	if err != nil {
		return res, err
	}
	former := i.roots.FormerAt(i.movedFrom(s))
	if err := i.mayRelocate(former); err != nil {
		return res, err
	}
	stored := i.roots.Dir(roots.Data) != nil // else nothing can be linked or locked
	if stored && !i.o.DryRun {
		var lock roots.Locks
		if lock, err = i.roots.Lock(ctx); err != nil {
			return res, err
		}
		defer func() { err = errors.Join(err, lock.Unlock()) }()
		if s, err = i.stateToChange(); err != nil { // another kist may have changed it before the lock
			return res, err
		}
	}
	res.From, res.To = i.movedFrom(s), i.roots.Path(roots.Data)
	moved, left, err := i.compareMoved(ctx, s, &res)
	if err != nil || !stored {
		return res, err
	}
	if res.Commands, err = i.relink(s, former, left); err != nil || i.o.DryRun {
		return res, err
	}
	for _, r := range moved {
		if err := i.store().PutReceipt(r); err != nil {
			return res, err
		}
	}
	if len(left) > 0 {
		return res, nil // its links may lead to a former place
	}
	return res, i.roots.ForgetFormer()
}

// mayRelocate returns an error if the store is not the user's alone, or its bin directory
// is that of another store.
func (i *Installer) mayRelocate(former []roots.Former) error {
	for _, f := range former {
		if f.ClaimsBin {
			return &SharedBinError{Bin: i.roots.Path(roots.Bin), Other: f.Path}
		}
	}
	return i.roots.CheckTree()
}

// compareMoved compares every toolchain of s with its receipt. It returns the receipts that
// name another place and whose toolchains are unchanged, with the new place, and the
// releases that differ. It adds both to res.
func (i *Installer) compareMoved(ctx context.Context, s plan.State, res *Relocation) (moved []record.Receipt, left map[record.ID]bool, err error) {
	left = map[record.ID]bool{}
	for _, id := range slices.Sorted(maps.Keys(s.Receipts)) {
		r, err := i.Receipt(id)
		if _, unread := errors.AsType[syscall.Errno](err); unread {
			return nil, nil, err
		} else if err != nil {
			left[id] = true
			res.Left, res.Drifts = append(res.Left, s.Receipts[id]), append(res.Drifts, Drift{id, i.Prefix(id), err.Error()})
			continue
		}
		adapt, old := i.isMoved(r.Head), r.Prefix
		r.Prefix = i.realPrefix(id) // the place to compare, too
		if !r.Removed {             // what a removal left has no content to compare
			drifts, err := i.compare(ctx, r)
			if err != nil {
				return nil, nil, err
			}
			if len(drifts) > 0 {
				left[id] = true
				res.Left, res.Drifts = append(res.Left, r.Head), append(res.Drifts, drifts...)
				continue
			}
		}
		if adapt {
			moved = append(moved, r)
		}
		if adapt && !r.Removed {
			res.Adapted = append(res.Adapted, r.Head)
			added, err := i.withOldPath(ctx, r, old)
			if err != nil {
				return nil, nil, err
			}
			res.OldPaths = append(res.OldPaths, added...)
		}
	}
	return moved, left, nil
}

// relink links the commands and the aliases in force, except those of releases in left. In
// the bin directory, links to a former data directory count as kist's. It returns the
// commands that it linked, or in a dry run would link.
func (i *Installer) relink(s plan.State, former []roots.Former, left map[record.ID]bool) (linked []string, err error) {
	owns := func(name, target string) bool {
		return i.isCommand(name, target) || slices.ContainsFunc(former, func(f roots.Former) bool { return target == commandBelow(f.Path, name) })
	}
	keep := map[string]bool{}
	for _, l := range s.Current.Links {
		keep[l.Name] = left[l.ID] && !slices.Contains(s.Current.Shims, l.Name)
	}
	for _, name := range s.Current.Names() {
		if keep[name] {
			continue
		}
		if free, err := i.mayLink(name, owns); err != nil {
			return nil, err
		} else if free {
			linked = append(linked, name)
		}
	}
	if i.o.DryRun {
		return linked, nil
	}
	for n, g := range s.Generations {
		if len(g.Shims) == 0 {
			continue
		}
		if err := i.store().RenewLauncher(n, i.launcher()); err != nil {
			return nil, err
		}
	}
	d, err := i.commandLinks(s.Current)
	if err != nil {
		return nil, err
	}
	d.owns = owns
	if err := i.dropLinks(d); err != nil { // keeps all of d.wanted
		return nil, err
	}
	maps.DeleteFunc(d.wanted, func(name, _ string) bool { return keep[name] })
	if err := i.addLinks(d); err != nil {
		return nil, err
	}
	return linked, i.addLinks(i.aliases(s.Current, s.Receipts))
}

// mayLink reports whether the link of a command has to be made, and nothing else has its
// name. owns reports whether a link is kist's.
func (i *Installer) mayLink(name string, owns func(name, target string) bool) (bool, error) {
	bin := i.roots.Dir(roots.Bin)
	if bin == nil {
		return true, nil
	}
	target, err := linkTarget(bin, name)
	if err != nil || target != "" {
		return target != i.command(name) && owns(name, target), err
	}
	_, err = bin.Lstat(name)
	return errors.Is(err, fs.ErrNotExist), rootfs.IgnoreMissing(err)
}
