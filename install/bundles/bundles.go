// Package bundles makes bundles of tools, proves them, and lets channels be asked from
// them instead of their origins.
//
// A bundle holds what package copies collects: what a mirror of the same tools would
// serve. Package bundle defines its format. To channels a bundle is a transport like the
// network, so keys, marks, expiry and policy are what they are online.
package bundles

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/kist-tools/kist/install/copies"
	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/bundle"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/gosum"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

// maxReleases is how many releases a bundle may say that it is for.
const maxReleases = 10_000

// contents is the first layer of a bundle.
type contents struct {
	Format   int              `json:"format"` // 1
	Releases []copies.Release `json:"releases"`
	// Heads are the tree heads of checksum databases that this bundle, and those that it
	// replaced, have shown, newest last: clients know one of them, and need the proof that
	// the newest one extends it.
	Heads []verify.Mark `json:"heads,omitempty"`
}

// A Bundle is a bundle of tools, open for reading.
type Bundle struct {
	*bundle.Bundle
	Name     string // as the user named it
	Releases []copies.Release
	heads    []verify.Mark
}

// Read returns the bundle of tools that b is, which the user calls name. Its error matches
// verify.ErrUntrusted.
func Read(name string, b *bundle.Bundle) (*Bundle, error) {
	var c contents
	d := json.NewDecoder(bytes.NewReader(b.Contents))
	d.DisallowUnknownFields()
	err := d.Decode(&c)
	switch {
	case err != nil:
	case d.Decode(&struct{}{}) != io.EOF:
		err = errors.New("there is something after its end")
	case c.Format != 1:
		err = fmt.Errorf("format %d is not known", c.Format)
	case len(c.Releases) > maxReleases || len(c.Heads) > copies.MaxHeads:
		err = errors.New("it is over its limits")
	}
	if err != nil {
		return nil, verify.Untrusted("its list of releases: %w", err)
	}
	return &Bundle{b, name, c.Releases, c.Heads}, nil
}

// GoProxies returns the module proxies that the bundle has answers of, in the syntax of
// GOPROXY.
func (b *Bundle) GoProxies() string {
	all := b.before("/" + gosum.Module + "/@v/")
	if len(all) == 0 {
		return "off"
	}
	return strings.Join(all, ",")
}

// AptSources returns entries for the archives of distributions that the bundle has suites
// of: for a bundle it does not matter which mirror this machine uses.
func (b *Bundle) AptSources() (list []debian.AptSource) {
	const dists, file = "/dists/", "/InRelease"
	for _, f := range b.Files {
		for _, u := range f.URLs {
			root, suite, ok := strings.Cut(u, dists)
			if suite, isSuite := strings.CutSuffix(suite, file); ok && isSuite {
				list = append(list, debian.AptSource{URIs: []string{root}, Suites: []string{suite}, Components: []string{"main"}})
			}
		}
	}
	return list
}

