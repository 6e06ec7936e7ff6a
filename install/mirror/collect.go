package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// maxTried is how many versions are tried for each that is copied: some may not exist for
// a platform.
const maxTried = 16

// A collector asks the channels for releases, and collects the documents that proved the
// answers and the artifacts to fetch.
type collector struct {
	m     *Mirror
	tap   *tap
	store *os.Root          // the directory of the same name
	old   map[string]entry  // what the current snapshot holds, by path, if it seems unchanged
	docs  map[string]entry  // documents that were proved, by path
	reuse []entry           // indices that the source in question read from the store
	urls  map[string]string // by path: the ref of the document, to find conflicts
	// artifacts are the artifacts to fetch, in the order in which they were named.
	artifacts []wantedArtifact
	wanted    map[string]bool  // by identity: it is among artifacts
	exist     map[string]bool  // refs that sources only looked for
	absent    map[string]error // refs that were not found in proved answers
	releases  []heldRelease
	heads     []verify.Mark
	logged    []loggedRelease
	check     func(manifests.Release) error // may be nil
	damaged   bool                          // files of the current snapshot are missing or were changed
}

// newCollector returns a collector for the snapshot after current, whose record is old.
func (m *Mirror) newCollector(store *os.Root, current uint64, old record) *collector {
	c := &collector{m: m, store: store, old: map[string]entry{}, docs: map[string]entry{}, urls: map[string]string{},
		wanted: map[string]bool{}, exist: map[string]bool{}, absent: map[string]error{}, heads: slices.Clone(old.Heads)}
	for _, e := range old.Entries {
		if info, err := m.Root.Lstat(path.Join(snapshotDir(current), e.Path)); err != nil || !e.isUnchanged(info) {
			c.damaged = true
			continue
		}
		c.old[e.Path] = e
	}
	c.tap = &tap{from: m.Transport, proved: c.readProved, held: c.readHeld, asked: map[string]bool{},
		states: map[string]manifests.Validators{}, origins: map[string]bool{}}
	c.tap.clear()
	m.Desk.Transport, m.Desk.Uncached, m.Desk.Indices = c.tap, true, storedIndices{c}
	return c
}

// readProved returns the document ref if it was proved in this run, or the error that it
// does not exist.
func (c *collector) readProved(ref string) (data []byte, ok bool, err error) {
	if err := c.absent[ref]; err != nil {
		return nil, false, err
	}
	name, err := Name(ref)
	if err != nil {
		return nil, false, nil // it is refused when it is kept
	}
	e, ok := c.docs[name]
	if !ok || c.urls[name] != manifests.Redact(ref) {
		return nil, false, nil
	}
	data, err = rootfs.ReadFile(c.store, download.BlobFile(e.Digest), e.Size)
	return data, err == nil, err
}

// readHeld returns the document ref of the current snapshot and its validators, which are
// zero if there is none, or it was changed.
func (c *collector) readHeld(ref string) ([]byte, manifests.Validators) {
	name, err := Name(ref)
	if err != nil {
		return nil, manifests.Validators{}
	}
	e, ok := c.old[name]
	if !ok || e.Key != "" || e.Validators.IsZero() {
		return nil, manifests.Validators{}
	}
	data, err := rootfs.ReadFile(c.store, download.BlobFile(e.Digest), e.Size)
	if err != nil || verify.DigestOf(data) != e.Digest {
		return nil, manifests.Validators{}
	}
	return data, e.Validators
}

// ask calls question, and keeps the documents that it read if it succeeded.
func (c *collector) ask(question func() error) error {
	c.tap.clear()
	c.reuse = nil
	if err := question(); err != nil {
		return err
	}
	read, opened, err := c.tap.documents()
	if err != nil {
		return err
	}
	for _, ref := range slices.Sorted(maps.Keys(read)) {
		if err := c.keep(ref, read[ref]); err != nil {
			return err
		}
	}
	for _, e := range c.reuse {
		c.docs[e.Path] = e
	}
	for _, ref := range opened {
		c.exist[ref] = true
	}
	maps.Copy(c.absent, c.tap.missing)
	if len(c.docs) > maxEntries || len(c.exist) > maxEntries || len(c.absent) > maxEntries || len(c.artifacts) > maxEntries {
		return &manifests.TooLargeError{Name: "the mirror's list of files", Limit: maxEntries}
	}
	return nil
}

