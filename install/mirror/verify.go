package mirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"

	"github.com/kist-tools/kist/install/copies"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// A Verified is what Verify found.
type Verified struct {
	copies.Proved
	Snapshot uint64
	Compared int      // files that no proof needed, which are as they were copied
	Foreign  []string // paths that no record lists
}

// Verify proves the snapshot that is served: each release that it holds, by today's keys
// and rules and without the network, and each artifact by its proof. Files that no proof
// needs, such as those of versions that are not named any more, are compared with the
// record. It changes nothing in the mirror. scratch is an empty directory for what does
// not fit in memory. The error is not about the content of the mirror, unless its record
// is damaged (*RecordError); ErrNoMirror means that there is none.
func (m *Mirror) Verify(ctx context.Context, scratch *os.Root) (v Verified, err error) {
	if _, err := m.holdings(); err != nil {
		return v, err
	}
	if v.Snapshot, err = readLink(m.Root, Current); err != nil {
		return v, err
	}
	if v.Snapshot == 0 {
		return v, ErrNoMirror
	}
	r, err := readRecord(m.Root, v.Snapshot)
	if err != nil {
		return v, err
	}
	p := &prover{m: m, dir: snapshotDir(v.Snapshot), v: &v, entries: map[string]copies.File{}}
	for _, e := range r.Entries {
		p.entries[e.Path] = e
	}
	p.Prover = m.NewProver(p, scratch)
	defer func() { v.Proved = p.Found }()
	for _, held := range r.Releases {
		if _, _, err := p.Release(ctx, held); err != nil {
			return v, err
		}
	}
	for _, e := range r.Entries {
		if err := p.compare(ctx, e); err != nil {
			return v, err
		}
	}
	err = m.walk(p.dir, func(name string) {
		name = name[len(p.dir)+1:]
		if _, ours := p.entries[name]; !ours {
			v.Foreign = append(v.Foreign, name)
		}
	})
	return v, errors.Join(err, p.foreignAbove())
}

// A prover verifies one snapshot, whose files it opens.
type prover struct {
	*copies.Prover
	m       *Mirror
	dir     string // of the snapshot
	v       *Verified
	entries map[string]copies.File // by path
}

// Name implements copies.Files.
func (p *prover) Name(ref string) (string, error) { return copies.Name(ref) }

// Recorded implements copies.Files.
func (p *prover) Recorded(name string) (key string, ok bool) {
	e, ok := p.entries[name]
	return e.Key, ok
}

// Open implements copies.Files. A file that is a link is none.
func (p *prover) Open(name string) (copies.OpenFile, error) {
	f, err := p.open(name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// open opens the file called name, which must not be a link. The error matches
// fs.ErrNotExist or rootfs.ErrNotRegular if there is no such file.
func (p *prover) open(name string) (*os.File, error) {
	name = path.Join(p.dir, name)
	info, err := p.m.Root.Lstat(name)
	switch {
	case errors.Is(err, syscall.ENOTDIR):
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, &fs.PathError{Op: "open", Path: name, Err: rootfs.ErrNotRegular}
	}
	return rootfs.OpenRegular(p.m.Root, name)
}

// compare compares a file that was not proved with its entry.
func (p *prover) compare(ctx context.Context, e copies.File) error {
	if p.Checked(e.Path) {
		return nil
	}
	f, err := p.open(e.Path)
	if errors.Is(err, fs.ErrNotExist) {
		p.Report(e.Path, copies.Missing, nil)
		return nil
	}
	if errors.Is(err, rootfs.ErrNotRegular) {
		p.Report(e.Path, copies.Changed, copies.NotRegular(e.Path))
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	defer f.Close()
	err = verify.Check(e.Path, manifests.ContextReader{ReadSeeker: f, Ctx: ctx}, e.Size, e.Digest)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, verify.ErrUntrusted):
		p.Report(e.Path, copies.Changed, err)
	case err != nil:
		return err
	default:
		p.v.Compared++
	}
	return nil
}

// foreignAbove adds the names beside the snapshots that are none of a mirror's.
func (p *prover) foreignAbove() error {
	entries, err := rootfs.ReadDir(p.m.Root, ".")
	for _, e := range entries {
		known := []string{config.HoldingsFile, Current, Previous, snapshotsDir, storeDir, lockFile, lostFound}
		if !slices.Contains(known, e.Name()) && !rootfs.IsTemp(e.Name()) {
			p.v.Foreign = append(p.v.Foreign, "../../"+e.Name())
		}
	}
	return err
}
