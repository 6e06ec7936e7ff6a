// Package bundle writes and reads bundles: what tools are installed from, in one file that
// can be carried by hand.
//
// A bundle is an OCI image layout (image-spec 1.1), as a tar file or as a directory, so
// that the tools of registries move it too. It holds one manifest of artifactType
// [ArtifactType], with the empty config. Its first layer says which releases the bundle is
// for. Each other layer is a document or an artifact as its origin served it, byte for
// byte; the annotation [URLs] states by which URLs.
//
//	oci-layout
//	index.json
//	blobs/sha256/<hex>
//
// # What is checked
//
// [Open] and [OpenDir] read all of a bundle once. They refuse links, devices, names that
// are not of the layout, names that occur twice, blobs that do not have their digest,
// missing and additional blobs, fields that they do not know, and whatever is over its
// ceiling. No file but the manifest and the first layer is held in memory.
//
// # What is trusted
//
// Nothing. A digest in a bundle only shows that it is whole. A [Bundle] is a
// manifests.Transport, and who reads from it proves what it has like the answers of any
// server.
package bundle

import (
	"context"
	"fmt"
	"io"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// The media types of a bundle, and the annotation of a layer with the URLs that served it,
// with a space between any two.
const (
	ArtifactType  = "application/vnd.kist.bundle.v1"
	contentsType  = "application/vnd.kist.bundle.contents.v1+json"
	documentType  = "application/vnd.kist.bundle.document.v1"
	artifactType  = "application/vnd.kist.bundle.artifact.v1"
	indexType     = "application/vnd.oci.image.index.v1+json"
	manifestType  = "application/vnd.oci.image.manifest.v1+json"
	emptyType     = "application/vnd.oci.empty.v1+json"
	empty         = "{}"
	layoutText    = `{"imageLayoutVersion":"1.0.0"}`
	layoutVersion = "1.0.0"

	URLs = "io.github.kist-tools.urls"
)

// Names in the layout.
const (
	layoutFile = "oci-layout"
	indexFile  = "index.json"
	blobDir    = "blobs/sha256"
	ingestDir  = "ingest" // an empty directory that oras leaves
)

// Ceilings.
const (
	maxLayoutFile = 1 << 10  // bytes of oci-layout
	maxIndex      = 64 << 10 // bytes of index.json
	maxManifest   = 4 << 20  // bytes, as in most registries
	MaxContents   = 4 << 20  // bytes of the first layer
	MaxFiles      = 10_000
	maxURLs       = 64   // of one file
	maxURL        = 4096 // bytes
)

// A File is a document or an artifact in a bundle.
type File struct {
	URLs     []string // that served it, each as Key returns it, sorted
	Digest   verify.Digest
	Size     int64
	Artifact bool
}

// ErrNotBundle is returned for a file or a directory that is no bundle at all.
var ErrNotBundle = verify.NewClass("not a bundle", "usage", nil)

// Key returns the URL ref as bundles state it: without user, password and query, which may
// be secret. Its error matches manifests.ErrNotFound.
func Key(ref string) (string, error) {
	bare, err := manifests.BareURL(ref)
	if err != nil {
		return "", verify.Errorf(manifests.ErrNotFound, "%s: %w", manifests.Redact(ref), err)
	}
	return bare, nil
}

// A Bundle is a bundle that is open for reading. It is safe for concurrent use.
type Bundle struct {
	Contents []byte // the first layer
	Files    []File // in the order of the manifest
	// Digest is that of the manifest, and so of everything in the bundle.
	Digest verify.Digest

	blobs map[verify.Digest]blob
	byURL map[string]int // of Files, by URL
	close func() error
}

// A blob is where the content of a File is.
type blob struct {
	size int64
	open func() (Reader, error)
}

// A Reader reads a File.
type Reader interface {
	io.ReadSeeker
	io.ReaderAt
	io.Closer
}

// ParseManifest returns what a bundle with this manifest holds, without the files
// themselves, and the digest of its contents. It proves nothing. Its error matches
// ErrNotBundle or verify.ErrUntrusted.
func ParseManifest(manifest []byte) (files []File, contents File, err error) {
	first, files, err := parseManifest(manifest)
	if err == nil {
		_, err = indexFiles(files)
	}
	return files, File{Digest: first.Digest, Size: first.Size}, err
}

// Close closes the files of b.
func (b *Bundle) Close() error { return b.close() }

// Find returns the file that the URL ref served.
func (b *Bundle) Find(ref string) (File, bool) {
	key, err := Key(ref)
	if err != nil {
		return File{}, false
	}
	i, ok := b.byURL[key]
	if !ok {
		return File{}, false
	}
	return b.Files[i], true
}

// OpenFile opens f, one of b.Files.
func (b *Bundle) OpenFile(f File) (Reader, error) { return b.blobs[f.Digest].open() }

// Open implements manifests.Transport: it has the URLs of b.Files, and nothing else. The
// error for any other matches manifests.ErrNotFound.
func (b *Bundle) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	f, ok := b.Find(ref)
	if !ok {
		return nil, 0, fmt.Errorf("%s: %w in the bundle", manifests.Redact(ref), manifests.ErrNotFound)
	}
	if offset > f.Size {
		return nil, 0, fmt.Errorf("%s: %w: it has %d bytes", manifests.Redact(ref), manifests.ErrNoRange, f.Size)
	}
	r, err := b.OpenFile(f)
	if err == nil {
		_, err = r.Seek(offset, io.SeekStart)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w: %w", manifests.Redact(ref), manifests.ErrUnreachable, err)
	}
	return body{manifests.ContextReader{ReadSeeker: r, Ctx: ctx}, r}, f.Size, nil
}

type body struct {
	io.Reader
	io.Closer
}
