package install

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// This file removes everything, or kist itself: the releases by their receipts (remove.go),
// and all other files that are kist's by their content (survey.go).

// Empty reports whether none of kist's directories exists.
func (i *Installer) Empty() bool { return i.roots.Empty() }

// RemoveAll uninstalls everything: toolchains, links, receipts, generations.
// With self it also removes everything else that kist keeps (cache, marks, settings)
// and the parent directories that kist made. It follows the receipts, and decides about
// all other files by their content, so it needs neither a readable generation nor free
// space. It keeps and returns files that it does not know, and can be run again.
func (i *Installer) RemoveAll(ctx context.Context, self bool) (Result, error) {
	if i.Empty() {
		return Result{}, nil
	}
	held, err := i.lock(ctx)
	if err != nil {
		return Result{}, err
	}
	heads, err := i.revoke()
	if err != nil {
		return Result{}, errors.Join(err, held.Unlock())
	}
	res, err := i.removeEverything(ctx, heads, self)
	if err == nil && self {
		err = errors.Join(i.roots.RemoveMade(held), i.roots.Close())
	} else {
		err = errors.Join(err, held.Unlock())
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
	heads, err := i.readableReceipts()
	if err != nil {
		return nil, err
	}
	for _, r := range heads {
		left, err := i.Preview(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		kept = append(kept, left...)
	}
	s, err := i.survey(ctx, self)
	return append(kept, s.foreign...), err
}

// readableReceipts returns the heads of all receipts, ordered by ID. It returns a
// *ReceiptError if one of them is damaged.
func (i *Installer) readableReceipts() (heads []record.Head, err error) {
	all, damaged, err := i.store().Receipts()
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(damaged)) {
		return nil, &ReceiptError{id, damaged[id]}
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		heads = append(heads, all[id])
	}
	return heads, nil
}

// revoke checks that every receipt can be used for removal, then takes every
// generation out of force: this is the commit. It returns the heads of the receipts.
func (i *Installer) revoke() ([]record.Head, error) {
	heads, err := i.readableReceipts()
	if err != nil {
		return nil, err
	}
	for _, r := range heads {
		rm, err := i.openRemoval(r.ID)
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

// removeEverything removes all that was in force, after revoke, and with self everything
// else that is kist's, except what roots.RemoveMade removes.
func (i *Installer) removeEverything(ctx context.Context, heads []record.Head, self bool) (res Result, err error) {
	if err := i.alignLinks(plan.State{}); err != nil {
		return res, err
	}
	stuck := i.store().Sweep() // stages that a crash left and that cannot be removed
	defer func() {
		for _, s := range stuck {
			at := i.roots.PathAsGiven(s.Path)
			if s.Broken != nil {
				err = cmp.Or(err, fmt.Errorf("%s: %w", at, s.Broken))
				continue
			}
			if !slices.ContainsFunc(res.Leftovers, func(d Drift) bool { return d.Path == at }) {
				res.Leftovers = append(res.Leftovers, Drift{Path: at, Reason: s.Reason})
			}
		}
	}()
	if err := i.store().DropAll(); err != nil {
		return res, err
	}
	if err := i.removeReleases(ctx, heads, &res); err != nil {
		return res, err
	}
	left, damaged, err := i.store().Receipts()
	if err != nil {
		return res, err
	}
	if err := i.removeEmptyPrefixes(left, damaged); err != nil {
		return res, err
	}
	if err := i.sweepEvidence(nil, nil); err != nil {
		return res, err
	}
	if data := i.roots.Dir(roots.Data); data != nil {
		if err := rootfs.RemoveEmptyDirs(data, store.Generations, store.Toolchains, store.Stages, store.Prefixes); err != nil {
			return res, err
		}
	}
	if config := i.roots.Dir(roots.Config); self && config != nil && i.o.Retire != nil {
		if err := i.o.Retire(config); err != nil { // first: a channel must not be left without its keys or its mark
			return res, err
		}
	}
	s, err := i.survey(ctx, self)
	res.Leftovers = append(res.Leftovers, s.foreign...)
	if err == nil && self {
		err = i.removeOwn(s)
	}
	return res, err
}

// removeReleases removes the files of releases. If one fails, the others are still removed.
func (i *Installer) removeReleases(ctx context.Context, heads []record.Head, res *Result) (failed error) {
	for _, r := range heads {
		kept, bytes, err := i.remove(ctx, r.ID, nil)
		res.Leftovers = append(res.Leftovers, kept...)
		res.Freed += bytes
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			failed = errors.Join(failed, err)
		case !r.Removed:
			res.Removed = append(res.Removed, r)
		}
	}
	return failed
}

// removeEmptyPrefixes removes the empty prefixes that have no receipt. Nothing may be
// removed from prefixes that have no receipt and are not empty.
func (i *Installer) removeEmptyPrefixes(receipts map[record.ID]record.Head, damaged map[record.ID]error) error {
	data := i.roots.Dir(roots.Data)
	if data == nil {
		return nil
	}
	prefixes, err := openPrefixes(data)
	if errors.Is(err, rootfs.ErrNotDir) { // files behind a link are not kist's
		return nil
	}
	if err != nil {
		return rootfs.IgnoreMissing(err)
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
		if err := rootfs.RemoveEmptyDirs(data, path.Join(store.Prefixes, name)); err != nil {
			return err
		}
		i.reached("empty prefix dropped")
	}
	return nil
}

// removeOwn removes the files of kist's that belong to no toolchain: the cache, the marks,
// the settings. It keeps a file that has changed since the survey. Then it removes the
// directories that held them, if they are empty.
func (i *Installer) removeOwn(s survey) error {
	for _, f := range s.own {
		if ofToolchains(f.name) {
			continue // removed with its receipt or its generation, which may stay
		}
		info, err := f.root.Lstat(f.name)
		if err == nil && os.SameFile(info, f.info) && info.Size() == f.info.Size() && info.ModTime().Equal(f.info.ModTime()) {
			err = f.root.Remove(f.name)
		}
		if err := rootfs.IgnoreMissing(err); err != nil {
			return err
		}
		i.reached("own files dropped")
	}
	for _, which := range roots.Own() {
		if i.roots.Dir(which) == nil || i.roots.SharedWithEarlier(which) {
			continue
		}
		if err := i.removeOwnDirs(which, s.foreign); err != nil {
			return err
		}
	}
	return nil
}

// removeOwnDirs removes kist's empty directories below the root of a role, innermost first,
// except those that are reported as kept. It opens only directories, since opening a
// pipe would wait for its other end.
func (i *Installer) removeOwnDirs(which roots.Role, kept []Drift) error {
	root := i.roots.Dir(which)
	var dirs []string // outermost first
	err := fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrPermission):
			return nil
		case err != nil:
			return rootfs.IgnoreMissing(err)
		case p == "." || !d.IsDir():
			return nil
		case !i.ownDir(p), slices.ContainsFunc(kept, func(k Drift) bool { return k.Path == i.foreign(which, p).Path }):
			return fs.SkipDir
		}
		dirs = append(dirs, p)
		if path.Dir(p) == store.Prefixes {
			return fs.SkipDir // kist's patterns name no directory inside a prefix
		}
		return nil
	})
	slices.Reverse(dirs)
	return errors.Join(err, rootfs.RemoveEmptyDirs(root, dirs...))
}

// ProgramRemover returns a function that removes kist itself, the file name in the bin
// directory, to be called after everything else is removed. It removes only the file that
// exists now, through a handle of the directory that is open now.
func (i *Installer) ProgramRemover(name string) (remove func() error, err error) {
	dir := i.roots.Dir(roots.Bin)
	if dir == nil {
		return nil, &fs.PathError{Op: "open", Path: i.o.Dirs.Bin, Err: fs.ErrNotExist}
	}
	bin, err := dir.OpenRoot(".")
	if err != nil {
		return nil, err
	}
	before, err := bin.Lstat(name)
	if err != nil {
		return nil, errors.Join(err, bin.Close())
	}
	return func() error {
		defer bin.Close()
		now, err := bin.Lstat(name)
		if err == nil && !os.SameFile(before, now) {
			err = fmt.Errorf("%s was replaced by another file", filepath.Join(i.o.Dirs.Bin, name))
		}
		if err != nil {
			return err
		}
		return bin.Remove(name)
	}, nil
}
