package debian

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
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

// IsIndex reports whether ref is that of an index of packages, which a [Cache]
// keeps.
func IsIndex(ref string) bool {
	base := ref[strings.LastIndexByte(ref, '/')+1:]
	return strings.Contains(ref, "/by-hash/SHA256/") || strings.HasPrefix(base, "Packages")
}

// A fetcher gets one suite.
type fetcher struct {
	Source
	suite Suite
	t     manifests.Transport
	q     manifests.Query
}

// ref is a file below the suite's directory.
func (f fetcher) ref(path string) (string, error) {
	return manifests.Join(f.suite.Root, "dists/"+f.suite.Name+"/"+path)
}

// release gets and proves the suite's InRelease.
func (f fetcher) release(ctx context.Context) (*release, verify.Document, error) {
	fail := func(err error) (*release, verify.Document, error) { return nil, verify.Document{}, err }
	ref, err := f.ref(ReleaseFile)
	if err != nil {
		return fail(err)
	}
	message, err := manifests.ReadAll(ctx, f.t, ref, manifests.MaxManifest)
	if err != nil {
		return fail(err)
	}
	policy := f.Policy
	policy.Now, policy.Use = f.q.Now, verify.Manifest
	d, err := policy.Clearsigned(manifests.Redact(ref), message)
	if err != nil {
		return fail(err)
	}
	r, err := parseRelease(d)
	switch {
	case err != nil:
	case !r.is(f.suite.Name):
		err = &FormatError{d.Evidence().Name, fmt.Sprintf("it is the suite %q, codename %q, and %s was asked for", r.suite, r.codename, f.suite.Name)}
	case f.Origin != "" && r.origin != f.Origin:
		err = &FormatError{d.Evidence().Name, fmt.Sprintf("its origin is %q, not %q", r.origin, f.Origin)}
	}
	return r, d, err
}

// mark is the suite's line.
func (f fetcher) mark(r *release, d verify.Document) verify.Mark {
	return verify.Mark{Channel: f.Channel, Line: f.suite.Name, Issued: r.date, Expires: r.validUntil, Digest: d.Evidence().Digest}
}

// indices adds to a what the suite lists for its architecture.
func (f fetcher) indices(ctx context.Context, r *release, d verify.Document, a *archive) error {
	if !slices.Contains(r.architectures, a.arch) {
		return &NoArchitectureError{f.suite.Name, a.arch, r.architectures}
	}
	kinds := []string{a.arch}
	if r.apart {
		kinds = append(kinds, "all")
	}
	found := false
	for _, component := range []string{"main", "universe"} {
		for _, kind := range kinds {
			path := component + "/binary-" + kind + "/Packages"
			if _, ok := r.indices[path]; !ok {
				continue
			}
			found = true
			if err := f.index(ctx, r, d, path, a); err != nil {
				return err
			}
		}
	}
	if !found {
		return &FormatError{d.Evidence().Name, fmt.Sprintf("it lists no packages of the component main for %s", a.arch)}
	}
	return nil
}

// index adds the index that is listed as path when it is not compressed. Of its
// compressed forms the one that costs least to decode is taken.
func (f fetcher) index(ctx context.Context, r *release, d verify.Document, path string, a *archive) error {
	codec := ".gz"
	if _, ok := r.indices[path+codec]; !ok {
		codec = ".xz"
	}
	packed, ok := r.indices[path+codec]
	unpacked := r.indices[path]
	if !ok {
		codec, packed = "", unpacked
	}
	ref, err := f.ref(path + codec)
	if err != nil {
		return err
	}
	name := manifests.Redact(ref)
	if packed.size > maxPacked {
		return &manifests.TooLargeError{Name: name, Limit: maxPacked}
	}
	if unpacked.size > maxIndex {
		return &manifests.TooLargeError{Name: name, Limit: maxIndex}
	}
	published, err := f.published(ctx, r, d, ref, packed)
	if err != nil {
		return err
	}
	list, err := f.unpacked(d, published, name, codec, unpacked)
	if err != nil {
		return err
	}
	evidence := published.Evidence()
	line := f.mark(r, d)
	evidence.Mark = &line
	if line.Expires.IsZero() {
		evidence.Notes = append(evidence.Notes, NoExpiry)
	}
	return a.add(&index{name: name, root: f.suite.Root, suite: f.suite.Name, evidence: evidence}, list)
}

// NoExpiry is the note in the evidence of what a suite without Valid-Until names.
const NoExpiry = "the suite gives no expiry: a freeze shows only as an old date"

// published proves the index as it is published: the copy that was kept, or that
// of the mirror.
func (f fetcher) published(ctx context.Context, r *release, d verify.Document, ref string, want listed) (verify.Document, error) {
	name := manifests.Redact(ref)
	if f.Cache != nil {
		if data := f.Cache.Load(want.digest, want.size); data != nil {
			if doc, err := d.Adopt(name, data, want.digest); err == nil {
				return doc.Keep(), nil
			}
		}
	}
	data, err := f.read(ctx, r, ref, want)
	if err != nil {
		return verify.Document{}, err
	}
	if size := int64(len(data)); size != want.size {
		return verify.Document{}, &verify.SizeError{Name: name, Want: want.size, Got: size}
	}
	doc, err := d.Adopt(name, data, want.digest)
	if err != nil {
		return verify.Document{}, err
	}
	if f.Cache != nil {
		f.Cache.Store(want.digest, data)
	}
	return doc.Keep(), nil
}

// read gets an index by its digest, where the suite has it so: a mirror that is
// being updated holds the old one and the new. One that lacks it there has it
// under its name.
func (f fetcher) read(ctx context.Context, r *release, ref string, want listed) ([]byte, error) {
	limit := want.size + 1 // one more is as wrong as any
	if r.byHash {
		dir := ref[:strings.LastIndexByte(ref, '/')+1]
		data, err := manifests.ReadAll(ctx, f.t, dir+"by-hash/SHA256/"+want.digest.Hex(), limit)
		if !errors.Is(err, manifests.ErrNotFound) || errors.Is(err, verify.ErrUntrusted) {
			return data, err
		}
	}
	return manifests.ReadAll(ctx, f.t, ref, limit)
}

// unpacked proves the index without its compression: the copy that was kept, or
// what decoding the published one makes.
func (f fetcher) unpacked(d, published verify.Document, name, codec string, want listed) (verify.Document, error) {
	if codec == "" {
		return published, nil
	}
	if f.Cache != nil {
		if data := f.Cache.Load(want.digest, want.size); data != nil {
			if doc, err := d.Adopt(name, data, want.digest); err == nil {
				return doc, nil
			}
		}
	}
	data, err := decode(codec, published.View(), want.size)
	if err != nil {
		return verify.Document{}, &FormatError{name, err.Error()}
	}
	doc, err := d.Adopt(name, data, want.digest)
	if err == nil && f.Cache != nil {
		f.Cache.Store(want.digest, data)
	}
	return doc, err
}

// decode returns what packed holds, which must be size bytes.
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

// decodeAll is decode where the size is not stated.
func decodeAll(codec string, packed []byte) ([]byte, error) {
	z, err := decoder(codec, packed)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(z, maxIndex+1))
	if err == nil && len(data) > maxIndex {
		err = fmt.Errorf("it unpacks to more than %d bytes", maxIndex)
	}
	return data, err
}

func decoder(codec string, packed []byte) (io.Reader, error) {
	if codec == ".gz" {
		return gzip.NewReader(bytes.NewReader(packed))
	}
	return xz.NewReader(bytes.NewReader(packed), maxWindow)
}
