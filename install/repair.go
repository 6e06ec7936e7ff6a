package install

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// A Leftover is something that an interrupted change left, and that the next one mends.
type Leftover = store.Leftover

// Repair mends what an interrupted change left: what Leftovers returns. Every change begins
// with the same. It waits for other processes as long as Options.LockWait says. It returns
// what it mended, and the files that it kept because they were changed or are not kist's.
func (i *Installer) Repair(ctx context.Context) (mended []Leftover, kept []Drift, err error) {
	if i.roots.Dir(roots.Data) == nil || i.roots.Dir(roots.State) == nil {
		return nil, nil, i.MayChange() // nothing was ever installed
	}
	held, err := i.lock(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, held.Unlock()) }()
	before, err := i.leftoversNow()
	if err != nil {
		return nil, nil, err
	}
	res, err := i.repair(ctx)
	if err != nil {
		return nil, res.Leftovers, err
	}
	after, err := i.leftoversNow()
	return slices.DeleteFunc(before, func(l Leftover) bool { return slices.Contains(after, l) }), res.Leftovers, err
}

func (i *Installer) leftoversNow() ([]Leftover, error) {
	s, err := i.stateToChange()
	if err != nil {
		return nil, err
	}
	return i.Leftovers(s)
}

// Holder reports whether a process is changing what is installed, and how it described
// itself: "<pid> kist install, since 10:12:30".
func (i *Installer) Holder() (holder string, held bool, err error) { return i.store().Holder() }

// Leftovers returns what Repair would mend in the state s: files that are removed, and
// links that are made or removed. It changes nothing. What a process that changes the store
// at this moment is writing counts, too: see Holder.
func (i *Installer) Leftovers(s plan.State) (found []Leftover, err error) {
	if i.roots.Dir(roots.Data) == nil {
		return nil, nil
	}
	if found, err = i.store().Leftovers(); err != nil {
		return found, err
	}
	for _, id := range s.Unreferenced() {
		found = append(found, Leftover{Path: i.Prefix(id), Reason: "its removal did not end"})
	}
	for _, d := range []linkDir{i.existingCommandLinks(s.Current), i.aliases(s.Current, s.Receipts)} {
		lacking, _, err := d.lacking()
		if err != nil {
			return found, err
		}
		surplus, _, err := d.surplus()
		if err != nil {
			return found, err
		}
		for _, name := range lacking {
			found = append(found, Leftover{Path: filepath.Join(d.path, filepath.FromSlash(name)), Reason: "a link that is missing, or leads elsewhere"})
		}
		for _, name := range surplus {
			found = append(found, Leftover{Path: filepath.Join(d.path, filepath.FromSlash(name)), Reason: "a link that nothing needs"})
		}
	}
	return found, nil
}

// Obstacles returns what has the name of a lock of kist's, and is another file. As long as it
// is there, nothing can be changed, or the rest of an interrupted change cannot be removed.
func (i *Installer) Obstacles() ([]Leftover, error) { return i.store().Obstacles() }

// Marks returns the marks of all channels, and the files of marks that cannot be read.
func (i *Installer) Marks() (all []verify.Mark, damaged []Leftover, err error) {
	return i.store().Marks()
}

// Space returns how many bytes and inodes are free for this user on the file system of one of
// kist's directories: "data", "state", "cache", "config" or "bin". volume tells file systems
// apart. ok is false if the directory does not exist, or the system cannot tell.
func (i *Installer) Space(role string) (free, inodes, volume int64, ok bool) {
	root := i.roots.Dir(roots.Role(role))
	if root == nil {
		return 0, 0, 0, false
	}
	free, inodes, err := rootfs.Space(root)
	if err != nil {
		return 0, 0, 0, false
	}
	volume, err = rootfs.Volume(root)
	return free, inodes, volume, err == nil
}

// Obstructed returns the paths of kist's own links in the state s that something else has.
func (i *Installer) Obstructed(s plan.State) (paths []string, err error) {
	for _, d := range []linkDir{i.existingCommandLinks(s.Current), i.aliases(s.Current, s.Receipts)} {
		_, obstructed, failed := d.lacking()
		for _, name := range obstructed {
			paths = append(paths, filepath.Join(d.path, filepath.FromSlash(name)))
		}
		err = errors.Join(err, failed)
	}
	return paths, err
}

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
