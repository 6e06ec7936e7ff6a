package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// This file is the policy of what removal may delete: an entry of a receipt that
// still matches it, and an empty directory of a receipt. Nothing else, ever, and
// nothing recursively. A file matches if it has the recorded digest. It need not be
// read if its size, inode and times are those of when the receipt was sealed: nobody
// can set the change time.

// A ReceiptError is returned for a receipt that cannot be read or trusted.
type ReceiptError struct {
	ID  record.ID
	Err error
}

func (e *ReceiptError) Error() string { return fmt.Sprintf("receipt of %s: %v", e.ID, e.Err) }
func (e *ReceiptError) Unwrap() error { return e.Err }

// Receipt reads a receipt with all its paths. It returns a *ReceiptError if the
// receipt is damaged or its paths were edited.
func (i *Installer) Receipt(id record.ID) (record.Receipt, error) {
	r, err := i.store().Receipt(id)
	if err != nil {
		err = &ReceiptError{id, err}
	}
	return r, err
}

// A removal is a receipt that was checked for removal, and its open prefix.
type removal struct {
	receipt        record.Receipt
	tree           *tree // nil: nothing to remove
	stampsReliable bool  // the file system keeps reliable stamps
}

func (r *removal) close() {
	if r != nil && r.tree != nil {
		r.tree.close()
	}
}

// removals are removals by the release that they remove.
type removals map[record.ID]*removal

func (rs removals) close() {
	for _, r := range rs {
		r.close()
	}
}

