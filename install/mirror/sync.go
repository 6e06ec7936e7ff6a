package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/copies"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// A Wish is what the user of Sync asks for.
type Wish struct {
	copies.Wish
	URL   string // where clients find the snapshot that is served, ending in "/"; "": as before
	Prune bool   // remove what is not named any more
}

// A Synced is what Sync did.
type Synced struct {
	config.Holdings                   // as mirror.toml records them now
	Replaced        []config.Replaced // what it recorded otherwise before
	Snapshot        uint64
	Changed         bool     // there is a new snapshot
	Documents       int      // in the snapshot
	Artifacts       int      // in the snapshot
	Size            int64    // bytes of both
	Fetched         int      // artifacts that were fetched or proved again
	Bytes           int64    // of these
	Removed         []string // files that the new snapshot does not have any more
	Kept            []string // files of a removed snapshot that its record does not list as they are
	Origins         []string // the beginnings of all URLs, as config.toml names them
	Shared          []string // those of Origins of which the mirror may hold only a part: see record
}

// Sync copies what wish names into the mirror, and then switches to the new snapshot in
// one step. On an error the snapshot that is served stays, and so do complete and partial
// downloads, for the next Sync. Errors are those of the channels that are asked and of
// the artifacts' proofs, ErrNotMirror, ErrNoHoldings, ErrOwnOrigin, ErrNothingNamed and
// ErrName.
func (m *Mirror) Sync(ctx context.Context, wish Wish) (s Synced, err error) {
	if err := m.checkOrigins(); err != nil {
		return s, err
	}
	unlock, err := m.begin(ctx)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	held, err := m.holdings()
	if err != nil {
		return s, err
	}
	wanted, err := m.Wanted(ctx, wish.Wish, held.Tools)
	if err == nil && len(wanted) == 0 {
		err = ErrNothingNamed
	}
	if err != nil {
		return s, err
	}
	current, err := readLink(m.Root, Current)
	if err != nil {
		return s, err
	}
	previous, err := readLink(m.Root, Previous)
	if err != nil {
		return s, err
	}
	old, err := readRecord(m.Root, current)
	if err != nil {
		return s, err
	}
	if len(held.Tools) == 0 { // shows from now on that the directory is a mirror
		if err := m.putHoldings(held); err != nil {
			return s, err
		}
	}
	for _, dir := range []string{snapshotsDir, storeDir} {
		if _, err := rootfs.MkdirAll(m.Root, dir, dirMode); err != nil {
			return s, err
		}
	}
	store, err := m.Root.OpenRoot(storeDir)
	if err != nil {
		return s, err
	}
	defer store.Close()
	for _, dir := range []string{".", snapshotsDir} {
		if err := rootfs.SweepTemps(m.Root, dir); err != nil {
			return s, err
		}
	}
	if err := m.removeUnpublished(current, previous); err != nil {
		return s, err
	}
	have, damaged := m.have(current, old)
	found, err := m.Collect(ctx, copies.Store{Documents: store, Artifacts: store, Mode: fileMode}, have, wanted, wish.Check)
	if err != nil {
		return s, err
	}
	for _, a := range found.Artifacts {
		if a.Bytes > 0 {
			s.Fetched, s.Bytes = s.Fetched+1, s.Bytes+a.Bytes
		}
	}
	next, err := m.next(found, have, old, wish.Prune)
	if err != nil {
		return s, err
	}
	s.Snapshot, s.Origins, s.Shared = current, next.Origins, next.Shared
	s.Holdings = config.Holdings{URL: cmp.Or(wish.URL, held.URL), Tools: merge(held.Tools, wanted, wish.Prune)}
	s.Replaced = held.ReplacedBy(s.Holdings)
	for _, e := range next.Entries {
		s.Size += e.Size
		if e.Key == "" {
			s.Documents++
		} else {
			s.Artifacts++
		}
	}
	keep := []uint64{current}
	if damaged || !next.same(old) {
		s.Changed, s.Snapshot = true, m.nextNumber(max(current, previous))
		s.Removed = missingFrom(next, old)
		if err := m.publish(ctx, next, s.Snapshot, current); err != nil {
			return s, err
		}
		keep = append(keep, s.Snapshot)
	} else if previous > 0 {
		if err := rootfs.Remove(m.Root, Previous); err != nil {
			return s, err
		}
	}
	if err := m.putHoldings(s.Holdings); err != nil {
		return s, err
	}
	_, s.Kept, err = m.clean(ctx, store, keep...)
	return s, err
}