// keep stores the content of the document ref, and collects it.
func (c *collector) keep(ref string, data []byte) error {
	name, err := Name(ref)
	if err != nil {
		return err
	}
	e := entry{Path: name, Digest: verify.DigestOf(data), Size: int64(len(data)), Validators: c.tap.state(ref)}
	ref = manifests.Redact(ref)
	if other, taken := c.urls[name]; taken && other != ref && c.docs[name].Digest != e.Digest {
		return conflictError(name)
	}
	c.urls[name] = ref
	file := download.BlobFile(e.Digest)
	have, err := rootfs.ReadFile(c.store, file, e.Size)
	if err != nil || !bytes.Equal(have, data) {
		if err := rootfs.WriteFileUnsynced(c.store, file, data, fileMode); err != nil {
			return err
		}
	}
	info, err := c.store.Lstat(file)
	if err != nil {
		return err
	}
	e.Modified = info.ModTime().UnixNano()
	c.docs[name] = e
	return nil
}

// storedIndices is the debian.Cache of a mirror: the package indices that the current
// snapshot holds. They are proved again by whoever loads them.
type storedIndices struct{ c *collector }

// Load implements debian.Cache.
func (s storedIndices) Load(d verify.Digest, limit int64) (data []byte) {
	for _, e := range s.c.old {
		if e.Digest != d || e.Key != "" || e.Size > limit {
			continue
		}
		if data == nil {
			read, err := rootfs.ReadFile(s.c.store, download.BlobFile(d), limit)
			if err != nil || verify.DigestOf(read) != d {
				return nil
			}
			data = read
		}
		s.c.reuse = append(s.c.reuse, e)
	}
	return data
}

// Has implements debian.Cache. It makes a source read whole indices, not excerpts of
// them, which clients without a cache need.
func (storedIndices) Has(verify.Digest, int64) bool { return false }

// Store implements debian.Cache. The tap has what is fetched.
func (storedIndices) Store(verify.Digest, []byte) {}

// collect collects everything that clients on each platform of h need.
func (c *collector) collect(ctx context.Context, ref trust.Ref, h config.Holding) error {
	for _, platform := range h.Platforms {
		found := false
		var missing error
		for _, p := range clientsOf(platform) {
			err := c.collectFor(ctx, ref, h, p)
			if _, unsupported := errors.AsType[*manifests.UnsupportedPlatformError](err); unsupported {
				missing = err
				continue
			}
			if err != nil {
				return err
			}
			found = true
		}
		if !found {
			return missing
		}
	}
	return nil
}

// clientsOf returns the platforms of the clients that p means: on Linux without a C
// library, those with either.
func clientsOf(p manifests.Platform) []manifests.Platform {
	if p.OS != "linux" || p.Libc != "" {
		return []manifests.Platform{p}
	}
	gnu, musl := p, p
	gnu.Libc, musl.Libc = "gnu", "musl"
	return []manifests.Platform{gnu, musl}
}

func (c *collector) collectFor(ctx context.Context, ref trust.Ref, h config.Holding, p manifests.Platform) error {
	desk := c.m.Desk
	machine := desk.Platform
	desk.Platform = p
	defer func() { desk.Platform = machine }()
	b, err := desk.Named(ctx, ref.Channel)
	if err != nil {
		return err
	}
	resolve := func(version string) (r manifests.Release, err error) {
		q := desk.Request(trust.Ref{Name: ref.Name, Version: version})
		q.Components, q.Targets, q.Profile = h.Components, h.Targets, h.Profile
		q.Glibc = "" // of this machine, not of the clients
		if p.OS != machine.OS {
			q.Distro = ""
		}
		err = c.ask(func() error {
			r, err = desk.Resolve(ctx, b, q)
			return err
		})
		if err == nil && c.check != nil {
			err = c.check(r)
		}
		if err == nil {
			err = c.add(b, q, r)
		}
		return r, err
	}
	newest, err := resolve(ref.Version)
	if err != nil {
		return err
	}
	if err := c.keepKeys(ctx, b); err != nil {
		return err
	}
	if err := c.keepCopies(ctx, b); err != nil {
		return err
	}
	if named, ok := b.Source.(manifests.Named); ok && len(named.Names()) > 0 {
		return c.collectNames(newest, h, resolve)
	}
	var list []manifests.Version
	err = c.ask(func() (err error) {
		_, list, err = desk.Available(ctx, trust.Ref{Channel: ref.Channel, Name: ref.Name})
		return err
	})
	if err != nil {
		return err
	}
	return c.collectLast(list, newest, ref.Version, h.Last, resolve)
}

