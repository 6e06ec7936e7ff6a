package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
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
	"github.com/kist-tools/kist/verify"
)

// This file removes releases. It deletes an entry of a receipt that still matches the
// disk, and a directory of a receipt that is empty. Nothing else, ever, and nothing
// recursively. A file matches if it has the recorded digest. It need not be read if its
// size, inode and times are those of when the receipt was sealed: nobody can set the
// change time. A preview is the same computation without the deletions.
//
// The calls of `kist uninstall TOOL`, from the argument to the unlink (cobra's own, and
// the goroutines of run and removeFiles, left out):
//
//	 1  main                  hands in the environment
//	 2  realMain              ends the process with the exit code
//	 3  run                   builds the command line
//	 4  RunE of the command   prints the warnings about the directories
//	 5  run of uninstall      finds the installed releases that the arguments name
//	 6  app.change            plans the change, and shows the result
//	 7  Installer.Apply       stages what the plan installs: nothing
//	 8  Installer.commit      under the lock: checks, then switches to a generation without the release
//	 9  Installer.tidy        removes every release that no generation names any more
//	10  Installer.remove      removes one release, then shortens or drops its receipt
//	11  removal.run           files and links first, then directories
//	12  removal.removeFiles   (or removeDirs) goes through the entries of the receipt
//	13  removal.removeEntry   compares one entry with the disk
//	14  rootfs.Dir.Remove     unlinks one name in an open directory
//
// `kist uninstall --all` and `kist self uninstall` are the same from 10 on: RemoveAll
// (remove_all.go) takes the place of 6 to 9.

// A ReceiptError is returned for a receipt that cannot be read or trusted.
type ReceiptError struct {
	ID  record.ID
	Err error
}

func (e *ReceiptError) Error() string { return fmt.Sprintf("receipt of %s: %v", e.ID, e.Err) }
func (e *ReceiptError) Kind() string  { return verify.ReadKind(e.Err, "refused") }
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

// Preview returns what Apply would keep if it removed a release, and why. It changes
// nothing.
func (i *Installer) Preview(ctx context.Context, id record.ID) (kept []Drift, err error) {
	rm, err := i.openRemoval(id)
	if err != nil {
		return nil, err
	}
	defer rm.close()
	kept, _, err = rm.run(ctx, true)
	return kept, err
}

// remove deletes the entries of a receipt that still match it, and returns what it kept, and
// how many bytes the files had that are gone.
// It drops the receipt if no entry is left, else it shortens the receipt to the entries
// that are. No generation may name the receipt any more. If rm is nil, it opens the release
// id itself.
func (i *Installer) remove(ctx context.Context, id record.ID, rm *removal) (kept []Drift, bytes int64, err error) {
	if rm == nil {
		if rm, err = i.openRemoval(id); err != nil {
			return nil, 0, err
		}
		defer rm.close()
	}
	kept, left, err := rm.run(ctx, false)
	if err != nil {
		return nil, 0, err // the receipt is still complete, so the next run continues
	}
	if rm.tree != nil {
		bytes = unpackedSize(rm.receipt.Entries).Bytes - unpackedSize(left).Bytes
	}
	return kept, bytes, i.shorten(rm, left)
}

// shorten shortens the receipt of a removed release to the entries that are left. If there
// are none, it removes the prefix and drops the receipt.
func (i *Installer) shorten(rm *removal, left []record.Entry) error {
	r := rm.receipt
	switch {
	case rm.tree == nil:
		return i.store().DropReceipt(r.ID)
	case len(left) == 0:
		rm.tree.Forget()
		data := i.roots.Dir(roots.Data)
		if err := rootfs.RemoveEmptyDirs(data, path.Join(store.Prefixes, string(r.ID))); err != nil {
			return err
		}
		i.reached("prefix removed")
		if err := rootfs.SyncDir(data, store.Prefixes); err != nil {
			return err
		}
		return i.store().DropReceipt(r.ID)
	case r.Removed && len(left) == len(r.Entries):
		return nil
	}
	r.Removed, r.StampsReadAt, r.Entries, r.Commands = true, time.Time{}, left, nil
	return i.store().PutReceipt(r)
}

// A removal is the receipt of a release that is to be removed, and its open prefix.
type removal struct {
	receipt        record.Receipt
	tree           *tree // nil: the prefix does not exist
	stampsReliable bool  // the file system keeps reliable stamps
	at             func(p string) string
	reached        func(step string)
}

// openRemoval opens a release for removal. It changes nothing. It returns an error if
// the prefix is reached through a new link, or if a recorded path leads through a
// directory that is now a link.
func (i *Installer) openRemoval(id record.ID) (*removal, error) {
	rm, err := i.openRelease(id)
	if err != nil {
		return nil, err
	}
	if err := rm.checkLinks(); err != nil {
		rm.close()
		return nil, err
	}
	return rm, nil
}

// openRelease is openRemoval without the check of the recorded paths. It is enough for a
// release that was removed already, of which only empty directories are removed.
func (i *Installer) openRelease(id record.ID) (*removal, error) {
	r, err := i.Receipt(id)
	if err != nil {
		return nil, err
	}
	rm := &removal{receipt: r, at: func(p string) string { return i.pathIn(r.ID, p) }, reached: i.reached}
	t, err := i.openTree(r)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return rm, nil
	case err != nil:
		return nil, err
	}
	rm.tree, rm.stampsReliable = t, t.root.KeepsStamps()
	return rm, nil
}