// have returns what the snapshot current, whose record is old, holds unchanged. damaged
// reports that some of its files are missing or were changed.
func (m *Mirror) have(current uint64, old record) (have copies.Have, damaged bool) {
	have = copies.Have{Files: map[string]copies.File{}, Heads: old.Heads}
	for _, e := range old.Entries {
		if info, err := m.Root.Lstat(path.Join(snapshotDir(current), e.Path)); err != nil || !e.IsUnchanged(info) {
			damaged = true
			continue
		}
		have.Files[e.Path] = e
	}
	return have, damaged
}

// merge returns what the mirror holds after wanted was copied.
func merge(held []config.Holding, wanted []copies.Wanted, prune bool) (all []config.Holding) {
	for _, w := range wanted {
		all = append(all, w.Holding)
	}
	if prune {
		return all
	}
	for _, h := range held {
		if !slices.ContainsFunc(wanted, func(w copies.Wanted) bool { return w.Holding.Name == h.Name }) {
			all = append(all, h)
		}
	}
	slices.SortFunc(all, func(a, b config.Holding) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (m *Mirror) putHoldings(h config.Holdings) error {
	data := config.EncodeHoldings(h)
	have, err := rootfs.ReadFile(m.Root, config.HoldingsFile, config.MaxHoldings)
	if err == nil && string(have) == string(data) {
		return nil
	}
	if len(data) > config.MaxHoldings {
		return &manifests.TooLargeError{Name: config.HoldingsFile, Limit: config.MaxHoldings}
	}
	return rootfs.WriteFile(m.Root, config.HoldingsFile, data, fileMode)
}

// removeUnpublished removes the snapshots that a killed Sync left: those after the ones
// that the links lead to.
func (m *Mirror) removeUnpublished(current, previous uint64) error {
	all, err := records(m.Root)
	if err != nil {
		return err
	}
	for _, n := range all {
		if n <= max(current, previous) {
			continue
		}
		kept, err := m.removeSnapshot(n)
		if err != nil {
			return err
		}
		for _, name := range kept {
			m.Warn(fmt.Sprintf("%s stays: no record of kist lists it as it is", name))
		}
	}
	return nil
}

// nextNumber returns the first number after n that no snapshot, and nothing else, has.
func (m *Mirror) nextNumber(n uint64) uint64 {
	for n++; ; n++ {
		_, errDir := m.Root.Lstat(snapshotDir(n))
		_, errRecord := m.Root.Lstat(recordFile(n))
		if errors.Is(errDir, fs.ErrNotExist) && errors.Is(errRecord, fs.ErrNotExist) {
			return n
		}
	}
}

// next returns the record of the next snapshot: what was found and, without prune, what
// else old has. have is what of old is unchanged.
func (m *Mirror) next(found copies.Collection, have copies.Have, old record, prune bool) (record, error) {
	entries := maps.Clone(found.Documents)
	for _, a := range found.Artifacts {
		if _, taken := entries[a.Path]; taken && entries[a.Path].Digest != a.Digest {
			return record{}, copies.ConflictError(a.Path)
		}
		entries[a.Path] = a.File
	}
	r := record{Format: 1, Releases: slices.Clone(found.Releases), Heads: found.Heads}
	whole, parts := found.Beginnings()
	if !prune {
		for _, o := range old.Origins {
			if slices.Contains(old.Shared, o) {
				parts = append(parts, o)
			} else {
				whole[o] = true
			}
		}
		for _, e := range old.Entries {
			if _, taken := entries[e.Path]; taken {
				continue
			}
			if info, err := m.Root.Lstat(blobOf(e)); err != nil || !e.IsUnchanged(info) || have.Files[e.Path] != e {
				m.Warn(fmt.Sprintf("%s is missing or was changed; it is not named any more, and left out", e.Path))
				continue
			}
			entries[e.Path] = e
		}
		for _, h := range old.Releases {
			if !slices.ContainsFunc(r.Releases, func(have copies.Release) bool { return have.Question() == h.Question() }) {
				r.Releases = append(r.Releases, h)
			}
		}
	}
	r.Origins = slices.Concat(slices.Collect(maps.Keys(whole)), parts)
	r.Shared = slices.DeleteFunc(parts, func(o string) bool { return whole[o] })
	r.Entries = slices.Collect(maps.Values(entries))
	if err := noFileIsDirectory(entries); err != nil {
		return record{}, err
	}
	r.order()
	return r, nil
}

// missingFrom returns the paths of old that next does not have.
func missingFrom(next, old record) (paths []string) {
	have := make(map[string]bool, len(next.Entries))
	for _, e := range next.Entries {
		have[e.Path] = true
	}
	for _, e := range old.Entries {
		if !have[e.Path] {
			paths = append(paths, e.Path)
		}
	}
	return paths
}
