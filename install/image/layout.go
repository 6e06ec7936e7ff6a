package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// Names in an image layout. OCI image-spec 1.1, image-layout.md.
const (
	layoutFile = "oci-layout"
	indexFile  = "index.json"
	blobsDir   = "blobs"
	blobDir    = blobsDir + "/sha256"
	unnamed    = blobDir + "/unfinished" // a blob whose digest is not known yet
)

// mark is the annotation by which kist knows an image that it wrote. refName is that of the
// name by which programs ask for an image of a layout: OCI image-spec 1.1, annotations.md.
const (
	mark    = "io.github.kist-tools.image"
	refName = "org.opencontainers.image.ref.name"
	latest  = "latest"
)

// A TakenError reports that a directory is not empty, and holds something other than an
// image that kist wrote there.
type TakenError struct{ Path, Why string }

func (e *TakenError) Error() string {
	return fmt.Sprintf("%s is not empty, and holds no image that kist wrote, so kist does not write there: %s", e.Path, e.Why)
}
func (*TakenError) Kind() string { return "refused" }

// A Layout is a directory that an image is written to. Blobs are added first, and none is
// changed; the index then switches to the new image in one step. Only after that, the
// blobs of the image before are removed that the new one does not have. After a failure
// the image before is as it was.
type Layout struct {
	root    *os.Root
	made    bool                   // the directory was empty
	earlier map[verify.Digest]bool // the blobs of the image before; nil: there is none
	current map[verify.Digest]bool // the blobs of the new image

	mu       sync.Mutex
	added    map[verify.Digest]bool // the blobs that this run added
	finished bool                   // the new image is in force, or may be
	over     bool                   // Abandon was called
}

// OpenLayout opens a directory to write an image to it. A directory that is not empty must
// hold an image that kist wrote, else the error is a *TakenError. Nothing is changed.
func OpenLayout(root *os.Root) (*Layout, error) {
	l := &Layout{root: root, added: map[verify.Digest]bool{}, current: map[verify.Digest]bool{}}
	entries, err := rootfs.ReadDir(root, ".")
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		l.made = true
		return l, nil
	}
	for _, e := range entries {
		if n := e.Name(); n != layoutFile && n != indexFile && n != blobsDir && !rootfs.IsTemp(n) {
			return nil, &TakenError{root.Name(), "it has " + n}
		}
	}
	if l.earlier, err = l.readEarlier(); err != nil {
		return nil, &TakenError{root.Name(), err.Error()}
	}
	return l, nil
}

// readEarlier returns the blobs of the image in l.
func (l *Layout) readEarlier() (map[verify.Digest]bool, error) {
	data, err := rootfs.ReadFile(l.root, indexFile, maxManifest)
	if err != nil {
		return nil, err
	}
	var i index
	if err := json.Unmarshal(data, &i); err != nil {
		return nil, err
	}
	if len(i.Manifests) != 1 || i.Manifests[0].Annotations[mark] == "" {
		return nil, errors.New(indexFile + " names other images")
	}
	top := i.Manifests[0]
	if data, err = rootfs.ReadFile(l.root, blobFile(top.Digest), maxManifest); err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil || verify.DigestOf(data) != top.Digest {
		return nil, errors.New("its manifest is damaged")
	}
	blobs := map[verify.Digest]bool{top.Digest: true, m.Config.Digest: true}
	for _, d := range m.Layers {
		blobs[d.Digest] = true
	}
	return blobs, nil
}

func blobFile(d verify.Digest) string { return path.Join(blobDir, d.Hex()) }

// putLayer adds the layer that write writes.
func (l *Layout) putLayer(ctx context.Context, write func(context.Context, layerWriter) error) (Layer, error) {
	c := &compressed{ctx: ctx, write: write}
	err := l.put(c, maxLayer, func() verify.Digest { return c.layer.Digest })
	c.layer.Had = l.earlier[c.layer.Digest]
	return c.layer, err
}

// putBlob adds a blob.
func (l *Layout) putBlob(data []byte) (verify.Digest, error) {
	d := verify.DigestOf(data)
	return d, l.put(bytes.NewReader(data), int64(len(data)), func() verify.Digest { return d })
}

