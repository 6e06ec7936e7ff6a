package copies

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
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

// A Have is what was copied earlier.
type Have struct {
	// Files are the files, by path, that still are as they were recorded. Both roots of
	// the Store have them.
	Files map[string]File
	// Heads are the tree heads of checksum databases that earlier copies have shown.
	Heads []verify.Mark
}

// A Collection is what clients need to install what was wanted. All of it is in the Store.
type Collection struct {
	Documents map[string]File // by path
	Artifacts []Fetched
	Releases  []Release
	Heads     []verify.Mark   // of Have, and newer ones
	Origins   map[string]bool // the beginnings of all URLs of documents that were asked for
}

// Beginnings returns the beginnings of the URLs that clients ask a copy for. The copy
// answers alone for whole. parts are the origins of artifacts of added channels, and it may
// have only some files of theirs.
func (c Collection) Beginnings() (whole map[string]bool, parts []string) {
	whole = maps.Clone(c.Origins)
	for _, a := range c.Artifacts {
		for _, ref := range []string{a.URL, a.First} {
			switch o := Origin(ref); {
			case o == "":
			case !a.Added:
				whole[o] = true
			case ref == a.URL:
				parts = append(parts, o)
			}
		}
	}
	return whole, parts
}

// Collect copies what clients need of wanted into store. An error leaves complete and
// partial downloads there, for the next Collect. check, if not nil, refuses a release.
// Errors are those of the channels that are asked, of the artifacts' proofs, and ErrName.
func (c *Copier) Collect(ctx context.Context, store Store, have Have, wanted []Wanted, check func(manifests.Release) error) (found Collection, err error) {
	if _, err := rootfs.MkdirAll(store.Documents, path.Dir(download.BlobFile(verify.DigestOf(nil))), dirMode); err != nil {
		return found, err // documents come before the first download, which would make it
	}
	a := c.newCollector(store, have)
	a.check = check
	for _, w := range wanted {
		if err := a.collect(ctx, w.Ref, w.Holding); err != nil {
			return found, err
		}
	}
	if err := a.keepHeads(ctx); err != nil {
		return found, err
	}
	artifacts, err := a.fetchArtifacts(ctx)
	if err != nil {
		return found, err
	}
	if err := a.readExisting(ctx, artifacts); err != nil {
		return found, err
	}
	return Collection{a.docs, artifacts, a.releases, a.heads, a.tap.origins}, nil
}

// dirMode is the mode of directories, subject to the umask: a web server reads them.
const dirMode fs.FileMode = 0o755

// A collector asks the channels for releases, and collects the documents that proved the
// answers and the artifacts to fetch.
type collector struct {
	by    *Copier
	tap   *tap
	store Store
	old   map[string]File // Have.Files
	docs  map[string]File // documents that were proved, by path
	reuse []File          // indices that the source in question read from the store
	// artifacts are the artifacts to fetch, in the order in which they were named.
	artifacts []wantedArtifact
	wanted    map[string]bool  // by identity: it is among artifacts
	exist     map[string]bool  // refs that sources only looked for
	absent    map[string]error // refs that were not found in proved answers
	releases  []Release
	heads     []verify.Mark
	logged    []loggedRelease
	check     func(manifests.Release) error // may be nil
}

// newCollector returns a collector that copies into store.
func (c *Copier) newCollector(store Store, have Have) *collector {
	a := &collector{by: c, store: store, old: have.Files, docs: map[string]File{}, wanted: map[string]bool{},
		exist: map[string]bool{}, absent: map[string]error{}, heads: slices.Clone(have.Heads)}
	a.tap = &tap{from: c.Transport, proved: a.readProved, held: a.readHeld, asked: map[string]bool{},
		states: map[string]manifests.Validators{}, origins: map[string]bool{}}
	a.tap.clear()
	c.Desk.Transport, c.Desk.Uncached, c.Desk.Indices = a.tap, true, storedIndices{a}
	return a
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
	if !ok || manifests.Redact(e.URL) != manifests.Redact(ref) {
		return nil, false, nil
	}
	data, err = rootfs.ReadFile(c.store.Documents, download.BlobFile(e.Digest), e.Size)
	return data, err == nil, err
}

// readHeld returns the document ref that was copied earlier and its validators, which are
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
	data, err := rootfs.ReadFile(c.store.Documents, download.BlobFile(e.Digest), e.Size)
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
	if len(c.docs) > MaxFiles || len(c.exist) > MaxFiles || len(c.absent) > MaxFiles || len(c.artifacts) > MaxFiles {
		return &manifests.TooLargeError{Name: "the list of files to copy", Limit: MaxFiles}
	}
	return nil
}

// keep stores the content of the document ref, and collects it.
func (c *collector) keep(ref string, data []byte) error {
	name, err := Name(ref)
	if err != nil {
		return err
	}
	e := File{Path: name, Digest: verify.DigestOf(data), Size: int64(len(data)), Validators: c.tap.state(ref), URL: ref}
	other, taken := c.docs[name]
	if taken && other.URL != "" && manifests.Redact(other.URL) != manifests.Redact(ref) && other.Digest != e.Digest {
		return ConflictError(name)
	}
	file := download.BlobFile(e.Digest)
	have, err := rootfs.ReadFile(c.store.Documents, file, e.Size)
	if err != nil || !bytes.Equal(have, data) {
		if err := rootfs.WriteFileUnsynced(c.store.Documents, file, data, c.store.mode()); err != nil {
			return err
		}
	}
	info, err := c.store.Documents.Lstat(file)
	if err != nil {
		return err
	}
	e.Modified = info.ModTime().UnixNano()
	c.docs[name] = e
	return nil
}

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
	desk := c.by.Desk
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
		c.by.Warn(fmt.Sprintf("%s/%s: of the newest %d versions only %d can be copied for %s", newest.Channel, newest.Tool, last, found, newest.Platform))
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
		c.by.Warn(fmt.Sprintf("channel %s has no list of versions: name each that is to be copied, such as %s@%s", r.Channel, r.Tool, r.Version))
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
	held := Release{Channel: b.Name, Tool: q.Tool, Asked: q.Version, Version: r.Version, Platform: q.Platform,
		Components: q.Components, Targets: q.Targets, Profile: q.Profile}
	if !slices.ContainsFunc(c.releases, func(have Release) bool { return have.Question() == held.Question() }) {
		c.releases = append(c.releases, held)
	}
	return nil
}

// readExisting collects the documents that sources only look for, such as the one by
// which a module proxy says that it relays a checksum database. Nothing proves them, and
// no proof relies on them. Files of the artifacts that were fetched are left out.
func (c *collector) readExisting(ctx context.Context, artifacts []Fetched) error {
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
		data, err := manifests.ReadAll(ctx, c.by.Transport, ref, maxExisting)
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
