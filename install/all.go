package install

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// Empty reports whether none of kist's directories exists.
func (i *Installer) Empty() bool { return i.roots.Empty() }

// RemoveAll uninstalls everything: toolchains, links, receipts, generations.
// With self it also removes everything else that kist keeps (cache, marks, settings)
// and the parent directories that kist made. It follows the receipts, and decides about
// all other files by their content (own.go), so it needs neither a readable generation
// nor free space. It keeps and returns files that it does not know, and can be run again.
func (i *Installer) RemoveAll(ctx context.Context, self bool) (Result, error) {
	if i.Empty() {
		return Result{}, nil
	}
	lock, err := i.roots.Lock(ctx)
	if err != nil {
		return Result{}, err
	}
	heads, err := i.revoke()
	if err != nil {
		return Result{}, errors.Join(err, lock.Unlock())
	}
	res, stuck, err := i.removeEverything(ctx, heads)
	if config := i.roots.Dir(roots.Config); err == nil && self && config != nil && i.o.Retire != nil {
		err = i.o.Retire(config) // first: a channel must not be left without its keys or its mark
	}
	var left survey
	if err == nil {
		left, err = i.surveyDirs(ctx, self)
		res.Leftovers = append(res.Leftovers, left.foreign...)
	}
	for _, s := range stuck {
		at := i.roots.PathAsGiven(s.Path)
		if !slices.ContainsFunc(res.Leftovers, func(d Drift) bool { return d.Path == at }) {
			res.Leftovers = append(res.Leftovers, Drift{Path: at, Reason: s.Reason()})
		}
	}
	if err == nil && self {
		err = i.removeOwn(left)
	}
	if err == nil && self {
		err = errors.Join(i.roots.RemoveMade(lock), i.roots.Close())
	} else {
		err = errors.Join(err, lock.Unlock())
	}
	if err != nil {
		err = &UnfinishedError{err}
	}
	return res, err
}

// PreviewRemoveAll returns what RemoveAll would keep, and why. It changes nothing.
func (i *Installer) PreviewRemoveAll(ctx context.Context, self bool) (kept []Drift, err error) {
	if i.Empty() {
		return nil, nil
	}
	heads, damaged, err := i.store().Receipts()
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(damaged)) {
		return nil, &ReceiptError{id, damaged[id]}
	}
	for _, id := range slices.Sorted(maps.Keys(heads)) {
		preview := i.Preview
		if heads[id].Removed {
			preview = i.keptEarlier
		}
		left, err := preview(ctx, id)
		if err != nil {
			return nil, err
		}
		kept = append(kept, left...)
	}
	s, err := i.surveyDirs(ctx, self)
	return append(kept, s.foreign...), err
}

// revoke checks that every receipt can be used for removal, then takes every
// generation out of force: this is the commit. It returns the heads of the receipts.
func (i *Installer) revoke() (map[record.ID]record.Head, error) {
	heads, damaged, err := i.store().Receipts()
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(damaged)) {
		return nil, &ReceiptError{id, damaged[id]}
	}
	for _, id := range slices.Sorted(maps.Keys(heads)) {
		rm, err := i.openRemoval(id)
		if err != nil {
			return nil, err
		}
		rm.close()
	}
	if i.roots.Dir(roots.Data) == nil {
		return heads, nil // without a data directory, nothing is in force
	}
	return heads, i.store().Revoke()
}

// removeEverything removes all that was in force, after revoke. stuck are the stages
// that a crash left and that cannot be removed.
func (i *Installer) removeEverything(ctx context.Context, heads map[record.ID]record.Head) (res Result, stuck []*store.StuckError, err error) {
	if err := i.alignLinks(plan.State{}); err != nil {
		return res, stuck, err
	}
	stuck = i.store().Sweep()
	if err := i.store().DropAll(); err != nil {
		return res, stuck, err
	}
	var failed error
	for _, id := range slices.Sorted(maps.Keys(heads)) {
		kept, err := i.removeOne(ctx, heads[id])
		res.Leftovers = append(res.Leftovers, kept...)
		switch {
		case ctx.Err() != nil:
			return res, stuck, ctx.Err()
		case err != nil:
			failed = errors.Join(failed, err) // the other releases are still removed
		case !heads[id].Removed:
			res.Removed = append(res.Removed, heads[id])
		}
	}
	if failed != nil {
		return res, stuck, failed
	}
	left, damaged, err := i.store().Receipts()
	if err != nil {
		return res, stuck, err
	}
	if err := i.removeEmptyPrefixes(left, damaged); err != nil {
		return res, stuck, err
	}
	if err := i.sweepEvidence(nil, nil); err != nil {
		return res, stuck, err
	}
	if data := i.roots.Dir(roots.Data); data != nil {
		err = rootfs.RemoveEmptyDirs(data, store.Generations, store.Toolchains, store.Stages, store.Prefixes)
	}
	return res, stuck, err
}

func (i *Installer) removeOne(ctx context.Context, r record.Head) ([]Drift, error) {
	if r.Removed {
		if err := i.shortenReceipt(r.ID); err != nil {
			return nil, err
		}
		return i.keptEarlier(ctx, r.ID)
	}
	rm, err := i.openRemoval(r.ID)
	if err != nil {
		return nil, err
	}
	defer rm.close()
	return i.removeFiles(ctx, rm)
}

// keptEarlier returns the paths that an earlier uninstall left in place and that still
// exist. It changes nothing.
func (i *Installer) keptEarlier(ctx context.Context, id record.ID) (kept []Drift, err error) {
	r, err := i.store().Receipt(id)
	if err != nil {
		return nil, ignore(err, fs.ErrNotExist)
	}
	t, err := i.openTree(r)
	if err != nil {
		return nil, ignore(err, fs.ErrNotExist)
	}
	defer t.close()
	recorded := sync.OnceValue(r.Paths)
	at := func(p string) string { return filepath.Join(i.Prefix(id), filepath.FromSlash(p)) }
	for _, e := range slices.Concat([]record.Entry{{Path: ".", Type: record.Dir}}, r.Entries) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if e.Type != record.Dir {
			if _, err := t.lstat(e.Path); err == nil {
				kept = append(kept, Drift{id, at(e.Path), "kept earlier"})
			}
			continue
		}
		names, err := t.unrecorded(e.Path, recorded)
		if err != nil {
			return nil, err
		}
		for _, p := range names {
			kept = append(kept, Drift{id, at(p), "not recorded"})
		}
	}
	return kept, nil
}

// removeEmptyPrefixes removes the empty prefixes that have no receipt. Nothing may be
// removed from prefixes that have no receipt and are not empty.
func (i *Installer) removeEmptyPrefixes(receipts map[record.ID]record.Head, damaged map[record.ID]error) error {
	data := i.roots.Dir(roots.Data)
	if data == nil {
		return nil
	}
	prefixes, err := openPrefixes(data)
	if err != nil { // missing, or a link: files behind a link are not kist's
		return ignore(ignore(err, fs.ErrNotExist), rootfs.ErrNotDir)
	}
	defer prefixes.Close()
	names, err := prefixes.AllNames()
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		id := record.ID(name)
		_, known := receipts[id]
		_, unreadable := damaged[id]
		if known || unreadable || !id.Valid() {
			continue
		}
		info, err := prefixes.Lstat(name)
		if err == nil && info.Mode.IsDir() {
			err = prefixes.Remove(name)
		}
		switch {
		case err == nil && info.Mode.IsDir(), errors.Is(err, fs.ErrNotExist):
			i.reached("empty prefix dropped")
		case err != nil && !rootfs.IsNotEmpty(err):
			return err
		}
	}
	return nil
}
