package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// A Source has the manifests and blobs of images. What it returns is checked.
type Source interface {
	// Manifest returns a manifest or an index.
	Manifest(ctx context.Context, d verify.Digest) ([]byte, error)
	// Blob opens a blob.
	Blob(ctx context.Context, d verify.Digest) (io.ReadCloser, error)
}

// A Base is an image that another one begins with. Nobody proved it: its digests only show
// that it is whole.
type Base struct {
	Name   string        // as the user named it
	Digest verify.Digest // of its manifest

	from   Source
	all    []descriptor // its layers
	config *config
}

// A BaseError reports that an image cannot be a base. It matches what Err matches, such as
// verify.ErrUntrusted for one that is not whole.
type BaseError struct {
	Name string
	Err  error
}

func (e *BaseError) Error() string { return fmt.Sprintf("base image %s: %v", e.Name, e.Err) }
func (e *BaseError) Unwrap() error { return e.Err }

// ErrNoBase is returned for something that is no image for the platform.
var ErrNoBase = verify.NewClass("not an image for this platform", "unknown", nil)

// maxDepth is how many indices lead to an image.
const maxDepth = 4

// ReadBase returns the image for p that top leads to: an index or a manifest from a
// source. Its errors are *BaseError.
func ReadBase(ctx context.Context, name string, from Source, top []byte, p manifests.Platform) (*Base, error) {
	b := &Base{Name: name, from: from}
	if err := b.read(ctx, top, p, maxDepth); err != nil {
		return nil, &BaseError{name, err}
	}
	return b, nil
}

func (b *Base) layers() int {
	if b == nil {
		return 0
	}
	return len(b.all)
}

// read reads the image for p that data leads to, by way of at most depth indices.
func (b *Base) read(ctx context.Context, data []byte, p manifests.Platform, depth int) error {
	var kind struct {
		Manifests json.RawMessage `json:"manifests"`
	}
	if err := json.Unmarshal(data, &kind); err != nil {
		return verify.Untrusted("its manifest: %w", err)
	}
	if kind.Manifests == nil {
		return b.readManifest(ctx, data, p)
	}
	var i index
	if err := json.Unmarshal(data, &i); err != nil {
		return verify.Untrusted("its index: %w", err)
	}
	if depth == 0 {
		return verify.Untrusted("more than %d indices lead to it", maxDepth)
	}
	var others []string
	for _, d := range i.Manifests {
		if d.Platform != nil && !d.Platform.is(p) {
			others = append(others, d.Platform.String())
			continue
		}
		if err := d.check(maxManifest); err != nil {
			return verify.Untrusted("its index: %w", err)
		}
		next, err := b.from.Manifest(ctx, d.Digest)
		if err != nil {
			return err
		}
		if got := verify.DigestOf(next); got != d.Digest {
			return &verify.DigestError{Name: "its manifest", Want: d.Digest, Got: got}
		}
		err = b.read(ctx, next, p, depth-1)
		if !errors.Is(err, ErrNoBase) {
			return err
		}
		others = append(others, strings.TrimPrefix(err.Error(), "it is for "))
	}
	if len(others) == 0 {
		return verify.Errorf(ErrNoBase, "it has no image")
	}
	slices.Sort(others)
	return verify.Errorf(ErrNoBase, "it has no image for %s/%s, only for %.200s", p.OS, p.Arch, strings.Join(slices.Compact(others), ", "))
}

// readManifest reads the image whose manifest is data.
func (b *Base) readManifest(ctx context.Context, data []byte, p manifests.Platform) error {
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return verify.Untrusted("its manifest: %w", err)
	}
	if m.Config.MediaType != configType && m.Config.MediaType != dockerConfig {
		return verify.Errorf(ErrNoBase, "it is an artifact (%.100q), not an image", m.Config.MediaType)
	}
	if err := m.Config.check(maxConfig); err != nil {
		return verify.Untrusted("its manifest: %w", err)
	}
	if len(m.Layers) > maxLayers {
		return verify.Untrusted("its manifest: %d layers; at most %d are read", len(m.Layers), maxLayers)
	}
	known := layerTypes()
	for i, d := range m.Layers {
		if err := d.check(maxLayer); err != nil {
			return verify.Untrusted("its manifest: %w", err)
		}
		if known[d.MediaType] == "" {
			return verify.Errorf(ErrNoBase, "it has a layer of type %.100q", d.MediaType)
		}
		m.Layers[i] = descriptor{MediaType: known[d.MediaType], Digest: d.Digest, Size: d.Size}
	}
	text, err := b.readConfig(ctx, m.Config)
	if err != nil {
		return err
	}
	c, on, err := parseConfig(text, len(m.Layers))
	if err != nil {
		return err
	}
	if !on.is(p) {
		return verify.Errorf(ErrNoBase, "it is for %.100s", on)
	}
	b.Digest, b.all, b.config = verify.DigestOf(data), m.Layers, c
	return nil
}

func (b *Base) readConfig(ctx context.Context, d descriptor) ([]byte, error) {
	body, err := b.from.Blob(ctx, d.Digest)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := manifests.ReadLimited(body, "its configuration", maxConfig)
	if err != nil {
		return nil, err
	}
	if got := verify.DigestOf(data); got != d.Digest {
		return nil, &verify.DigestError{Name: "its configuration", Want: d.Digest, Got: got}
	}
	return data, nil
}

// copyLayers adds the layers of b to l, and returns them.
func (b *Base) copyLayers(ctx context.Context, l *Layout) ([]descriptor, error) {
	for _, d := range b.all {
		if err := l.copyBlob(ctx, d, func() (io.ReadCloser, error) { return b.from.Blob(ctx, d.Digest) }); err != nil {
			return nil, &BaseError{b.Name, err}
		}
	}
	return slices.Clone(b.all), nil
}

// Dir is the Source of an image layout in a directory.
type Dir struct{ Root *os.Root }

// Top returns the index of the layout.
func (d Dir) Top() ([]byte, error) {
	data, err := rootfs.ReadFile(d.Root, indexFile, maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, verify.Errorf(ErrNoBase, "%s is no image layout: it has no %s", d.Root.Name(), indexFile)
	}
	return data, err
}

// Manifest implements Source.
func (d Dir) Manifest(_ context.Context, digest verify.Digest) ([]byte, error) {
	data, err := rootfs.ReadFile(d.Root, blobFile(digest), maxManifest)
	return data, incomplete(err)
}

// Blob implements Source.
func (d Dir) Blob(_ context.Context, digest verify.Digest) (io.ReadCloser, error) {
	f, err := rootfs.OpenRegular(d.Root, blobFile(digest))
	if err != nil {
		return nil, incomplete(err)
	}
	return f, nil
}

// incomplete returns err, which reading a blob of a layout failed with.
func incomplete(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return verify.Untrusted("a blob is missing: %w", err)
	}
	return err
}
