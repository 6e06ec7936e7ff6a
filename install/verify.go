package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/kist-tools/kist/install/record"
)

// Drift is a recorded path that no longer matches its receipt, or an unrecorded
// path that was found when the recorded ones were removed.
type Drift struct {
	ID     record.ID `json:"id"`
	Path   string    `json:"path"`   // absolute
	Reason string    `json:"reason"` // "changed", "missing", "not recorded", Unreadable, …
}

// Unreadable is the Reason of the Drift of a path that this user may not read, so that it
// is not known whether it changed.
const Unreadable = "cannot be read by this user"

// Verify compares an installed prefix with its receipt, path by path. It returns how
// many paths it compared and those that differ or cannot be read, in the order of the
// receipt.
func (i *Installer) Verify(ctx context.Context, id record.ID) (paths int, drifts []Drift, err error) {
	r, err := i.Receipt(id)
	if err != nil {
		return 0, nil, err
	}
	drifts, err = i.compare(ctx, r)
	return len(r.Entries), drifts, err
}

// compare compares the prefix of r with r, path by path, and returns the paths that differ.
func (i *Installer) compare(ctx context.Context, r record.Receipt) (drifts []Drift, err error) {
	add := func(p, reason string) {
		drifts = append(drifts, Drift{r.ID, i.pathIn(r.ID, p), reason})
	}
	t, err := i.openTree(r)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			add("", missing)
			return drifts, nil
		}
		return nil, err
	}
	defer t.Close()
	var total, done int64
	for _, e := range r.Entries {
		total += e.Size
	}
	for _, e := range r.Entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		reason, err := t.difference(e, true)
		if errors.Is(err, fs.ErrPermission) {
			reason, err = Unreadable, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Path, err)
		}
		if reason != "" {
			add(e.Path, reason)
		}
		done += e.Size
		i.report(Progress{Verify, r.Ref(), r.Tool + " " + r.Version, done, total})
	}
	return drifts, nil
}
