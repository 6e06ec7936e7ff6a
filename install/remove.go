package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/record"
)

// This file is the policy of what removal may touch: an entry of a receipt
// that still matches it, and a directory of a receipt that is empty. Nothing
// else, ever, and no directory with what is in it.

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
	return &removal{r, t}, nil
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
			if _, err := t.dir(dir); errors.Is(err, errLink) {
				if info, err := t.lstat(dir); err == nil && info.Mode().Type() == fs.ModeSymlink {
					return &CrossedLinkError{r.ID, filepath.Join(i.Prefix(r.ID), filepath.FromSlash(dir))}
				}
			}
		}
	}
	return nil
}

// removeFiles deletes what a receipt records and still matches, deepest first,
// and returns what it left: changed paths, and unrecorded ones that keep a
// recorded directory from being empty. The receipt is dropped when nothing
// recorded is left, else it shrinks to what is. No generation may name it any more.
func (i *Installer) removeFiles(ctx context.Context, going *removal) ([]Drift, error) {
	r, t := going.receipt, going.tree
	if t == nil {
		return nil, i.store().DropReceipt(r.ID)
	}
	var kept []record.Entry
	var drifts []Drift
	keep := func(p, reason string) {
		drifts = append(drifts, Drift{r.ID, filepath.Join(i.Prefix(r.ID), filepath.FromSlash(p)), reason})
	}
	recorded := map[string]bool{}
	for _, e := range r.Entries {
		recorded[e.Path] = true
	}
	for _, e := range slices.Backward(r.Entries) {
		if err := ctx.Err(); err != nil {
			return drifts, err // the receipt is whole; running again goes on from here
		}
		gone, reason, err := t.remove(e)
		if err != nil {
			return drifts, fmt.Errorf("%s: %w", filepath.Join(i.Prefix(r.ID), filepath.FromSlash(e.Path)), err)
		}
		i.reached("entry removed")
		if gone {
			continue
		}
		kept = append(kept, e)
		if e.Type != record.Dir {
			keep(e.Path, reason)
			continue
		}
		for _, name := range t.unrecorded(e.Path, recorded) {
			keep(name, "not recorded")
		}
	}
	for _, name := range t.unrecorded(".", recorded) {
		keep(name, "not recorded")
	}
	slices.Reverse(kept)
	slices.Reverse(drifts)
	return drifts, i.shrink(r, kept, t)
}

// shrink shortens or drops the receipt of a removed release.
func (i *Installer) shrink(r record.Receipt, kept []record.Entry, t *tree) error {
	data := i.roots.open(dataDir)
	t.forget()
	if len(kept) == 0 {
		err := data.Remove(path.Join(store.Prefixes, string(r.ID)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !notEmpty(err) {
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
	r.Removed, r.Entries, r.Commands = true, kept, nil
	return i.store().PutReceipt(r)
}

// remove deletes one entry if it matches. gone is true as well if it was not there.
func (t *tree) remove(e record.Entry) (gone bool, reason string, err error) {
	reason, err = t.differs(e, false)
	switch {
	case err != nil:
		return false, "", err
	case reason == "missing":
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
	case e.Type == record.Dir && notEmpty(err):
		return false, "not empty", nil
	default:
		return false, "", err
	}
}

// unrecorded names what a directory holds that its receipt does not know.
func (t *tree) unrecorded(dir string, recorded map[string]bool) []string {
	d, err := t.dir(dir)
	if err != nil {
		return nil
	}
	f, err := d.Open(".")
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(-1)
	slices.Sort(names)
	slices.Reverse(names)
	var foreign []string
	for _, name := range names {
		if p := path.Join(dir, name); !recorded[p] {
			foreign = append(foreign, p)
		}
	}
	return foreign
}