// openRemoval opens a prefix for removal. It changes nothing. It returns an error if
// the prefix is reached through a new link, or if a recorded path leads through a
// directory that is now a link.
func (i *Installer) openRemoval(id record.ID) (*removal, error) {
	r, err := i.Receipt(id)
	if err != nil {
		return nil, err
	}
	t, err := i.openTree(r)
	if errors.Is(err, fs.ErrNotExist) {
		return &removal{receipt: r}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := i.crossesNoLink(r, t); err != nil {
		t.close()
		return nil, err
	}
	return &removal{r, t, t.root.KeepsStamps()}, nil
}

func (i *Installer) crossesNoLink(r record.Receipt, t *tree) error {
	links := map[string]bool{}
	for _, e := range r.Entries {
		if e.Type == record.Link {
			links[e.Path] = true
		}
	}
	checked := map[string]bool{".": true}
	for _, e := range r.Entries {
		for dir := path.Dir(e.Path); !checked[dir]; dir = path.Dir(dir) {
			checked[dir] = true
			if links[dir] {
				return &ReceiptError{r.ID, fmt.Errorf("%q lies behind the link %q", e.Path, dir)}
			}
			if info, err := t.lstat(dir); err == nil && info.Mode.Type() == fs.ModeSymlink {
				return &CrossedLinkError{r.ID, filepath.Join(i.Prefix(r.ID), filepath.FromSlash(dir))}
			}
		}
	}
	return nil
}

// removeFiles deletes the entries of a receipt that still match it, directories last
// and deepest first. It returns what it kept: changed paths, and unrecorded ones in
// recorded directories. It drops the receipt if no entry is left, else it shortens the
// receipt to the entries that are. No generation may name the receipt any more.
func (i *Installer) removeFiles(ctx context.Context, rm *removal) ([]Drift, error) {
	r, t := rm.receipt, rm.tree
	if t == nil {
		return nil, i.store().DropReceipt(r.ID)
	}
	at := func(p string) string { return filepath.Join(i.Prefix(r.ID), filepath.FromSlash(p)) }
	left, err := rm.removeContents(ctx, at, i.reached)
	if err != nil {
		return nil, err // the receipt is still complete, so the next run continues
	}
	recorded := sync.OnceValue(r.Paths)
	unrecorded := map[string][]string{}
	for n, e := range slices.Backward(r.Entries) {
		if e.Type != record.Dir {
			continue
		}
		gone, reason, err := rm.remove(t, e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", at(e.Path), err)
		}
		i.reached("directory removed")
		if !gone {
			left[n] = reason
			if unrecorded[e.Path], err = t.unrecorded(e.Path, recorded); err != nil {
				return nil, err
			}
		}
	}
	if unrecorded["."], err = t.unrecorded(".", recorded); err != nil {
		return nil, err
	}
	var kept []record.Entry
	var drifts []Drift
	for _, p := range unrecorded["."] {
		drifts = append(drifts, Drift{r.ID, at(p), "not recorded"})
	}
	for n, e := range r.Entries {
		reason, keep := left[n]
		if !keep {
			continue
		}
		e.Stamp = record.Stamp{}
		kept = append(kept, e)
		if e.Type != record.Dir {
			drifts = append(drifts, Drift{r.ID, at(e.Path), reason})
		}
		for _, p := range unrecorded[e.Path] {
			drifts = append(drifts, Drift{r.ID, at(p), "not recorded"})
		}
	}
	return drifts, i.shrink(r, kept, t)
}

// removeContents deletes everything except directories, several entries at a time. It
// returns the indices of the entries it kept, with the reasons. at returns the path of an
// entry for errors.
func (r *removal) removeContents(ctx context.Context, at func(p string) string, reached func(string)) (left map[int]string, err error) {
	const batch = 256
	left = map[int]string{}
	var mu sync.Mutex
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range min(maxAtOnce, runtime.GOMAXPROCS(0)) {
		group.Go(func() error {
			t := newTree(r.tree.root)
			defer t.forget()
			for {
				end := int(next.Add(batch))
				if end-batch >= len(r.receipt.Entries) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				for n := end - batch; n < min(end, len(r.receipt.Entries)); n++ {
					e := r.receipt.Entries[n]
					if e.Type == record.Dir {
						continue
					}
					gone, reason, err := r.remove(t, e)
					if err != nil {
						return fmt.Errorf("%s: %w", at(e.Path), err)
					}
					mu.Lock()
					if !gone {
						left[n] = reason
					}
					reached("entry removed")
					mu.Unlock()
				}
			}
		})
	}
	return left, group.Wait()
}

// shrink shortens the receipt of a removed release to kept, or drops it if kept is empty.
func (i *Installer) shrink(r record.Receipt, kept []record.Entry, t *tree) error {
	data := i.roots.Dir(roots.Data)
	t.forget()
	if len(kept) == 0 {
		err := data.Remove(path.Join(store.Prefixes, string(r.ID)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !rootfs.IsNotEmpty(err) {
			return err
		}
		i.reached("prefix removed")
		if err := rootfs.SyncDir(data, store.Prefixes); err != nil {
			return err
		}
		return i.store().DropReceipt(r.ID)
	}
	if r.Removed && len(kept) == len(r.Entries) {
		return nil
	}
	r.Removed, r.StampsReadAt, r.Entries, r.Commands = true, time.Time{}, kept, nil
	return i.store().PutReceipt(r)
}

// Preview returns what Apply would keep if it removed a release, and why. It changes
// nothing.
func (i *Installer) Preview(ctx context.Context, id record.ID) (kept []Drift, err error) {
	rm, err := i.openRemoval(id)
	if err != nil || rm.tree == nil {
		return nil, err
	}
	defer rm.close()
	r, t := rm.receipt, rm.tree
	recorded := sync.OnceValue(r.Paths)
	drift := func(p, reason string) {
		kept = append(kept, Drift{id, filepath.Join(i.Prefix(id), filepath.FromSlash(p)), reason})
	}
	for _, e := range slices.Concat([]record.Entry{{Path: ".", Type: record.Dir}}, r.Entries) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if e.Type == record.Dir {
			names, err := t.unrecorded(e.Path, recorded)
			if err != nil {
				return nil, err
			}
			for _, p := range names {
				drift(p, "not recorded")
			}
			continue
		}
		switch reason, err := rm.reasonToKeep(t, e); {
		case err != nil:
			return nil, err
		case reason != "" && reason != missing:
			drift(e.Path, reason)
		}
	}
	return kept, nil
}

// reasonToKeep returns why an entry of t must not be removed, "" if it may be.
func (r *removal) reasonToKeep(t *tree, e record.Entry) (reason string, err error) {
	if r.stampsReliable && r.stampMatches(t, e) {
		return "", nil
	}
	return t.difference(e, false)
}

// remove deletes one entry of t if it matches. gone is also true if it did not exist.
func (r *removal) remove(t *tree, e record.Entry) (gone bool, reason string, err error) {
	reason, err = r.reasonToKeep(t, e)
	switch {
	case err != nil:
		return false, "", err
	case reason == missing:
		return true, "", nil
	case reason != "":
		return false, reason, nil
	}
	parent, err := t.dir(path.Dir(e.Path))
	if err != nil {
		return false, "", err
	}
	if e.Type == record.Dir {
		if d, ok := t.dirs[e.Path]; ok {
			d.Close()
			delete(t.dirs, e.Path)
		}
	}
	switch err := parent.Remove(path.Base(e.Path)); {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return true, "", nil
	case e.Type == record.Dir && rootfs.IsNotEmpty(err):
		return false, "not empty", nil
	default:
		return false, "", err
	}
}

// stampMatches reports whether the file's stamp proves that nobody has changed the file
// e of t. If not, the file may still be unchanged.
func (r *removal) stampMatches(t *tree, e record.Entry) bool {
	if !r.receipt.StampTrusted(e) {
		return false
	}
	info, err := t.lstat(e.Path)
	return err == nil && info.Mode.IsRegular() && r.receipt.StampMatches(e, info.Size, record.Stamp(info.Stamp))
}

// unrecorded returns the paths in a directory that the receipt does not record.
func (t *tree) unrecorded(dir string, recorded func() map[string]bool) (foreign []string, err error) {
	d, err := t.dir(dir)
	if err != nil { // missing, or not a directory: nothing behind it is listed
		return nil, ignore(ignore(err, fs.ErrNotExist), rootfs.ErrNotDir)
	}
	names, err := d.AllNames()
	slices.Sort(names)
	for _, name := range names {
		if p := path.Join(dir, name); !recorded()[p] {
			foreign = append(foreign, p)
		}
	}
	return foreign, err
}
