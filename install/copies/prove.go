package copies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// The states of what a Prover found wrong.
const (
	Missing  = "missing"
	Changed  = "changed"
	Stale    = "stale"
	Unproved = "not proved"
)

// A Problem is a file or a release that is not as it must be.
type Problem struct {
	What  string `json:"what"` // the name of a file, or a release
	State string `json:"state"`
	Err   error  `json:"-"` // why; nil if State says all
}

// A Proved is what a Prover found.
type Proved struct {
	Releases  int // proved, each for each platform
	Versions  int // of Releases, whatever the platform
	Platforms int // of Releases
	Documents int // that the proofs needed
	Artifacts int // proved
	Problems  []Problem
	Unnamed   []string // releases that the documents do not name any more
}

// Worst returns the error of the most serious problem: one that matches
// verify.ErrUntrusted, else verify.ErrStale, else any; nil if there is none with an
// error.
func (v Proved) Worst() error {
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

// Files are copies that can be proved.
type Files interface {
	// Name returns the name of the file for the URL ref. Its error is why there is none.
	Name(ref string) (string, error)
	// Open opens the file called name. The error matches fs.ErrNotExist if there is none,
	// and rootfs.ErrNotRegular if it is no file.
	Open(name string) (OpenFile, error)
	// Recorded reports whether there should be a file called name, with this key: "" is a
	// document.
	Recorded(name string) (key string, ok bool)
}

// An OpenFile is a file that is open for reading.
type OpenFile interface {
	io.ReadSeeker
	io.ReaderAt
	io.Closer
}

// A Prover proves copies, by today's keys and rules and without the network.
type Prover struct {
	Found Proved

	by      *Copier
	files   Files
	cache   download.Cache
	checked map[string]bool            // by name or release: it was proved; false: it is reported
	proofs  map[string]verify.Evidence // by name, of artifacts
	// versions and platforms are those of the releases that were proved.
	versions  map[string]bool
	platforms map[manifests.Platform]bool
	read      []string               // names of the files that the release in question read
	lacking   []string               // names of recorded files that it asked for and that are missing
	manifests map[string]*manifestOf // by native channel
}

// NewProver returns a Prover of files. scratch is an empty directory for what does not fit
// in memory.
func (c *Copier) NewProver(files Files, scratch *os.Root) *Prover {
	p := &Prover{by: c, files: files, checked: map[string]bool{}, proofs: map[string]verify.Evidence{}, versions: map[string]bool{}, platforms: map[manifests.Platform]bool{},
		manifests: map[string]*manifestOf{}}
	c.Desk.Transport, c.Desk.Uncached, c.Desk.Frozen, c.Desk.Indices = copiesOnly{p}, true, true, nil
	p.cache = c.cache(scratch, c.Desk.Transport)
	return p
}

// A manifestOf is what reading the manifest of a native channel took.
type manifestOf struct{ read, lacking []string } // as in Prover

// copiesOnly is the transport of a Prover: it has the copies, and nothing else.
type copiesOnly struct{ p *Prover }

// Open implements manifests.Transport.
func (t copiesOnly) Open(_ context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	name, err := t.p.files.Name(ref)
	if err != nil {
		return nil, 0, verify.Errorf(manifests.ErrNotFound, "%w", err)
	}
	f, err := t.p.files.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, recorded := t.p.files.Recorded(name); recorded {
			t.p.lacking = append(t.p.lacking, name)
		}
		return nil, 0, fmt.Errorf("%s: %w among the copies", manifests.Redact(ref), manifests.ErrNotFound)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w: %w", manifests.Redact(ref), manifests.ErrUnreachable, err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(offset, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, 0, fmt.Errorf("%s: %w: %w", manifests.Redact(ref), manifests.ErrUnreachable, err)
	}
	t.p.read = append(t.p.read, name)
	return f, size, nil
}

// Checked reports whether the file called name was proved or reported.
func (p *Prover) Checked(name string) bool {
	_, known := p.checked[name]
	return known
}

// Report adds a problem, once.
func (p *Prover) Report(what, state string, err error) {
	if slices.ContainsFunc(p.Found.Problems, func(have Problem) bool { return have.What == what && have.State == state }) {
		return
	}
	p.Found.Problems = append(p.Found.Problems, Problem{what, state, err})
}

