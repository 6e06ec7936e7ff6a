package debian

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/therootcompany/xz"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Ceilings on indices, in bytes; the largest of Debian and Ubuntu have some
// 20 and 75 million.
const (
	maxPacked = 64 << 20
	maxIndex  = 256 << 20
	maxWindow = 64 << 20 // of xz
)

// IsIndex reports whether ref is an index of packages, which a [Cache] keeps.
func IsIndex(ref string) bool {
	base := ref[strings.LastIndexByte(ref, '/')+1:]
	return strings.Contains(ref, "/by-hash/SHA256/") || strings.HasPrefix(base, "Packages")
}

// A fetcher fetches and proves one suite.
type fetcher struct {
	Source
	suite Suite
	t     manifests.Transport
	q     manifests.Query

	*release                 // set by prove
	document verify.Document // the proved InRelease
}

// A listing is an index as a suite publishes it.
type listing struct {
	path     string // below the suite's directory, without codec
	codec    string // file extension: ".gz", ".xz" or ""
	ref      string
	packed   listed // the file at ref
	unpacked listed
}

func (l listing) name() string { return manifests.Redact(l.ref) }

// ref returns the URL of a file below the suite's directory.
func (f *fetcher) ref(path string) (string, error) {
	return manifests.Join(f.suite.Root, "dists/"+f.suite.Name+"/"+path)
}

// prove gets and proves the suite's InRelease.
func (f *fetcher) prove(ctx context.Context) error {
	ref, err := f.ref(ReleaseFile)
	if err != nil {
		return err
	}
	message, err := manifests.ReadAll(ctx, f.t, ref, manifests.MaxManifest)
	if err != nil {
		return err
	}
	policy := f.Policy
	policy.Now, policy.Use = f.q.Now, verify.Manifest
	if f.document, err = policy.Clearsigned(manifests.Redact(ref), message); err != nil {
		return err
	}
	f.release, err = parseRelease(f.document)
	switch {
	case err != nil:
	case !f.hasName(f.suite.Name):
		err = f.formatError("it is the suite %q, codename %q, and %s was asked for", f.release.suite, f.codename, f.suite.Name)
	case f.Origin != "" && f.origin != f.Origin:
		err = f.formatError("its origin is %q, not %q", f.origin, f.Origin)
	}
	return err
}

// formatError returns the error for a bad InRelease.
func (f *fetcher) formatError(format string, args ...any) error {
	return &manifests.FormatError{Document: f.document.Evidence().Name, Rule: fmt.Sprintf(format, args...)}
}

// mark returns the suite's line of the mark.
func (f *fetcher) mark() verify.Mark {
	return verify.Mark{Channel: f.Channel, Line: f.suite.Name, Issued: f.date, Expires: f.validUntil, Digest: f.document.Evidence().Digest}
}

// listings returns the indices that the suite has for an architecture.
func (f *fetcher) listings(arch string) (all []listing, err error) {
	if !slices.Contains(f.architectures, arch) {
		return nil, verify.Errorf(manifests.ErrNotFound, "%s has no packages for %s, only for %s", f.suite.Name, arch, strings.Join(f.architectures, ", "))
	}
	kinds := []string{arch}
	if f.separateAll {
		kinds = append(kinds, "all")
	}
	for _, component := range []string{"main", "universe"} {
		for _, kind := range kinds {
			path := component + "/binary-" + kind + "/Packages"
			if _, ok := f.release.indices[path]; !ok {
				continue
			}
			l, err := f.listing(path)
			if err != nil {
				return nil, err
			}
			all = append(all, l)
		}
	}
	if len(all) == 0 {
		return nil, f.formatError("it lists no packages of the component main for %s", arch)
	}
	return all, nil
}

// listing returns the index whose uncompressed path is path, in the published form that
// is cheapest to decode.
func (f *fetcher) listing(path string) (l listing, err error) {
	indices := f.release.indices
	l = listing{path: path, unpacked: indices[path]}
	for _, l.codec = range []string{".gz", ".xz", ""} {
		var ok bool
		if l.packed, ok = indices[path+l.codec]; ok {
			break
		}
	}
	if l.ref, err = f.ref(path + l.codec); err != nil {
		return l, err
	}
	if l.packed.size > maxPacked {
		return l, &manifests.TooLargeError{Name: l.name(), Limit: maxPacked}
	}
	if l.unpacked.size > maxIndex {
		return l, &manifests.TooLargeError{Name: l.name(), Limit: maxIndex}
	}
	return l, nil
}

