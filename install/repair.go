package install

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/record"
)

// repair puts right what a crash left, under the lock, by steps that each may
// be done again: it sweeps stages whose writer is gone and files that were being
// written, drops generations that were never switched to, forgets kept paths
// that the user has since removed, and tidies: which finishes removals, and
// brings links and aliases into line with the current generation. Receipts that
// cannot be read are left alone, with their prefixes, and so is what cannot be swept.
func (i *Installer) repair(ctx context.Context) (res Result, err error) {
	for _, stuck := range i.store().Sweep() {
		i.o.Warn(stuck.Error() + "; left alone")
	}
	if err := i.store().DropUncommitted(); err != nil {
		return res, err
	}
	s, err := i.stateToChange()
	if err != nil {
		return res, err
	}
	asItWas := true
	for id, r := range s.Receipts {
		if !r.Removed {
			continue
		}
		asItWas = false
		if err := i.forgetGone(id); err != nil {
			i.o.Warn(err.Error() + "; left alone")
		}
	}
	if err := i.removeEmptyPrefixes(s.Receipts, s.Damaged); err != nil {
		return res, err
	}
	if !asItWas {
		if s, err = i.stateToChange(); err != nil {
			return res, err
		}
	}
	return i.tidy(ctx, s, nil)
}

// forgetGone shortens the receipt of a removed release by the paths that the
// user has removed since, and by the directories that are empty now. What the
// user changed stays, even if it was changed back.
func (i *Installer) forgetGone(id record.ID) error {
	r, err := i.Receipt(id)
	if err != nil {
		i.o.Warn(err.Error() + "; left alone")
		return nil
	}
	t, err := i.openTree(r)
	if errors.Is(err, fs.ErrNotExist) {
		return i.store().DropReceipt(r.ID)
	}
	if err != nil {
		i.o.Warn(err.Error() + "; left alone")
		return nil
	}
	defer t.close()
	going := &removal{receipt: r, tree: t}
	var kept []record.Entry
	for _, e := range slices.Backward(r.Entries) {
		if e.Type == record.Dir {
			gone, _, err := going.remove(t, e)
			if err != nil {
				return err
			}
			if !gone {
				kept = append(kept, e)
			}
			continue
		}
		if _, err := t.lstat(e.Path); !errors.Is(err, fs.ErrNotExist) {
			kept = append(kept, e)
		}
	}
	slices.Reverse(kept)
	return i.shrink(r, kept, t)
}

// lstat looks at a path whose parents are real directories.
func (t *tree) lstat(p string) (rootfs.Info, error) {
	parent, err := t.dir(path.Dir(p))
	if err != nil {
		return rootfs.Info{}, err
	}
	return parent.Lstat(path.Base(p))
}
