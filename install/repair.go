package install

import (
	"context"

	"github.com/kist-tools/kist/install/record"
)

// repair repairs, under the lock, what a crash left. Each step can be repeated. It
// removes stages whose writer has ended and partly written files, drops generations
// that were never switched to, forgets kept paths that the user has since removed,
// and calls tidy, which finishes removals and aligns links and aliases with the
// current generation. It keeps unreadable receipts with their prefixes, and stages
// that cannot be removed.
func (i *Installer) repair(ctx context.Context) (res Result, err error) {
	for _, stuck := range i.store().Sweep() {
		i.o.Warn(stuck.String() + "; left alone")
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
		err := i.forgetGone(ctx, id)
		if cause := ctx.Err(); cause != nil {
			return res, cause
		}
		if err != nil {
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
	return i.tidy(ctx, s, nil, nil)
}

// forgetGone removes from the receipt of a removed release the paths that the user has
// removed since, and the directories that are empty now. Files that the user changed stay,
// even if they were changed back.
func (i *Installer) forgetGone(ctx context.Context, id record.ID) error {
	rm, err := i.openRelease(id)
	if err != nil {
		return err
	}
	defer rm.close()
	_, _, err = i.remove(ctx, id, rm)
	return err
}
