package install

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// repair repairs, under the lock, what a crash left. Each step can be repeated. It
// removes stages whose writer has ended and partly written files, drops generations
// that were never switched to, forgets kept paths that the user has since removed,
// and calls tidy, which finishes removals and aligns links and aliases with the
// current generation. It keeps unreadable receipts with their prefixes, and stages
// that cannot be removed.
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
	unchanged := true
	for id, r := range s.Receipts {
		if !r.Removed {
			continue
		}
		unchanged = false
		if err := i.shortenReceipt(id); err != nil {
			i.o.Warn(err.Error() + "; left alone")
		}
	}
	if err := i.removeEmptyPrefixes(s.Receipts, s.Damaged); err != nil {
		return res, err
	}
	if !unchanged {
		if s, err = i.stateToChange(); err != nil {
			return res, err
		}
	}
	return i.tidy(ctx, s, nil)
}

// shortenReceipt removes from the receipt of a removed release the paths that the
// user has removed since, and the directories that are empty now. Files that the
// user changed stay, even if they were changed back.
func (i *Installer) shortenReceipt(id record.ID) error {
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
	rm := &removal{receipt: r, tree: t}
	var kept []record.Entry
	for _, e := range slices.Backward(r.Entries) {
		if e.Type == record.Dir {
			gone, _, err := rm.remove(t, e)
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

// lstat is Lstat for a path whose parents are real directories.
func (t *tree) lstat(p string) (rootfs.Info, error) {
	parent, err := t.dir(path.Dir(p))
	if err != nil {
		return rootfs.Info{}, err
	}
	return parent.Lstat(path.Base(p))
}
