package mirror

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// The states of what Verify found wrong.
const (
	Missing  = "missing"
	Changed  = "changed"
	Stale    = "stale"
	Unproved = "not proved"
)

// A Problem is a file or a release of a mirror that is not as it must be.
type Problem struct {
	What  string `json:"what"` // path below the snapshot, or release
	State string `json:"state"`
	Err   error  `json:"-"` // why; nil if State says all
}

// A Verified is what Verify found.
type Verified struct {
	Snapshot  uint64
	Releases  int // proved, each for each platform
	Versions  int // of Releases, whatever the platform
	Platforms int // of Releases
	Documents int // that the proofs needed
	Artifacts int // proved
	Compared  int // other files, which are as they were copied
	Problems  []Problem
	Unnamed   []string // releases that the documents do not name any more
	Foreign   []string // paths that no record lists
}

// Worst returns the error of the most serious problem: one that matches
// verify.ErrUntrusted, else verify.ErrStale, else any; nil if there is none with an
// error.
func (v Verified) Worst() error {
	rank := func(err error) int {
		switch {
		case errors.Is(err, verify.ErrUntrusted):
			return 3
		case errors.Is(err, verify.ErrStale):
			return 2
		}
		return 1
	}
	var worst error
	for _, p := range v.Problems {
		if p.Err != nil && (worst == nil || rank(p.Err) > rank(worst)) {
			worst = p.Err
		}
	}
	return worst
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
	p := &prover{m: m, dir: snapshotDir(v.Snapshot), v: &v, entries: map[string]entry{}, checked: map[string]bool{},
		versions: map[string]bool{}, platforms: map[manifests.Platform]bool{}}
	for _, e := range r.Entries {
		p.entries[e.Path] = e
	}
	m.Desk.Transport, m.Desk.Uncached, m.Desk.Indices = p, true, nil
	cache := m.cache(scratch, p)
	for _, held := range r.Releases {
		if err := p.release(ctx, cache, held); err != nil {
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

// A prover verifies one snapshot. It is the transport from which its documents are read.
type prover struct {
	m       *Mirror
	dir     string // of the snapshot
	v       *Verified
	entries map[string]entry // by path
	checked map[string]bool  // by path or release: it was proved; false: it is reported
	// versions and platforms are those of the releases that were proved.
	versions  map[string]bool
	platforms map[manifests.Platform]bool
	read      []string // paths that the release in question read
	lacking   []string // paths of the record that it asked for and that are missing
}

// Open implements manifests.Transport.
func (p *prover) Open(_ context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	name, err := Name(ref)
	if err != nil {
		return nil, 0, verify.Errorf(manifests.ErrNotFound, "%w", err)
	}
	f, err := p.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, recorded := p.entries[name]; recorded {
			p.lacking = append(p.lacking, name)
		}
		return nil, 0, fmt.Errorf("%s: %w in the mirror", manifests.Redact(ref), manifests.ErrNotFound)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w: %w", manifests.Redact(ref), manifests.ErrUnreachable, err)
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("%s: %w: %w", manifests.Redact(ref), manifests.ErrUnreachable, err)
	}
	p.read = append(p.read, name)
	return f, info.Size(), nil
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

// problem reports a problem, once.
func (p *prover) problem(what, state string, err error) {
	if slices.ContainsFunc(p.v.Problems, func(have Problem) bool { return have.What == what && have.State == state }) {
		return
	}
	p.v.Problems = append(p.v.Problems, Problem{what, state, err})
}

// release proves one release and its artifacts.
func (p *prover) release(ctx context.Context, cache download.Cache, held heldRelease) error {
	p.read, p.lacking = nil, nil
	desk := p.m.Desk
	desk.Platform = held.Platform
	b, err := desk.Named(ctx, held.Channel)
	if err != nil {
		return err
	}
	q := desk.Request(trust.Ref{Name: held.Tool, Version: held.Asked})
	q.Components, q.Targets, q.Profile, q.Glibc = held.Components, held.Targets, held.Profile, ""
	r, err := desk.Resolve(ctx, b, q)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
	case len(p.lacking) > 0: // each is reported as missing
		return nil
	case errors.Is(err, verify.ErrUntrusted):
		p.problem(held.String(), Unproved, err)
		return nil
	case errors.Is(err, verify.ErrStale):
		p.problem(held.String(), Stale, err)
		return nil
	case manifests.IsUnknown(err):
		p.v.Unnamed = append(p.v.Unnamed, held.String())
		return nil
	default:
		p.problem(held.String(), Unproved, err)
		return nil
	}
	for _, name := range p.read {
		if e, ours := p.entries[name]; ours && e.Key == "" && !p.checked[name] {
			p.checked[name] = true
			p.v.Documents++
		}
	}
	all := true
	for _, a := range install.Files(r) {
		ok, err := p.artifact(ctx, cache, a)
		if err != nil {
			return err
		}
		all = all && ok
	}
	if all && !p.checked[held.String()] { // one release may answer several requests
		p.checked[held.String()] = true
		p.v.Releases++
		p.versions[r.Channel+"/"+r.Tool+"@"+r.Version], p.platforms[held.Platform] = true, true
		p.v.Versions, p.v.Platforms = len(p.versions), len(p.platforms)
	}
	return nil
}

// findArtifact returns the name and the file of the artifact a: of its URLs the one that
// the record names for it, or else the first that the mirror has. If it has none, the
// error matches fs.ErrNotExist, and name is that of the file that is missing.
func (p *prover) findArtifact(a manifests.Artifact) (name string, f *os.File, err error) {
	key, err := download.Key(a)
	if err != nil {
		return a.Name, nil, err
	}
	var names []string
	for _, ref := range a.Refs {
		if name, err := Name(ref); err == nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", nil, fs.ErrNotExist
	}
	if i := slices.IndexFunc(names, func(name string) bool { return p.entries[name].Key == key }); i > 0 {
		names = slices.Insert(names, 0, names[i])
	}
	for _, name := range names {
		if f, err = p.open(name); !errors.Is(err, fs.ErrNotExist) {
			return name, f, err
		}
	}
	return names[0], nil, err
}

// artifact proves the first of a and its alternatives that the mirror has.
func (p *prover) artifact(ctx context.Context, cache download.Cache, a manifests.Artifact) (ok bool, err error) {
	first := ""
	for _, one := range append([]manifests.Artifact{a}, a.Alternatives...) {
		name, f, err := p.findArtifact(one)
		first = cmp.Or(first, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if ok, known := p.checked[name]; known {
			if f != nil {
				f.Close()
			}
			return ok, nil
		}
		if err == nil {
			err = errors.Join(cache.Prove(ctx, one, f), f.Close())
		}
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case errors.Is(err, rootfs.ErrNotRegular):
			p.problem(name, Changed, notRegular(name))
		case errors.Is(err, verify.ErrUntrusted):
			p.problem(name, Changed, err)
		case err != nil:
			return false, fmt.Errorf("%s: %w", name, err)
		default:
			p.v.Artifacts++
		}
		p.checked[name] = err == nil
		return err == nil, nil
	}
	if _, recorded := p.entries[first]; !recorded { // else compare reports it
		p.problem(first, Missing, nil)
	}
	return false, nil
}

// compare compares a file that was not proved with its entry.
func (p *prover) compare(ctx context.Context, e entry) error {
	if _, known := p.checked[e.Path]; known {
		return nil
	}
	f, err := p.open(e.Path)
	if errors.Is(err, fs.ErrNotExist) {
		p.problem(e.Path, Missing, nil)
		return nil
	}
	if errors.Is(err, rootfs.ErrNotRegular) {
		p.problem(e.Path, Changed, notRegular(e.Path))
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
		p.problem(e.Path, Changed, err)
	case err != nil:
		return err
	default:
		p.v.Compared++
	}
	return nil
}

func notRegular(name string) error { return verify.Untrusted("%s: it is not a regular file", name) }

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
