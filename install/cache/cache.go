// Package cache lists and prunes kist's cache directory: the archives that were
// downloaded, partial downloads, and the documents that proved releases. All of it can be
// fetched again. Evidence and marks are not part of it; a document that is evidence too
// has another name in the state directory, and stays under that one.
//
// A name proves nothing: a file is removed only if its content shows that kist wrote it,
// and never while a process is fetching it.
package cache

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"time"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// Kind is what an Item is.
type Kind string

// The kinds of items.
const (
	Archive   Kind = "archive"   // a downloaded and proved file
	Partial   Kind = "partial"   // a download that is not complete
	Documents Kind = "documents" // a directory of documents of one channel
)

// An Item is what is removed as one.
type Item struct {
	Kind     Kind
	Name     string        // below the cache directory
	Size     int64         // bytes
	Modified time.Time     // when it was last written
	Digest   verify.Digest // of an archive, SHA-256
}

// List returns what is in the cache directory: the archives and partial downloads, the
// oldest first, then the documents, the oldest first.
func List(root *os.Root) (items []Item, err error) {
	files, err := download.Files(root)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		kind := Archive
		if f.Partial {
			kind = Partial
		}
		items = append(items, Item{kind, f.Name, f.Size, f.Modified, f.Digest()})
	}
	sets, err := rootfs.ReadDir(root, manifests.DocumentsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, set := range sets {
		if !set.IsDir() {
			continue
		}
		item := Item{Kind: Documents, Name: path.Join(manifests.DocumentsDir, set.Name())}
		files, err := rootfs.ReadDir(root, item.Name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, f := range files {
			if info, err := f.Info(); err == nil && info.Mode().IsRegular() {
				item.Size += info.Size()
				item.Modified = latest(item.Modified, info.ModTime())
			}
		}
		items = append(items, item)
	}
	slices.SortStableFunc(items, func(a, b Item) int {
		return cmp.Or(bool2int(a.Kind == Documents)-bool2int(b.Kind == Documents), a.Modified.Compare(b.Modified))
	})
	return items, nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func bool2int(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Size returns how many bytes items have together.
func Size(items []Item) (total int64) {
	for _, item := range items {
		total += item.Size
	}
	return total
}

// A Rule says what is pruned. The zero Rule means all archives and partial downloads.
type Rule struct {
	Documents bool      // documents count too
	Before    time.Time // only what was last written before that; zero: all
	MaxSize   *int64    // only the oldest, until the cache has at most so many bytes; nil: all
}

// Select returns those of items, which are in the order of List, that rule means.
func (rule Rule) Select(items []Item) (selected []Item) {
	total := Size(items)
	for _, item := range items {
		switch {
		case item.Kind == Documents && !rule.Documents:
		case !rule.Before.IsZero() && !item.Modified.Before(rule.Before):
		case rule.MaxSize != nil && total <= *rule.MaxSize:
		default:
			selected = append(selected, item)
			total -= item.Size
		}
	}
	return selected
}

// An Owner reports whether kist wrote a file below the directory of documents.
type Owner func(root *os.Root, name string) (bool, error)

// Remove removes items, and returns those that it kept: kist did not write them, or a
// process is fetching them. about describes this process to others.
func Remove(ctx context.Context, root *os.Root, items []Item, owns Owner, about string) (removed, kept []Item, err error) {
	for _, item := range items {
		if err := ctx.Err(); err != nil {
			return removed, kept, err
		}
		gone := false
		if item.Kind == Documents {
			gone, err = removeDocuments(root, item.Name, owns)
		} else {
			gone, err = download.Drop(ctx, root, download.File{Name: item.Name, Partial: item.Kind == Partial}, about)
		}
		if err != nil {
			return removed, kept, err
		}
		if gone {
			removed = append(removed, item)
		} else {
			kept = append(kept, item)
		}
	}
	return removed, kept, nil
}

// removeDocuments removes the files of a directory of documents that kist wrote, the index
// of the others last, then the directory. It reports whether that is gone.
func removeDocuments(root *os.Root, dir string, owns Owner) (gone bool, err error) {
	files, err := rootfs.ReadDir(root, dir)
	if err != nil {
		return false, rootfs.IgnoreMissing(err)
	}
	var own []string
	for _, f := range files {
		name := path.Join(dir, f.Name())
		ok, err := owns(root, name)
		if err != nil {
			return false, err
		}
		if ok {
			own = append(own, name)
		}
	}
	// Without the index, nothing shows who wrote the others.
	isIndex := func(name string) int { return bool2int(path.Base(name) == "index.json") }
	slices.SortStableFunc(own, func(a, b string) int { return isIndex(a) - isIndex(b) })
	for _, name := range own {
		if err := rootfs.IgnoreMissing(root.Remove(name)); err != nil {
			return false, err
		}
	}
	if err := rootfs.RemoveEmptyDirs(root, dir); err != nil {
		return false, err
	}
	_, err = root.Lstat(dir)
	return errors.Is(err, fs.ErrNotExist), rootfs.IgnoreMissing(err)
}
