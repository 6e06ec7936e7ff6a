package bundles

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/bundle"
	"github.com/kist-tools/kist/manifests/transport/oci"
	"github.com/kist-tools/kist/verify"
)

// A Registry is where a mirror in an OCI registry is kept: a bundle that a tag leads to.
type Registry struct {
	To  oci.Repository
	Tag string
}

// ErrOther is returned if a tag leads to something else than a mirror.
var ErrOther = verify.NewClass("the tag leads to something else than a mirror", "refused", nil)

// Earlier returns the mirror that the tag leads to, without its files; nil if there is no
// such tag. The error matches ErrOther if it is something else. What a registry says is not
// proved: it can only prevent a push, as it can anyway.
func (r Registry) Earlier(ctx context.Context) (*Bundle, error) {
	manifest, err := r.To.Tagged(ctx, r.Tag)
	if errors.Is(err, manifests.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	files, contents, err := bundle.ParseManifest(manifest)
	if err != nil {
		return nil, fmt.Errorf("%s:%s: %w: %v", r.To, r.Tag, ErrOther, err)
	}
	data, err := r.To.ReadBlob(ctx, contents.Digest, contents.Size)
	if err != nil {
		return nil, err
	}
	return Read(r.To.String(), &bundle.Bundle{Contents: data, Files: files, Digest: verify.DigestOf(manifest)})
}

// A Pushed is what Push did.
type Pushed struct {
	Digest    verify.Digest // of the mirror
	Sent      int           // files that the registry lacked
	Bytes     int64         // of Sent
	Unchanged bool          // the tag leads there already
}

// Push sends what the repository lacks of d, and then lets the tag lead to it, all of it at
// once. earlier is what the tag leads to now. sent is told how many bytes of a file the
// registry has. An error leaves the tag as it was.
func (r Registry) Push(ctx context.Context, d Draft, earlier *Bundle, sent func(f bundle.File, bytes int64)) (done Pushed, err error) {
	manifest, files, err := d.Manifest()
	if err != nil {
		return done, err
	}
	done.Digest = verify.DigestOf(manifest)
	if earlier != nil && earlier.Digest == done.Digest {
		done.Unchanged = true
		return done, nil
	}
	for _, f := range files {
		if err := r.send(ctx, f, func() (bundle.Reader, error) { return d.open(f) }, sent, &done); err != nil {
			return done, err
		}
	}
	_, empty := oci.Empty()
	for _, data := range [][]byte{empty, d.Contents} {
		f := bundle.File{Digest: verify.DigestOf(data), Size: int64(len(data))}
		open := func() (bundle.Reader, error) { return inMemory{bytes.NewReader(data)}, nil }
		if err := r.send(ctx, f, open, sent, &Pushed{}); err != nil {
			return done, err
		}
	}
	return done, r.To.PutManifest(ctx, r.Tag, oci.ManifestType, manifest)
}

// send sends one file, unless the repository has it.
func (r Registry) send(ctx context.Context, f bundle.File, open func() (bundle.Reader, error), sent func(bundle.File, int64), done *Pushed) error {
	if has, err := r.To.Has(ctx, f.Digest); err != nil || has {
		return err
	}
	from, err := open()
	if err != nil {
		return err
	}
	defer from.Close()
	if err := r.To.PutBlob(ctx, f.Digest, from, f.Size, func(bytes int64) { sent(f, bytes) }); err != nil {
		return err
	}
	done.Sent, done.Bytes = done.Sent+1, done.Bytes+f.Size
	return nil
}

// inMemory is a bundle.Reader of bytes in memory.
type inMemory struct{ *bytes.Reader }

func (inMemory) Close() error { return nil }