// collectLast collects newest by its number, and older versions that asked means until
// there are last versions in all. A prerelease is left out unless newest is one.
func (c *collector) collectLast(list []manifests.Version, newest manifests.Release, asked string, last int, resolve func(string) (manifests.Release, error)) error {
	if _, err := resolve("=" + newest.Version); err != nil {
		return err
	}
	found := 1
	older := list[min(len(list), 1+slices.IndexFunc(list, func(v manifests.Version) bool { return v.Version == newest.Version })):]
	for tried, v := range older {
		if found >= last || tried >= last*maxTried {
			break
		}
		if asked != "" && !manifests.MatchesVersion(asked, v.Version) && !slices.Contains(v.Labels, asked) ||
			manifests.Prerelease(v.Version) && !manifests.Prerelease(newest.Version) {
			continue
		}
		_, err := resolve("=" + v.Version)
		if err != nil && !manifests.IsUnknown(err) && !errors.Is(err, manifests.ErrNotFound) {
			return err
		}
		if err == nil {
			found++
		}
	}
	if found < last {
		c.m.Warn(fmt.Sprintf("%s/%s: of the newest %d versions only %d can be copied for %s", newest.Channel, newest.Tool, last, found, newest.Platform))
	}
	return nil
}

// collectNames collects a release of a channel without a list of versions by its other
// names: its number and its series.
func (c *collector) collectNames(r manifests.Release, h config.Holding, resolve func(string) (manifests.Release, error)) error {
	names := []string{"=" + r.Version}
	if parts := strings.Split(r.Version, "."); len(parts) == 3 {
		names = append(names, parts[0]+"."+parts[1])
	}
	for _, name := range names {
		if _, err := resolve(name); err != nil && !manifests.IsUnknown(err) && !errors.Is(err, manifests.ErrNotFound) {
			return err
		}
	}
	if h.Last > 1 {
		c.m.Warn(fmt.Sprintf("channel %s has no list of versions: name each that is to be copied, such as %s@%s", r.Channel, r.Tool, r.Version))
	}
	return nil
}

// add collects the artifacts of r, which answered q.
func (c *collector) add(b trust.Binding, q manifests.Request, r manifests.Release) error {
	for _, a := range install.Files(r) {
		if _, err := Name(a.Refs[0]); err != nil {
			return err
		}
		key, err := download.Key(a)
		if err != nil {
			return err
		}
		identity := strings.Join(append([]string{b.Name, key}, a.Refs...), "\x00")
		if !c.wanted[identity] {
			c.wanted[identity] = true
			c.artifacts = append(c.artifacts, wantedArtifact{a, b})
		}
	}
	if r.Evidence.Tree != nil {
		c.logged = append(c.logged, loggedRelease{b, manifests.Request{Tool: q.Tool, Version: "=" + r.Version, Platform: q.Platform}})
	}
	held := heldRelease{Channel: b.Name, Tool: q.Tool, Asked: q.Version, Version: r.Version, Platform: q.Platform,
		Components: q.Components, Targets: q.Targets, Profile: q.Profile}
	if !slices.ContainsFunc(c.releases, func(have heldRelease) bool { return have.question() == held.question() }) {
		c.releases = append(c.releases, held)
	}
	return nil
}

// readExisting collects the documents that sources only look for, such as the one by
// which a module proxy says that it relays a checksum database. Nothing proves them, and
// no proof relies on them. Files of the artifacts that were fetched are left out.
func (c *collector) readExisting(ctx context.Context, artifacts []fetched) error {
	isArtifact := map[string]bool{}
	for _, a := range artifacts {
		isArtifact[a.Path] = true
	}
	for _, ref := range slices.Sorted(maps.Keys(c.exist)) {
		name, err := Name(ref)
		if err != nil {
			continue
		}
		if _, document := c.docs[name]; isArtifact[name] || document {
			continue
		}
		data, err := manifests.ReadAll(ctx, c.m.Transport, ref, maxExisting)
		if _, large := errors.AsType[*manifests.TooLargeError](err); large || errors.Is(err, manifests.ErrNotFound) {
			continue
		}
		if err == nil {
			err = c.keep(ref, data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
