package oci

import (
	"context"
	"io"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// Images reads the images of a repository. It proves nothing about them.
type Images struct {
	from repository
	ref  manifests.RegistryRef
}

// Images returns the images of the repository of r.
func (t *Transport) Images(r manifests.RegistryRef) Images {
	return Images{repository{t: t, host: r.Registry, name: r.Repository}, r}
}

// Top returns the manifest or the index that the tag or the digest of the ref leads to.
func (i Images) Top(ctx context.Context) ([]byte, error) {
	if !i.ref.Digest.IsZero() {
		return i.Manifest(ctx, i.ref.Digest)
	}
	return manifests.ReadAll(ctx, urls{i.from, manifests.Validators{}}, manifestPath(i.ref.Tag), MaxManifest)
}

// Manifest returns the manifest or the index d. Other bytes are a *verify.DigestError.
func (i Images) Manifest(ctx context.Context, d verify.Digest) ([]byte, error) {
	data, err := manifests.ReadAll(ctx, urls{i.from, manifests.Validators{}}, manifestPath("sha256:"+d.Hex()), MaxManifest)
	if err != nil {
		return nil, err
	}
	if got := verify.DigestOf(data); got != d {
		return nil, &verify.DigestError{Name: i.from.String() + "@sha256:" + d.Hex(), Want: d, Got: got}
	}
	return data, nil
}

// Blob opens the blob d. Its bytes are not checked.
func (i Images) Blob(ctx context.Context, d verify.Digest) (io.ReadCloser, error) {
	body, _, err := i.from.t.Open(ctx, manifests.RegistryRef{Registry: i.from.host, Repository: i.from.name, Digest: d}.String(), 0)
	return body, err
}
