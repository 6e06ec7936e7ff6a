package image

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// content is what an image holds beside its base.
type content struct {
	o        Options
	now      record.Generation // in force in Options.Installed
	releases []*release
	created  time.Time
	records  *os.Root // the last layer, below the prefix
}

// A release is one toolchain of an image.
type release struct {
	c         *content
	installed record.Head       // in Options.Installed
	id        record.ID         // in the image
	archives  []record.Artifact // which its proof needs
}

// contentOf finds out what the image is to hold, in the order of the names of releases.
func contentOf(o Options) (*content, error) {
	s, err := o.Installed.State()
	if err != nil {
		return nil, err
	}
	c := &content{o: o, now: s.Current, created: o.Created}
	var newest time.Time
	for _, id := range s.Current.Receipts {
		receipt, err := o.Installed.Receipt(id)
		if err != nil {
			return nil, err
		}
		r := &release{c: c, installed: receipt.Head, id: stableID(receipt)}
		for _, a := range receipt.Artifacts {
			if a.Evidence.Kind != verify.ByDigest { // the signature is over the archive itself
				r.archives = append(r.archives, a)
			}
		}
		if at := receipt.SignedAt(); at.After(newest) {
			newest = at
		}
		c.releases = append(c.releases, r)
	}
	slices.SortFunc(c.releases, func(a, b *release) int { return strings.Compare(string(a.id), string(b.id)) })
	if c.created.IsZero() {
		c.created = newest
	}
	if c.created.IsZero() {
		c.created = time.Unix(0, 0)
	}
	c.created = c.created.UTC().Truncate(time.Second)
	return c, nil
}

// stableID returns the ID of r in an image. Its last part comes from its files, so that the
// same files are at the same place in every image.
func stableID(r record.Receipt) record.ID {
	return record.NewID(r.Channel, r.Tool, r.Version, [4]byte(r.TreeDigest().Octets()[:4]))
}

// top is the prefix as layers name it.
func (c *content) top() string { return strings.TrimPrefix(c.o.Prefix, "/") }

// Names of the directories of the store, below the prefix.
const (
	dataDir   = "data/kist"
	stateDir  = "state/kist"
	cacheDir  = "cache/kist"
	configDir = "config/kist"
	binDir    = "bin"
)

// writeGround writes the layer that hides what a base has at the prefix.
func (c *content) writeGround(_ context.Context, w layerWriter) error {
	if err := w.dir(c.top()); err != nil {
		return err
	}
	return w.file(path.Join(c.top(), opaque), fileMode, 0, strings.NewReader(""), verify.DigestOf(nil))
}

