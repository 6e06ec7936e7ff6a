package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/manifests/trust"
)

// A Wish is what the user of Sync asks for. What is zero stays as it was, or is the
// default.
type Wish struct {
	URL       string      // where clients find the snapshot that is served, ending in "/"
	Tools     []trust.Ref // none: those that the mirror holds
	Platforms []manifests.Platform
	Last      int
	// Components, Targets and Profile are those of package manifests, for each tool.
	Components, Targets []string
	Profile             string
	Prune               bool // remove what is not named any more
	// Locked is what a project's lock names: it stands for all of the above but Prune.
	// Check, if not nil, refuses a release that is not what the lock names.
	Locked []config.Holding
	Check  func(manifests.Release) error
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
	wanted, refs, err := m.wanted(ctx, wish, held.Tools)
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
	blobs := download.Dirs()[0] // documents come before the first download, which would make it
	if _, err := rootfs.MkdirAll(store, blobs, dirMode); err != nil {
		return s, err
	}
	for _, dir := range []string{".", snapshotsDir} {
		if err := rootfs.SweepTemps(m.Root, dir); err != nil {
			return s, err
		}
	}
	if err := m.removeUnpublished(current, previous); err != nil {
		return s, err
	}
	c := m.newCollector(store, current, old)
	c.check = wish.Check
	for i, h := range wanted {
		if err := c.collect(ctx, refs[i], h); err != nil {
			return s, err
		}
	}
	if err := c.keepHeads(ctx); err != nil {
		return s, err
	}
	artifacts, err := c.fetchArtifacts(ctx)
	if err != nil {
		return s, err
	}
	if err := c.readExisting(ctx, artifacts); err != nil {
		return s, err
	}
	for _, a := range artifacts {
		if a.bytes > 0 {
			s.Fetched, s.Bytes = s.Fetched+1, s.Bytes+a.bytes
		}
	}
	next, err := c.next(artifacts, old, wish.Prune)
	if err != nil {
		return s, err
	}
	s.Snapshot, s.Origins, s.Shared = current, next.Origins, next.Shared
	s.Holdings = config.Holdings{URL: cmp.Or(wish.URL, held.URL), Tools: merge(held.Tools, wanted, wish)}
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
	if c.damaged || !next.same(old) {
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

// wanted returns what is to be copied, with the ref of each tool, which names its
// channel.
func (m *Mirror) wanted(ctx context.Context, wish Wish, held []config.Holding) (wanted []config.Holding, refs []trust.Ref, err error) {
	for _, h := range wish.Locked {
		ref, err := trust.ParseRef(h.Name)
		if err != nil {
			return nil, nil, err
		}
		wanted, refs = append(wanted, h), append(refs, ref)
	}
	if len(wanted) > 0 {
		return wanted, refs, nil
	}
	tools := wish.Tools
	if len(tools) == 0 {
		for _, h := range held {
			ref, err := trust.ParseRef(h.Name)
			if err != nil {
				return nil, nil, err
			}
			tools = append(tools, ref)
		}
	}
	if len(tools) == 0 {
		return nil, nil, ErrNothingNamed
	}
	for _, ref := range tools {
		if ref.Channel == "" {
			b, err := m.Desk.Pick(ctx, ref)
			if err != nil {
				return nil, nil, err
			}
			ref.Channel = b.Name
		}
		h := config.Holding{Name: ref.String(), Last: 1, Platforms: []manifests.Platform{m.Desk.Platform}}
		if i := slices.IndexFunc(held, func(have config.Holding) bool { return have.Name == h.Name }); i >= 0 {
			h = held[i]
		}
		if len(wish.Platforms) > 0 {
			h.Platforms = wish.Platforms
		}
		if wish.Last > 0 {
			h.Last = wish.Last
		}
		if len(wish.Components) > 0 {
			h.Components = wish.Components
		}
		if len(wish.Targets) > 0 {
			h.Targets = wish.Targets
		}
		if wish.Profile != "" {
			h.Profile = wish.Profile
		}
		if slices.ContainsFunc(wanted, func(have config.Holding) bool { return have.Name == h.Name }) {
			continue
		}
		wanted, refs = append(wanted, h), append(refs, ref)
	}
	return wanted, refs, nil
}

// merge returns what the mirror holds after wanted was copied.
func merge(held, wanted []config.Holding, wish Wish) []config.Holding {
	if wish.Prune {
		return wanted
	}
	all := slices.Clone(wanted)
	for _, h := range held {
		if !slices.ContainsFunc(wanted, func(w config.Holding) bool { return w.Name == h.Name }) {
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

// next returns the record of the next snapshot: what was collected and, without prune,
// what else old has.
func (c *collector) next(artifacts []fetched, old record, prune bool) (record, error) {
	entries := maps.Clone(c.docs)
	for _, a := range artifacts {
		if _, taken := entries[a.Path]; taken && entries[a.Path].Digest != a.Digest {
			return record{}, conflictError(a.Path)
		}
		entries[a.Path] = a.entry
	}
	r := record{Format: 1, Releases: slices.Clone(c.releases), Heads: c.heads}
	whole := maps.Clone(c.tap.origins)
	var parts []string // origins of artifacts of added channels
	for n, a := range artifacts {
		wanted := c.artifacts[n]
		for _, ref := range []string{a.ref, wanted.Refs[0]} {
			switch o := origin(ref); {
			case o == "":
			case wanted.from.Settings == nil:
				whole[o] = true
			case ref == a.ref:
				parts = append(parts, o)
			}
		}
	}
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
			if info, err := c.m.Root.Lstat(e.blob()); err != nil || !e.isUnchanged(info) || c.old[e.Path] != e {
				c.m.Warn(fmt.Sprintf("%s is missing or was changed; it is not named any more, and left out", e.Path))
				continue
			}
			entries[e.Path] = e
		}
		for _, h := range old.Releases {
			if !slices.ContainsFunc(r.Releases, func(have heldRelease) bool { return have.question() == h.question() }) {
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