// noExpiry is the evidence note for a suite without Valid-Until.
const noExpiry = "the suite gives no expiry: a freeze shows only as an old date"

// newIndex returns the archive's index for l, with its evidence.
func (f *fetcher) newIndex(l listing, e verify.Evidence) *index {
	line := f.mark()
	e.Mark = &line
	if line.Expires.IsZero() {
		e.Notes = append(e.Notes, noExpiry)
	}
	return &index{name: l.name(), root: f.suite.Root, suite: f.suite.Name, path: l.path, evidence: e}
}

// add adds all the suite's indices to a.
func (f *fetcher) add(ctx context.Context, a *archive) error {
	listings, err := f.listings(a.arch)
	if err != nil {
		return err
	}
	for _, l := range listings {
		published, err := f.published(ctx, l)
		if err != nil {
			return err
		}
		content, err := f.unpacked(l, published)
		if err != nil {
			return err
		}
		if err := a.add(f.newIndex(l, published.Keep().Evidence()), content); err != nil {
			return err
		}
	}
	return nil
}

// published returns a proved index as published: the cached copy, or the mirror's.
func (f *fetcher) published(ctx context.Context, l listing) (verify.Document, error) {
	if f.Cache != nil {
		if data := f.Cache.Load(l.packed.digest, l.packed.size); data != nil {
			if doc, err := f.document.ChildNoCopy(l.name(), data, l.packed.digest); err == nil {
				return doc, nil
			}
		}
	}
	data, err := f.read(ctx, l)
	if err != nil {
		return verify.Document{}, err
	}
	if size := int64(len(data)); size != l.packed.size {
		return verify.Document{}, &verify.SizeError{Name: l.name(), Want: l.packed.size, Got: size}
	}
	doc, err := f.document.ChildNoCopy(l.name(), data, l.packed.digest)
	if err == nil && f.Cache != nil {
		f.Cache.Store(l.packed.digest, data)
	}
	return doc, err
}

// read fetches an index by its digest if the suite supports that, because a mirror that
// is being updated holds both the old and the new one. If the mirror lacks it there,
// read fetches it by name.
func (f *fetcher) read(ctx context.Context, l listing) ([]byte, error) {
	match := func(data []byte) bool {
		return int64(len(data)) == l.packed.size && verify.DigestOf(data) == l.packed.digest
	}
	if f.byHash {
		dir := l.ref[:strings.LastIndexByte(l.ref, '/')+1]
		data, err := manifests.ReadMatching(ctx, f.t, dir+"by-hash/SHA256/"+l.packed.digest.Hex(), l.packed.size, match)
		_, page := errors.AsType[*manifests.PageError](err)
		if !page && (!errors.Is(err, manifests.ErrNotFound) || errors.Is(err, verify.ErrUntrusted)) {
			return data, err
		}
	}
	return manifests.ReadMatching(ctx, f.t, l.ref, l.packed.size, match)
}

// unpacked decompresses an index and proves the result.
func (f *fetcher) unpacked(l listing, published verify.Document) (verify.Document, error) {
	if l.codec == "" {
		return published, nil
	}
	data, err := decode(l.codec, published.View(), l.unpacked.size)
	if err != nil {
		return verify.Document{}, &manifests.FormatError{Document: l.name(), Rule: err.Error()}
	}
	return f.document.ChildNoCopy(l.name(), data, l.unpacked.digest)
}

// decode decompresses packed, which must yield exactly size bytes.
func decode(codec string, packed []byte, size int64) ([]byte, error) {
	z, err := decoder(codec, packed)
	if err != nil {
		return nil, err
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(z, data); err != nil {
		return nil, fmt.Errorf("it does not unpack to %d bytes: %w", size, err)
	}
	if n, err := z.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return nil, fmt.Errorf("it does not unpack to %d bytes", size)
	}
	return data, nil
}

// decodeAll is decode for an unknown size, up to maxIndex.
func decodeAll(codec string, packed []byte) ([]byte, error) {
	z, err := decoder(codec, packed)
	if err != nil {
		return nil, err
	}
	return manifests.ReadLimited(z, "the index", maxIndex)
}

func decoder(codec string, packed []byte) (io.Reader, error) {
	if codec == ".gz" {
		return gzip.NewReader(bytes.NewReader(packed))
	}
	return xz.NewReader(bytes.NewReader(packed), maxWindow)
}