// put adds a blob of at most limit bytes. digest is called when it was written.
func (l *Layout) put(content io.WriterTo, limit int64, digest func() verify.Digest) error {
	if _, err := rootfs.MkdirAllUnsynced(l.root, blobDir, 0o777); err != nil {
		return err
	}
	if err := rootfs.ReplaceFrom(l.root, unnamed, content, limit, 0o644); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return errors.Join(context.Canceled, l.root.Remove(unnamed))
	}
	name := blobFile(digest())
	if _, err := l.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		l.added[digest()] = true
	}
	l.current[digest()] = true
	return l.root.Rename(unnamed, name)
}

// copyBlob adds the blob d, which open opens, unless l has it and it is whole.
func (l *Layout) copyBlob(ctx context.Context, d descriptor, open func() (io.ReadCloser, error)) error {
	if f, err := rootfs.OpenRegular(l.root, blobFile(d.Digest)); err == nil {
		whole := verify.Check(d.Digest.Hex(), manifests.ContextReader{ReadSeeker: f, Ctx: ctx}, d.Size, d.Digest)
		f.Close()
		if whole == nil {
			l.current[d.Digest] = true
			return nil
		}
	}
	const more = 1 // a blob that is too long by a byte is reported by its size, as a shorter one is
	return l.put(copied{ctx, d, open}, d.Size+more, func() verify.Digest { return d.Digest })
}

// A copied is the content of a blob from elsewhere, checked while it is written.
type copied struct {
	ctx  context.Context
	d    descriptor
	open func() (io.ReadCloser, error)
}

// WriteTo implements io.WriterTo.
func (c copied) WriteTo(w io.Writer) (int64, error) {
	body, err := c.open()
	if err != nil {
		return 0, err
	}
	defer body.Close()
	return c.d.Size, verify.Check("blob "+c.d.Digest.Hex(), io.TeeReader(io.LimitReader(body, c.d.Size+1), contextWriter{c.ctx, w}), c.d.Size, c.d.Digest)
}

// finish adds the manifest data of an image for p, and makes it the image of l.
func (l *Layout) finish(data []byte, p manifests.Platform) (verify.Digest, error) {
	if len(data) > maxManifest {
		return verify.Digest{}, &manifests.TooLargeError{Name: "the manifest of the image", Limit: maxManifest}
	}
	d, err := l.putBlob(data)
	if err != nil {
		return d, err
	}
	if err := rootfs.SyncDir(l.root, blobDir); err != nil {
		return d, err
	}
	top := index{SchemaVersion: 2, MediaType: indexType, Manifests: []descriptor{{MediaType: manifestType, Digest: d, Size: int64(len(data)),
		Platform: &platform{OS: p.OS, Architecture: p.Arch}, Annotations: map[string]string{mark: "1", refName: latest}}}}
	if err := rootfs.ReplaceFile(l.root, layoutFile, []byte(layoutText), 0o644); err != nil {
		return d, err
	}
	l.mu.Lock()
	abandoned := l.over
	l.finished = !abandoned
	l.mu.Unlock()
	if abandoned {
		return d, context.Canceled
	}
	return d, rootfs.ReplaceFile(l.root, indexFile, encode(top), 0o644)
}

// dropOld removes the blobs of the image before that the new one does not have.
func (l *Layout) dropOld() (err error) {
	for d := range l.earlier {
		if !l.current[d] {
			err = errors.Join(err, rootfs.IgnoreMissing(l.root.Remove(blobFile(d))))
		}
	}
	return err
}

// Abandon removes what a run added that has not finished. It may be called at any time,
// from any goroutine; later calls, and those after the end of a run, do nothing.
func (l *Layout) Abandon() (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.finished || l.over {
		return nil
	}
	l.over = true
	for d := range l.added {
		err = errors.Join(err, rootfs.IgnoreMissing(l.root.Remove(blobFile(d))))
	}
	if l.made { // it was empty
		err = errors.Join(err, rootfs.IgnoreMissing(l.root.Remove(layoutFile)), rootfs.RemoveEmptyDirs(l.root, blobDir, blobsDir))
	}
	return err
}