func (rm *removal) close() {
	if rm.tree != nil {
		rm.tree.Close()
	}
}

// checkLinks returns an error if an entry lies behind a link, recorded or new.
func (rm *removal) checkLinks() error {
	if rm.tree == nil {
		return nil
	}
	r := rm.receipt
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
			if info, err := rm.tree.lstat(dir); err == nil && info.Mode.Type() == fs.ModeSymlink {
				return &CrossedLinkError{r.ID, rm.at(dir)}
			}
		}
	}
	return nil
}

// run removes what may be removed, directories last and deepest first. In a preview it
// changes nothing. It returns what is kept: changed paths, and unrecorded ones in recorded
// directories. left are the entries of the receipt that are still there.
func (rm *removal) run(ctx context.Context, preview bool) (kept []Drift, left []record.Entry, err error) {
	if rm.tree == nil {
		return nil, nil, nil
	}
	reasons, err := rm.removeFiles(ctx, preview)
	if err == nil && !preview {
		err = rm.removeDirs(reasons)
	}
	if err != nil {
		return nil, nil, err
	}
	r := rm.receipt
	recorded := sync.OnceValue(r.Paths)
	addUnrecorded := func(dir string) error {
		names, err := rm.tree.unrecorded(dir, recorded)
		for _, p := range names {
			kept = append(kept, Drift{r.ID, rm.at(p), "not recorded"})
		}
		return err
	}
	if err := addUnrecorded("."); err != nil {
		return nil, nil, err
	}
	for n, e := range r.Entries {
		if reasons[n] != "" {
			e.Stamp = record.Stamp{}
			left = append(left, e)
		}
		switch {
		case e.Type == record.Dir:
			err = addUnrecorded(e.Path)
		case reasons[n] != "":
			kept = append(kept, Drift{r.ID, rm.at(e.Path), reasons[n]})
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return kept, left, nil
}

// removeFiles removes everything except directories, several entries at a time. It
// returns, by the index of an entry, why it was kept; "" if it is gone.
func (rm *removal) removeFiles(ctx context.Context, preview bool) (reasons []string, err error) {
	const batch = 256
	entries := rm.receipt.Entries
	reasons = make([]string, len(entries))
	var next atomic.Int64
	var reporting sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for range min(maxAtOnce, runtime.GOMAXPROCS(0)) {
		group.Go(func() error {
			t := newTree(rm.tree.root)
			defer t.Forget()
			for {
				end := int(next.Add(batch))
				if end-batch >= len(entries) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				for n := end - batch; n < min(end, len(entries)); n++ {
					if entries[n].Type == record.Dir {
						continue
					}
					var err error
					if reasons[n], err = rm.removeEntry(t, entries[n], preview); err != nil {
						return err
					}
					if !preview {
						reporting.Lock()
						rm.reached("entry removed")
						reporting.Unlock()
					}
				}
			}
		})
	}
	return reasons, group.Wait()
}

// removeDirs removes the directories that are empty, and adds to reasons why the others
// were kept.
func (rm *removal) removeDirs(reasons []string) (err error) {
	for n, e := range slices.Backward(rm.receipt.Entries) {
		if e.Type != record.Dir {
			continue
		}
		if reasons[n], err = rm.removeEntry(rm.tree, e, false); err != nil {
			return err
		}
		rm.reached("directory removed")
	}
	return nil
}

// removeEntry removes one entry if nothing forbids it, or only finds that out in a preview.
// It returns why the entry is kept, "" if it is gone.
func (rm *removal) removeEntry(t *tree, e record.Entry, preview bool) (reason string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", rm.at(e.Path), err)
		}
	}()
	reason, err = rm.reasonToKeep(t, e)
	switch {
	case err != nil:
		return "", err
	case reason == missing:
		return "", nil
	case reason != "" || preview:
		return reason, nil
	}
	parent, err := t.Get(path.Dir(e.Path))
	if err != nil {
		return "", err
	}
	t.Drop(e.Path)
	switch err := parent.Remove(path.Base(e.Path)); {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return "", nil
	case e.Type == record.Dir && rootfs.IsNotEmpty(err):
		return "not empty", nil
	default:
		return "", err
	}
}

// reasonToKeep returns why an entry must not be removed, missing if it is gone already,
// and "" if it may be removed. What an earlier removal kept stays, even if it was changed
// back.
func (rm *removal) reasonToKeep(t *tree, e record.Entry) (reason string, err error) {
	if rm.receipt.Removed && e.Type != record.Dir {
		if _, err := t.lstat(e.Path); errors.Is(err, fs.ErrNotExist) {
			return missing, nil
		}
		return "kept earlier", nil
	}
	if rm.stampsReliable && rm.stampMatches(t, e) {
		return "", nil
	}
	return t.difference(e, false)
}

// stampMatches reports whether the file's stamp proves that nobody has changed the file
// e. If not, the file may still be unchanged.
func (rm *removal) stampMatches(t *tree, e record.Entry) bool {
	if !rm.receipt.StampTrusted(e) {
		return false
	}
	info, err := t.lstat(e.Path)
	return err == nil && info.Mode.IsRegular() && rm.receipt.StampMatches(e, info.Size, record.Stamp(info.Stamp))
}