// Release proves one release and its artifacts. r is the release as its documents state
// it, with the evidence of its first artifact if no document names it; ok reports that all of it was proved. What is wrong is in Found, and is not an
// error.
func (p *Prover) Release(ctx context.Context, held Release) (r manifests.Release, ok bool, err error) {
	p.read, p.lacking = nil, nil
	desk := p.by.Desk
	desk.Platform = held.Platform
	b, err := desk.Named(ctx, held.Channel)
	if err != nil {
		return r, false, err
	}
	q := desk.Request(trust.Ref{Name: held.Tool, Version: held.Asked})
	q.Components, q.Targets, q.Profile, q.Glibc = held.Components, held.Targets, held.Profile, ""
	r, err = desk.Resolve(ctx, b, q)
	if b.Settings != nil && b.Settings.Format == "native" { // whose manifest is read only once
		m := p.manifests[held.Channel]
		if m == nil {
			m = &manifestOf{}
			p.manifests[held.Channel] = m
		}
		m.read, m.lacking = append(m.read, p.read...), append(m.lacking, p.lacking...)
		p.read, p.lacking = m.read, m.lacking
	}
	switch {
	case ctx.Err() != nil:
		return r, false, ctx.Err()
	case err == nil:
	case len(p.lacking) > 0: // each is reported as missing
		return r, false, nil
	case errors.Is(err, verify.ErrUntrusted):
		p.Report(held.String(), Unproved, err)
		return r, false, nil
	case errors.Is(err, verify.ErrStale):
		p.Report(held.String(), Stale, err)
		return r, false, nil
	case manifests.IsUnknown(err):
		p.Found.Unnamed = append(p.Found.Unnamed, held.String())
		return r, false, nil
	default:
		p.Report(held.String(), Unproved, err)
		return r, false, nil
	}
	for _, name := range p.read {
		if key, ours := p.files.Recorded(name); ours && key == "" && !p.checked[name] {
			p.checked[name] = true
			p.Found.Documents++
		}
	}
	all := true
	for _, a := range install.Files(r) {
		e, ok, err := p.artifact(ctx, a)
		if err != nil {
			return r, false, err
		}
		if all = all && ok; ok && r.Evidence.Kind == "" { // no document names r: its artifacts are proved one by one
			r.Evidence.Kind, r.Evidence.Signers, r.Evidence.Tree = e.Kind, e.Signers, e.Tree
		}
	}
	if all && !p.checked[held.String()] { // one release may answer several requests
		p.checked[held.String()] = true
		p.Found.Releases++
		p.versions[r.Channel+"/"+r.Tool+"@"+r.Version], p.platforms[held.Platform] = true, true
		p.Found.Versions, p.Found.Platforms = len(p.versions), len(p.platforms)
	}
	return r, all, nil
}

// findArtifact returns the name and the file of the artifact a: of its URLs the one that
// is recorded for it, or else the first that there is a file of. If there is none, the
// error matches fs.ErrNotExist, and name is that of the file that is missing.
func (p *Prover) findArtifact(a manifests.Artifact) (name string, f OpenFile, err error) {
	key, err := download.Key(a)
	if err != nil {
		return a.Name, nil, err
	}
	var names []string
	for _, ref := range a.Refs {
		if name, err := p.files.Name(ref); err == nil {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "", nil, fs.ErrNotExist
	}
	recorded := func(name string) bool {
		have, ok := p.files.Recorded(name)
		return ok && have == key
	}
	if i := slices.IndexFunc(names, recorded); i > 0 {
		names = slices.Insert(names, 0, names[i])
	}
	for _, name := range names {
		if f, err = p.files.Open(name); !errors.Is(err, fs.ErrNotExist) {
			return name, f, err
		}
	}
	return names[0], nil, err
}

// artifact proves the first of a and its alternatives that there is a file of.
func (p *Prover) artifact(ctx context.Context, a manifests.Artifact) (e verify.Evidence, ok bool, err error) {
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
			return p.proofs[name], ok, nil
		}
		if err == nil {
			e, err = p.prove(ctx, one, f)
		}
		switch {
		case ctx.Err() != nil:
			return e, false, ctx.Err()
		case errors.Is(err, rootfs.ErrNotRegular):
			p.Report(name, Changed, NotRegular(name))
		case errors.Is(err, verify.ErrUntrusted):
			p.Report(name, Changed, err)
		case err != nil:
			return e, false, fmt.Errorf("%s: %w", name, err)
		default:
			p.Found.Artifacts++
		}
		p.checked[name], p.proofs[name] = err == nil, e
		return e, err == nil, nil
	}
	if _, recorded := p.files.Recorded(first); !recorded { // else the comparison of all files reports it
		p.Report(first, Missing, nil)
	}
	return e, false, nil
}

// prove proves that f is a, and closes it.
func (p *Prover) prove(ctx context.Context, a manifests.Artifact, f OpenFile) (e verify.Evidence, err error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err == nil {
		e, err = p.cache.Prove(ctx, a, f, size)
	}
	return e, errors.Join(err, f.Close())
}

// NotRegular returns the error for a file called name that is not a regular one.
func NotRegular(name string) error { return verify.Untrusted("%s: it is not a regular file", name) }