// before returns what precedes part in the URLs that have it, each once.
func (b *Bundle) before(part string) (all []string) {
	for _, f := range b.Files {
		for _, u := range f.URLs {
			if start, _, ok := strings.Cut(u, part); ok {
				all = append(all, start)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Holds returns what the bundle says it is for on platform p: each release once, as
// channel/tool@version.
func (b *Bundle) Holds(p manifests.Platform) (list []string) {
	for _, r := range b.Releases {
		if r.Platform.Fit(p) > 0 {
			list = append(list, r.Channel+"/"+r.Tool+"@"+r.Version)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// A LackError reports that a bundle does not hold what was asked of it.
type LackError struct {
	Bundle   string
	Tool     string // that was asked for, with its channel if that was named
	Platform manifests.Platform
	Holds    []string // on Platform
	Err      error    // of the channel, if the bundle holds another version of the tool; else nil
}

func (e *LackError) Error() string {
	text := fmt.Sprintf("%s does not hold %s for %s", e.Bundle, e.Tool, e.Platform)
	switch {
	case len(e.Holds) == 0:
		text += ", or anything else for it"
	case len(e.Holds) > maxListed:
		text += fmt.Sprintf(": it holds %s and %d more", strings.Join(e.Holds[:maxListed], ", "), len(e.Holds)-maxListed)
	default:
		text += ": it holds " + strings.Join(e.Holds, ", ")
	}
	if e.Err != nil {
		text += fmt.Sprintf(" (%v)", e.Err)
	}
	return text
}

// maxListed is how many releases an error lists.
const maxListed = 20

func (*LackError) Kind() string { return "unknown" }

// Explain returns err, which a channel returned that was asked from b for ref on platform
// p, as it is printed: if b does not hold what is needed, that is why.
func (b *Bundle) Explain(err error, ref trust.Ref, p manifests.Platform) error {
	missing := errors.Is(err, manifests.ErrNotFound) || errors.Is(err, manifests.ErrUnreachable)
	if !missing || errors.Is(err, verify.ErrUntrusted) || errors.Is(err, verify.ErrStale) {
		return err
	}
	lack := &LackError{Bundle: b.Name, Tool: ref.String(), Platform: p, Holds: b.Holds(p)}
	if slices.ContainsFunc(b.Releases, func(r copies.Release) bool {
		return r.Tool == ref.Name && (ref.Channel == "" || r.Channel == ref.Channel) && r.Platform.Fit(p) > 0
	}) {
		lack.Err = err
	}
	return lack
}

// A Draft is a bundle to be written.
type Draft struct {
	bundle.Draft
	Releases  []copies.Release
	Documents int
	Artifacts int
	Fetched   int   // of Artifacts: that were fetched or read again
	Bytes     int64 // of Documents and Artifacts

	// Origins are the beginnings of the URLs in it, and whether it answers for them alone.
	Origins map[string]bool

	open func(bundle.File) (bundle.Reader, error)
}

// Collect collects what clients need of wanted in store, and returns the bundle of it,
// which reads store. earlier is the bundle that it will replace, nil if there is none.
// Errors are those of copies.Copier.Collect.
func Collect(ctx context.Context, c *copies.Copier, store copies.Store, wanted []copies.Wanted, check func(manifests.Release) error, earlier *Bundle) (d Draft, err error) {
	var have copies.Have
	if earlier != nil {
		have.Heads = earlier.heads
	}
	found, err := c.Collect(ctx, store, have, wanted, check)
	if err != nil {
		return d, err
	}
	in := map[verify.Digest]*os.Root{}
	byURL := map[string]verify.Digest{}
	add := func(f copies.File, root *os.Root, artifact bool) error {
		key, err := bundle.Key(f.URL)
		if err != nil {
			return err
		}
		if other, taken := byURL[key]; taken && other != f.Digest {
			return copies.ConflictError(key)
		} else if taken {
			return nil
		}
		byURL[key], in[f.Digest] = f.Digest, root
		d.Files = append(d.Files, bundle.File{URLs: []string{key}, Digest: f.Digest, Size: f.Size, Artifact: artifact})
		return nil
	}
	// A source may have read an artifact like a document, to see whether it exists.
	for _, a := range found.Artifacts {
		if err := add(a.File, store.Artifacts, true); err != nil {
			return d, err
		}
		if a.Bytes > 0 {
			d.Fetched++
		}
	}
	d.Artifacts = len(d.Files)
	for _, f := range found.Documents {
		if err := add(f, store.Documents, false); err != nil {
			return d, err
		}
	}
	d.Documents = len(d.Files) - d.Artifacts
	for _, f := range d.Files {
		d.Bytes += f.Size
	}
	var parts []string
	d.Origins, parts = found.Beginnings()
	for _, o := range parts {
		if _, known := d.Origins[o]; !known {
			d.Origins[o] = false
		}
	}
	d.Releases = found.Releases
	slices.SortFunc(d.Releases, func(a, b copies.Release) int {
		return cmp.Or(strings.Compare(a.Question(), b.Question()), strings.Compare(a.Version, b.Version))
	})
	d.Contents, err = json.Marshal(contents{1, d.Releases, found.Heads})
	d.open = func(f bundle.File) (bundle.Reader, error) {
		r, err := rootfs.OpenRegular(in[f.Digest], download.BlobFile(f.Digest))
		if err != nil {
			return nil, err
		}
		return body{manifests.ContextReader{ReadSeeker: r, Ctx: ctx}, r, r}, nil
	}
	d.Open = func(f bundle.File) (io.ReadCloser, error) { return d.open(f) }
	return d, err
}

// A body is a file that is read until the context of its reader ends.
type body struct {
	manifests.ContextReader
	io.ReaderAt
	io.Closer
}

// A Shown is what Prove found.
type Shown struct {
	copies.Proved
	Releases []Release
	Others   int // files that no proof needed
}

// A Release is a release that a bundle holds.
type Release struct {
	copies.Release
	Proved bool
	State  manifests.Release // as its documents state it, if Proved
	Size   int64             // bytes of its artifacts in the bundle
}

// Prove proves all that b says it holds, by today's keys and rules. scratch is an empty
// directory for what does not fit in memory. What is wrong is in Shown, and is not an
// error.
func Prove(ctx context.Context, c *copies.Copier, b *Bundle, scratch *os.Root) (found Shown, err error) {
	files := filesOf{b}
	p := c.NewProver(files, scratch)
	type answer struct {
		release string
		proved  bool
	}
	listed := map[answer]bool{} // one release may answer several requests
	for _, held := range b.Releases {
		r, ok, err := p.Release(ctx, held)
		var unknown interface{ Kind() string }
		switch {
		case ctx.Err() != nil:
			return found, ctx.Err()
		case errors.As(err, &unknown) && unknown.Kind() == "unknown": // no such channel here
			p.Report(held.String(), copies.Unproved, err)
			ok = false
		case err != nil:
			return found, err
		}
		one := Release{Release: held, Proved: ok, State: r}
		for _, a := range r.Artifacts {
			for _, ref := range a.Refs {
				if f, have := b.Find(ref); ok && have {
					one.Size += f.Size
					break
				}
			}
		}
		if is := (answer{held.String(), ok}); !listed[is] {
			listed[is] = true
			found.Releases = append(found.Releases, one)
		}
	}
	found.Proved = p.Found
	for _, f := range b.Files {
		if !slices.ContainsFunc(f.URLs, p.Checked) {
			found.Others++
		}
	}
	return found, nil
}

// filesOf are the files of a bundle, each by any of its URLs.
type filesOf struct{ b *Bundle }

// Name implements copies.Files.
func (f filesOf) Name(ref string) (string, error) { return bundle.Key(ref) }

// Open implements copies.Files.
func (f filesOf) Open(name string) (copies.OpenFile, error) {
	file, ok := f.b.Find(name)
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f.b.OpenFile(file)
}

// Recorded implements copies.Files.
func (f filesOf) Recorded(name string) (key string, ok bool) {
	file, ok := f.b.Find(name)
	if file.Artifact {
		key = "artifact"
	}
	return key, ok
}