// write writes the layer of r: its files, and its archives.
func (r *release) write(ctx context.Context, w layerWriter) error {
	c := r.c
	receipt, err := c.o.Installed.Receipt(r.installed.ID)
	if err != nil {
		return err
	}
	root, err := c.o.Scratch.OpenRoot(path.Join(dataDir, store.Prefixes, string(r.installed.ID)))
	if err != nil {
		return err
	}
	defer root.Close()
	prefix := path.Join(c.top(), dataDir, store.Prefixes, string(r.id))
	if err := w.dirs(c.top(), prefix); err != nil {
		return err
	}
	if err := w.tree(root, receipt, prefix); err != nil {
		return err
	}
	for _, a := range r.archives {
		if err := r.writeArchive(ctx, w, a); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) writeArchive(ctx context.Context, w layerWriter, a record.Artifact) error {
	c := r.c
	blob, err := c.o.Installed.Blob(ctx, a)
	if err != nil {
		return err
	}
	defer blob.Close()
	name := path.Join(c.top(), cacheDir, download.BlobFile(a.Digest))
	if err := w.dirs(c.top(), path.Dir(name)); err != nil {
		return err
	}
	return w.file(name, fileMode, a.Size, io.NewSectionReader(blob.File, 0, a.Size), a.Digest)
}

// store writes what the last layer holds to a directory of Options.Scratch: the records of
// a store at the prefix, as package store writes them.
func (c *content) store(ctx context.Context) (err error) {
	if c.records, err = subdir(c.o.Scratch, "image"); err != nil {
		return err
	}
	data, err := subdir(c.records, dataDir)
	if err != nil {
		return err
	}
	defer data.Close()
	state, err := subdir(c.records, stateDir)
	if err != nil {
		return err
	}
	defer state.Close()
	to := store.Store{Data: data, State: state}
	ids := map[record.ID]record.ID{}
	for _, r := range c.releases {
		if err := ctx.Err(); err != nil {
			return err
		}
		ids[r.installed.ID] = r.id
		if err := c.storeRelease(to, r); err != nil {
			return err
		}
	}
	if err := c.storeGeneration(to, ids); err != nil {
		return err
	}
	return c.storeSettings()
}

// subdir makes and opens a directory below root.
func subdir(root *os.Root, name string) (*os.Root, error) {
	if _, err := rootfs.MkdirAllUnsynced(root, name, 0o700); err != nil {
		return nil, err
	}
	return root.OpenRoot(name)
}

// storeRelease stores the receipt of r, its evidence, and the stable path of its prefix.
func (c *content) storeRelease(to store.Store, r *release) error {
	receipt, err := c.o.Installed.Receipt(r.installed.ID)
	if err != nil {
		return err
	}
	receipt.ID, receipt.Prefix = r.id, path.Join(c.o.Prefix, dataDir, store.Prefixes, string(r.id))
	// What follows is about the machine that made the image.
	receipt.Installed, receipt.StampsReadAt, receipt.Sandbox = c.created, time.Time{}, ""
	for i, e := range receipt.Entries {
		receipt.Entries[i].Stamp, receipt.Entries[i].Mode = record.Stamp{}, modeOf(e)
	}
	if err := to.PutReceipt(receipt); err != nil {
		return err
	}
	if _, err := rootfs.MkdirAllUnsynced(to.State, store.EvidenceDir, 0o700); err != nil {
		return err
	}
	for _, d := range receipt.Proofs() {
		data, err := c.o.Installed.Evidence(d)
		if errors.Is(err, fs.ErrNotExist) { // an archive has the digest
			continue
		}
		if err == nil {
			err = rootfs.WriteFileUnsynced(to.State, store.EvidenceFile(d), data, 0o600)
		}
		if err != nil {
			return err
		}
	}
	if err := storeMark(to, receipt.Head); err != nil {
		return err
	}
	alias := path.Join(store.Toolchains, receipt.Alias())
	if _, err := rootfs.MkdirAllUnsynced(to.Data, path.Dir(alias), 0o700); err != nil {
		return err
	}
	return to.Data.Symlink(path.Join("../../..", store.Prefixes, string(r.id)), alias)
}

// storeMark stores the mark of the manifest that named r, so that no older one is accepted
// in the image.
func storeMark(to store.Store, r record.Head) error {
	m := r.Evidence.Mark
	if m == nil || m.Fixed || m.IsZero() {
		return nil
	}
	have, err := to.Mark(r.Channel)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return to.PutMark(have.WithLine(m.Renamed(r.Channel)))
}

// storeGeneration stores the generation with the releases ids, switches to it, and links
// its commands.
func (c *content) storeGeneration(to store.Store, ids map[record.ID]record.ID) error {
	g := record.Generation{Number: 1, Made: c.created, Receipts: slices.Sorted(maps.Values(ids)), Defaults: map[string]record.ID{}}
	for key, id := range c.now.Defaults {
		g.Defaults[key] = ids[id]
	}
	for _, l := range c.now.Links {
		g.Links = append(g.Links, record.CommandLink{Name: l.Name, ID: ids[l.ID], Target: l.Target})
	}
	if err := to.Prepare(g, nil); err != nil {
		return err
	}
	if err := errors.Join(to.Switch(g.Number), to.Confirm(g.Number)); err != nil {
		return err
	}
	bin, err := subdir(c.records, binDir)
	if err != nil {
		return err
	}
	defer bin.Close()
	for _, l := range g.Links {
		if err := bin.Symlink(path.Join(c.o.Prefix, dataDir, store.Current, "bin", l.Name), l.Name); err != nil {
			return err
		}
	}
	return nil
}

// storeSettings stores the settings of the channels that the user added, without logins,
// so that the toolchains can be proved by their keys.
func (c *content) storeSettings() error {
	stored := map[string]bool{}
	for _, r := range c.releases {
		name := r.installed.Channel
		if stored[name] || trust.IsBuiltinChannel(name) {
			continue
		}
		stored[name] = true
		added, err := c.o.Settings.Get(name)
		if err != nil {
			return err
		}
		keys, err := c.o.Settings.Keyring(added)
		if err != nil {
			return err
		}
		added = added.WithoutLogin()
		added.Added = c.created
		if added.Rotation != nil {
			rotation := *added.Rotation
			rotation.Taken, added.Rotation = c.created, &rotation
		}
		config, err := subdir(c.records, configDir)
		if err != nil {
			return err
		}
		if err := errors.Join(channels.Store{Root: config}.Put(added, keys), config.Close()); err != nil {
			return err
		}
	}
	return nil
}

// writeRecords writes the last layer. Without a base it has the directories above the
// prefix, too, which else are those of the base.
func (c *content) writeRecords(_ context.Context, w layerWriter) error {
	defer c.records.Close()
	if above := path.Dir(c.top()); c.o.Base == nil {
		if err := w.dirs(strings.Split(above, "/")[0], above); err != nil {
			return err
		}
	}
	return w.all(c.records, c.top())
}
