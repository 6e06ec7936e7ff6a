package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/install/copies"
	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// publish makes r snapshot n and switches to it. before is the snapshot that is served.
func (m *Mirror) publish(ctx context.Context, r record, n, before uint64) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if len(data) > maxRecord || len(r.Entries) > copies.MaxFiles || len(r.Releases) > maxReleases {
		return &manifests.TooLargeError{Name: recordFile(n), Limit: maxRecord}
	}
	syncer, err := rootfs.OpenSyncer(m.Root)
	if err != nil {
		return err
	}
	defer syncer.Close()
	// The record comes first, so that it lists whatever a killed run leaves.
	if err := rootfs.WriteFile(m.Root, recordFile(n), data, fileMode); err != nil {
		return err
	}
	if err := m.Root.Mkdir(snapshotDir(n), dirMode); err != nil {
		return err
	}
	made := map[string]bool{}
	for _, e := range r.Entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := m.place(snapshotDir(n), e, made); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	if err := syncer.Sync(); err != nil {
		return err
	}
	if before > 0 {
		if err := rootfs.ReplaceLink(m.Root, snapshotDir(before), Previous); err != nil {
			return err
		}
	}
	return rootfs.ReplaceLink(m.Root, snapshotDir(n), Current)
}

// place makes the file of e in the directory dir: a link to the file in the store, or a
// copy where the file system has no hard links or no more of them.
func (m *Mirror) place(dir string, e copies.File, made map[string]bool) error {
	name := path.Join(dir, e.Path)
	if parent := path.Dir(name); !made[parent] {
		if _, err := rootfs.MkdirAllUnsynced(m.Root, parent, dirMode); err != nil {
			return err
		}
		made[parent] = true
	}
	info, err := m.Root.Lstat(blobOf(e))
	if err != nil {
		return err
	}
	if !e.IsUnchanged(info) {
		return fmt.Errorf("its file in %s was changed while kist was at work", storeDir)
	}
	if err := m.Root.Link(blobOf(e), name); err == nil {
		return nil
	}
	from, err := rootfs.OpenRegular(m.Root, blobOf(e))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := m.Root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, io.LimitReader(from, e.Size))
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	at := time.Unix(0, e.Modified)
	return m.Root.Chtimes(name, at, at)
}

// clean removes all snapshots but those in keep, and the files of the store that none of
// these uses. It returns how many files of the store it removed, and the paths in removed
// snapshots that stay because no record lists them as they are.
func (m *Mirror) clean(ctx context.Context, store *os.Root, keep ...uint64) (removed int, kept []string, err error) {
	all, err := records(m.Root)
	if err != nil {
		return 0, nil, err
	}
	live := map[string]bool{}
	for _, n := range all {
		if !slices.Contains(keep, n) {
			continue
		}
		r, err := readRecord(m.Root, n)
		if err != nil {
			continue // of the previous snapshot, whose files stay until it is removed
		}
		for _, e := range r.Entries {
			live[e.Digest.Hex()] = true
		}
	}
	for _, n := range all {
		if slices.Contains(keep, n) {
			continue
		}
		left, err := m.removeSnapshot(n)
		if kept = append(kept, left...); err != nil {
			return removed, kept, err
		}
	}
	removed, err = sweepStore(ctx, store, live)
	return removed, kept, err
}

// removeSnapshot removes the files of snapshot n that its record lists and that are
// unchanged, then its record and its empty directories. It returns the paths that stay.
func (m *Mirror) removeSnapshot(n uint64) (kept []string, err error) {
	r, err := readRecord(m.Root, n)
	if _, damaged := errors.AsType[*RecordError](err); damaged {
		return []string{recordFile(n)}, nil
	}
	dirs := map[string]bool{snapshotDir(n): true}
	for _, e := range r.Entries {
		name := path.Join(snapshotDir(n), e.Path)
		for dir := path.Dir(name); dir != snapshotsDir; dir = path.Dir(dir) {
			dirs[dir] = true
		}
		info, err := m.Root.Lstat(name)
		if err == nil && e.IsUnchanged(info) {
			err = m.Root.Remove(name)
		}
		if err := rootfs.IgnoreMissing(err); err != nil {
			return kept, err
		}
	}
	deepest := slices.SortedFunc(maps.Keys(dirs), func(a, b string) int { return strings.Compare(b, a) })
	if err := rootfs.RemoveEmptyDirs(m.Root, deepest...); err != nil {
		return kept, err
	}
	err = m.walk(snapshotDir(n), func(name string) { kept = append(kept, name) })
	if err == nil {
		err = rootfs.Remove(m.Root, recordFile(n))
	}
	return kept, err
}

// walk calls found with each path below dir that is not a directory. A missing dir has
// none.
func (m *Mirror) walk(dir string, found func(name string)) error {
	err := fs.WalkDir(m.Root.FS(), dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			found(name)
		}
		return err
	})
	return rootfs.IgnoreMissing(err)
}

// sweepStore removes the files that package download wrote to the store, except the blobs
// in live: all downloads are complete when it is called.
func sweepStore(ctx context.Context, store *os.Root, live map[string]bool) (removed int, err error) {
	for _, dir := range download.Dirs() {
		entries, err := rootfs.ReadDir(store, dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return removed, err
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if live[e.Name()] || !e.Type().IsRegular() || isKnown(store, name, live) {
				continue
			}
			own, err := download.Owns(ctx, store, name)
			if own {
				err = store.Remove(name)
				removed++
			}
			if err := rootfs.IgnoreMissing(err); err != nil {
				return removed, err
			}
		}
	}
	return removed, nil
}

// isKnown reports whether the file name is a note that leads to a blob in live.
func isKnown(store *os.Root, name string, live map[string]bool) bool {
	text, err := rootfs.ReadFile(store, name, 65)
	return err == nil && live[strings.TrimSpace(string(text))]
}
