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

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/record"
)

// This file is the policy of what removal may touch: an entry of a receipt
// that still matches it, and a directory of a receipt that is empty. Nothing
// else, ever, and no directory with what is in it. A file matches if it has the
// recorded digest; it need not be read where its size, inode and times, of which
// nobody can set the last, are those that it had when the receipt was sealed.

// A ReceiptError refuses to act on a receipt that cannot be believed.
type ReceiptError struct {
	ID  record.ID
	Err error
}

func (e *ReceiptError) Error() string { return fmt.Sprintf("receipt of %s: %v", e.ID, e.Err) }
func (e *ReceiptError) Unwrap() error { return e.Err }

// Receipt reads a receipt with all its paths. It returns a *ReceiptError where
// the receipt is damaged or was edited to lead elsewhere.
func (i *Installer) Receipt(id record.ID) (record.Receipt, error) {
	r, err := i.store().Receipt(id)
	if err != nil {
		err = &ReceiptError{id, err}
	}
	return r, err
}

// A removal is a receipt that was found fit to remove by, and the prefix that it
// speaks of.
type removal struct {
	receipt record.Receipt
	tree    *tree // nil: there is nothing to remove
	stamped bool  // the file system's stamps can be relied on
}

func (r *removal) close() {
	if r != nil && r.tree != nil {
		r.tree.close()
	}
}

// removals are several, by what they remove.
type removals map[record.ID]*removal

func (rs removals) close() {
	for _, r := range rs {
		r.close()
	}
}

// removal refuses, before anything is touched, a prefix that must not be removed
// from: one reached through a new link, and one in which a recorded path leads
// through something that is not a directory any more but a link.
func (i *Installer) removal(id record.ID) (*removal, error) {
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

// removeFiles deletes what a receipt records and still matches, the directories
// last and deepest first, and returns what it left: changed paths, and unrecorded
// ones that keep a recorded directory from being empty. The receipt is dropped
// when nothing recorded is left, else it shrinks to what is. No generation may
// name it any more.
func (i *Installer) removeFiles(ctx context.Context, going *removal) ([]Drift, error) {
	r, t := going.receipt, going.tree
	if t == nil {
		return nil, i.store().DropReceipt(r.ID)
	}
	at := func(p string) string { return filepath.Join(i.Prefix(r.ID), filepath.FromSlash(p)) }
	left, err := going.removeContents(ctx, at, i.reached)
	if err != nil {
		return nil, err // the receipt is whole; running again goes on from here
	}
	recorded := sync.OnceValue(r.Paths)
	unrecorded := map[string][]string{}
	for n, e := range slices.Backward(r.Entries) {
		if e.Type != record.Dir {
			continue
		}
		gone, reason, err := going.remove(t, e)
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
		reason, stays := left[n]
		if !stays {
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

// removeContents deletes all but the directories, several at a time, and returns
// which entries it left, and why. at names a path in an error.
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

// shrink shortens or drops the receipt of a removed release.
func (i *Installer) shrink(r record.Receipt, kept []record.Entry, t *tree) error {
	data := i.roots.open(dataDir)
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
	r.Removed, r.Sealed, r.Entries, r.Commands = true, time.Time{}, kept, nil
	return i.store().PutReceipt(r)
}

// Kept returns what the removal of a release would leave in place, and why, as
// Apply would. Nothing is touched.
func (i *Installer) Kept(ctx context.Context, id record.ID) (kept []Drift, err error) {
	going, err := i.removal(id)
	if err != nil || going.tree == nil {
		return nil, err
	}
	defer going.close()
	r, t := going.receipt, going.tree
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
		switch reason, err := going.stays(t, e); {
		case err != nil:
			return nil, err
		case reason != "" && reason != missing:
			drift(e.Path, reason)
		}
	}
	return kept, nil
}

// stays says why an entry of t may not be removed, "" if it may.
func (r *removal) stays(t *tree, e record.Entry) (reason string, err error) {
	if r.stamped && r.untouched(t, e) {
		return "", nil
	}
	return t.differs(e, false)
}

// remove deletes one entry of t if it matches. gone is true as well if it was not
// there.
func (r *removal) remove(t *tree, e record.Entry) (gone bool, reason string, err error) {
	reason, err = r.stays(t, e)
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

// untouched reports whether the file system itself proves that nobody has
// touched the file e of t; if not, it may still be as it was.
func (r *removal) untouched(t *tree, e record.Entry) bool {
	if !r.receipt.Settled(e) {
		return false
	}
	info, err := t.lstat(e.Path)
	return err == nil && info.Mode.IsRegular() && r.receipt.Untouched(e, info.Size, record.Stamp(info.Stamp))
}

// unrecorded names what a directory holds that its receipt does not know.
func (t *tree) unrecorded(dir string, recorded func() map[string]bool) (foreign []string, err error) {
	d, err := t.dir(dir)
	if err != nil { // not there, or no directory: what lies behind it is not looked at
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
