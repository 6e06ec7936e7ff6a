package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
)

// Empty reports whether there is nothing of kist's: none of its directories.
func (i *Installer) Empty() bool { return i.roots.empty() }

// RemoveAll uninstalls everything: toolchains, links, receipts, generations.
// With self it removes besides what else kist keeps (cache, marks, settings)
// and the parent directories that kist made. It goes by the receipts and by
// names kist gave, and so needs neither a readable generation nor free space.
// It keeps what it does not know, and can be run again.
func (i *Installer) RemoveAll(ctx context.Context, self bool) (Result, error) {
	if i.Empty() {
		return Result{}, nil
	}
	lock, err := i.lock(ctx)
	if err != nil {
		return Result{}, err
	}
	heads, err := i.revoke()
	if err != nil {
		return Result{}, errors.Join(err, lock.Unlock())
	}
	res, err := i.removeEverything(ctx, heads)
	if err == nil && self {
		var left []Drift
		left, err = i.removeOwn(res.Kept)
		res.Kept = append(res.Kept, left...)
	}
	if err == nil && self {
		err = errors.Join(i.removeMade(lock), i.roots.close())
	} else {
		err = errors.Join(err, lock.Unlock())
	}
	if err != nil {
		err = &UnfinishedError{err}
	}
	return res, err
}

// revoke finds that every receipt is fit to remove by, then leaves nothing in
// force: the commit. It returns the heads of the receipts.
func (i *Installer) revoke() (map[record.ID]record.Head, error) {
	heads, damaged, err := i.receipts()
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(damaged)) {
		return nil, &ReceiptError{id, damaged[id]}
	}
	for _, id := range slices.Sorted(maps.Keys(heads)) {
		going, err := i.removal(id)
		if err != nil {
			return nil, err
		}
		going.close()
	}
	if i.roots.open(dataDir) == nil {
		return heads, nil // whoever removed it has removed what was in force
	}
	return heads, i.store().Revoke()
}

// removeEverything takes away all that was in force, now that nothing is.
func (i *Installer) removeEverything(ctx context.Context, heads map[record.ID]record.Head) (res Result, err error) {
	if err := i.align(plan.State{}); err != nil {
		return res, err
	}
	for _, s := range i.store().Sweep() {
		res.Kept = append(res.Kept, Drift{Path: s.Path, Reason: s.Reason()})
	}
	if err := i.store().DropUncommitted(); err != nil {
		return res, err
	}
	var failed error
	for _, id := range slices.Sorted(maps.Keys(heads)) {
		kept, err := i.removeOne(ctx, heads[id])
		res.Kept = append(res.Kept, kept...)
		switch {
		case ctx.Err() != nil:
			return res, ctx.Err()
		case err != nil:
			failed = errors.Join(failed, err) // and the others go
		case !heads[id].Removed:
			res.Removed = append(res.Removed, heads[id])
		}
	}
	if failed != nil {
		return res, failed
	}
	left, damaged, err := i.receipts()
	if err != nil {
		return res, err
	}
	unknown, err := i.removeEmptyPrefixes(left, damaged)
	res.Kept = append(res.Kept, unknown...)
	if err != nil {
		return res, err
	}
	if err := i.sweepEvidence(nil, nil); err != nil {
		return res, err
	}
	unknown, err = i.removeEmptied(res.Kept, store.Generations, store.Toolchains, store.Stages, store.Prefixes)
	res.Kept = append(res.Kept, unknown...)
	return res, err
}

// removeEmptied removes directories of kist's that have nothing of kist's in them any
// more, and names what keeps them from being empty, unless it is in prefixes or among
// what is known to be kept.
func (i *Installer) removeEmptied(kept []Drift, names ...string) (unknown []Drift, err error) {
	data := i.roots.open(dataDir)
	if data == nil {
		return nil, nil
	}
	for _, name := range names {
		if err := rmdirs(data, name); err != nil {
			return unknown, err
		}
		found, err := unrecorded(data, name, kept)
		unknown = append(unknown, found...)
		if err != nil {
			return unknown, err
		}
	}
	return unknown, nil
}

// unrecorded names the files below dir that are not kist's, and removes temporary ones.
// It passes over what is among kept, with all that is below it.
func unrecorded(root *os.Root, dir string, kept []Drift) (unknown []Drift, err error) {
	told := map[string]bool{}
	for _, k := range kept {
		told[k.Path] = true
	}
	err = fs.WalkDir(root.FS(), dir, func(p string, d fs.DirEntry, err error) error {
		at := filepath.Join(root.Name(), filepath.FromSlash(p))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case told[at] && d != nil && d.IsDir():
			return fs.SkipDir
		case err != nil, told[at], d.IsDir(), bookkeeping(p):
			return err
		}
		reason := "not kist's"
		if rootfs.IsTemp(p) {
			gone := ignore(root.Remove(p), fs.ErrNotExist)
			if gone == nil {
				return nil
			}
			reason = fmt.Sprintf("cannot be removed: %v", gone)
		}
		unknown = append(unknown, Drift{Path: at, Reason: reason})
		return nil
	})
	return unknown, err
}

func (i *Installer) removeOne(ctx context.Context, r record.Head) ([]Drift, error) {
	if r.Removed {
		return i.keptEarlier(r.ID)
	}
	going, err := i.removal(r.ID)
	if err != nil {
		return nil, err
	}
	defer going.close()
	return i.removeFiles(ctx, going)
}

// keptEarlier forgets what the user has removed since an earlier uninstall left
// it in place, and names the rest.
func (i *Installer) keptEarlier(id record.ID) (kept []Drift, err error) {
	if err := i.forgetGone(id); err != nil {
		return nil, err
	}
	r, err := i.store().Receipt(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range r.Entries {
		if e.Type != record.Dir {
			kept = append(kept, Drift{id, filepath.Join(i.Prefix(id), filepath.FromSlash(e.Path)), "kept earlier"})
		}
	}
	return kept, err
}

// removeEmptyPrefixes takes away the prefixes without a receipt that are empty,
// and names those that are not: nothing may be removed from them.
func (i *Installer) removeEmptyPrefixes(receipts map[record.ID]record.Head, damaged map[record.ID]error) (unknown []Drift, err error) {
	data := i.roots.open(dataDir)
	if data == nil {
		return nil, nil
	}
	prefixes, err := openPrefixes(data)
	if err != nil { // not there, or a link: what lies behind one is not kist's
		return nil, ignore(ignore(err, fs.ErrNotExist), rootfs.ErrNotDir)
	}
	defer prefixes.Close()
	names, err := prefixes.AllNames()
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		id := record.ID(name)
		_, known := receipts[id]
		_, unreadable := damaged[id]
		if known || unreadable {
			continue
		}
		info, err := prefixes.Lstat(name)
		if err == nil && info.Mode.IsDir() {
			err = prefixes.Remove(name)
		}
		switch {
		case err == nil && info.Mode.IsDir(), errors.Is(err, fs.ErrNotExist):
			i.reached("empty prefix dropped")
		case err == nil, rootfs.IsNotEmpty(err):
			unknown = append(unknown, Drift{Path: i.Prefix(id), Reason: "without a receipt"})
		default:
			return unknown, err
		}
	}
	return unknown, nil
}
