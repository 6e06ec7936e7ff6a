package install

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/record"
)

// RemoveAll uninstalls everything: toolchains, links, receipts, generations.
// With self it removes besides what else kist keeps (cache, marks, settings)
// and the parent directories that kist made. It goes by the receipts and by
// names kist gave, and so needs neither a readable generation nor free space.
// It keeps what it does not know, and can be run again.
func (i *Installer) RemoveAll(ctx context.Context, self bool) (Result, error) {
	if i.roots.empty() {
		return Result{}, nil
	}
	lock, err := i.lock(ctx, "uninstall everything")
	if err != nil {
		return Result{}, err
	}
	res, err := i.removeEverything(ctx)
	if err == nil && self {
		var left []Drift
		left, err = i.removeOwn()
		res.Kept = append(res.Kept, left...)
	}
	if err = errors.Join(err, lock.Unlock()); err != nil || !self {
		return res, err
	}
	return res, errors.Join(i.removeMade(), i.roots.close())
}

func (i *Installer) removeEverything(ctx context.Context) (res Result, err error) {
	data := i.roots.open(dataDir)
	if data == nil {
		return res, nil
	}
	heads, damaged, err := i.store().Receipts()
	if err != nil {
		return res, err
	}
	for id, err := range damaged {
		return res, &ReceiptError{id, err}
	}
	ids := make([]record.ID, 0, len(heads))
	for id := range heads {
		if err := i.removable(id); err != nil {
			return res, err
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)

	// The commit: from here on nothing is in force.
	if err := ignore(data.Remove(store.Current), fs.ErrNotExist); err != nil {
		return res, err
	}
	if err := i.removeInForce(); err != nil {
		return res, err
	}
	for _, id := range ids {
		var kept []Drift
		if heads[id].Removed {
			kept, err = i.keptEarlier(id)
		} else {
			kept, err = i.removeFiles(ctx, id)
			res.Removed = append(res.Removed, heads[id])
		}
		res.Kept = append(res.Kept, kept...)
		if err != nil {
			return res, err
		}
	}
	unknown, err := i.removeEmptyPrefixes()
	res.Kept = append(res.Kept, unknown...)
	if err != nil {
		return res, err
	}
	return res, rmdirs(data, store.Generations, store.Toolchains, store.Stages, store.Prefixes)
}

// removeInForce takes away the links, the aliases, the stages and every
// generation.
func (i *Installer) removeInForce() error {
	if _, err := i.alignBin(record.Generation{}); err != nil {
		return err
	}
	if err := i.alignAliases(record.Generation{}, nil); err != nil {
		return err
	}
	numbers, err := i.store().Numbers()
	if err != nil {
		return err
	}
	for _, n := range numbers {
		if err := i.store().DropGeneration(n); err != nil {
			return err
		}
	}
	return i.store().SweepStages()
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
func (i *Installer) removeEmptyPrefixes() (unknown []Drift, err error) {
	data := i.roots.open(dataDir)
	prefixes, err := enter(data, store.Prefixes)
	if err != nil { // not there, or a link: what lies behind one is not kist's
		return nil, ignore(ignore(err, fs.ErrNotExist), errLink)
	}
	defer prefixes.Close()
	entries, err := fs.ReadDir(prefixes.FS(), ".")
	if err != nil {
		return nil, err
	}
	heads, damaged, err := i.store().Receipts()
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		id := record.ID(e.Name())
		_, known := heads[id]
		_, unreadable := damaged[id]
		if known || unreadable {
			continue
		}
		if err := rmdirs(prefixes, e.Name()); err != nil {
			return unknown, err
		}
		if _, err := prefixes.Lstat(e.Name()); err == nil {
			unknown = append(unknown, Drift{Path: i.Prefix(id), Reason: "without a receipt"})
		}
	}
	return unknown, nil
}
