package bundle

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Draft is a bundle to be written.
type Draft struct {
	Contents []byte // the first layer, in a form that its reader knows
	// Files are what the bundle holds. Two may have the same digest. Their URLs are as Key
	// returns them.
	Files []File
	// Open opens the content of a file.
	Open func(File) (io.ReadCloser, error)
}

// Size returns an upper bound of how many bytes WriteTo writes.
func (d Draft) Size() int64 {
	const block = 4 << 10 // what a header and the padding take at most
	size := int64(maxIndex + maxManifest + len(d.Contents) + 8*block)
	for _, f := range d.Files {
		size += f.Size + block
	}
	return size
}

// Manifest returns the manifest of the bundle, and what it refers to besides the empty
// config and Contents: d.Files, one for each digest, sorted.
func (d Draft) Manifest() (manifest []byte, files []File, err error) {
	manifest, _, files, err = d.encode()
	return manifest, files, err
}

func (d Draft) encode() (theManifest, theIndex []byte, files []File, err error) {
	files = merge(d.Files)
	if _, err := indexFiles(files); err != nil {
		return nil, nil, nil, err
	}
	theManifest, theIndex = encodeManifest(d.Contents, files)
	switch {
	case len(files) > MaxFiles:
		return nil, nil, nil, &manifests.TooLargeError{Name: "the bundle's list of files", Limit: MaxFiles}
	case len(theManifest) > maxManifest:
		return nil, nil, nil, &manifests.TooLargeError{Name: "the bundle's manifest", Limit: maxManifest}
	case len(d.Contents) > MaxContents:
		return nil, nil, nil, &manifests.TooLargeError{Name: "the bundle's list of releases", Limit: MaxContents}
	}
	if _, _, err := parseManifest(theManifest); err != nil {
		return nil, nil, nil, fmt.Errorf("the bundle cannot be written: %w", err)
	}
	return theManifest, theIndex, files, nil
}

// WriteTo writes d as a tar file. The same content gives the same bytes, in whatever order
// Files are: no time, owner or mode of any file is in it. The error is a
// *verify.DigestError or *verify.SizeError if Open returns something other than the file.
func (d Draft) WriteTo(w io.Writer) (n int64, err error) {
	theManifest, theIndex, files, err := d.encode()
	if err != nil {
		return 0, err
	}
	inMemory := func(data []byte) member {
		return member{verify.DigestOf(data), int64(len(data)), func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
	}
	blobs := []member{inMemory(theManifest), inMemory([]byte(empty)), inMemory(d.Contents)}
	for _, f := range files {
		blobs = append(blobs, member{f.Digest, f.Size, func() (io.ReadCloser, error) { return d.Open(f) }})
	}
	slices.SortFunc(blobs, func(a, b member) int { return strings.Compare(a.digest.Hex(), b.digest.Hex()) })
	blobs = slices.CompactFunc(blobs, func(a, b member) bool { return a.digest == b.digest })

	out := &counter{w: w}
	t := tar.NewWriter(out)
	if err := write(t, layoutFile, inMemory([]byte(layoutText))); err != nil {
		return out.n, err
	}
	if err := write(t, indexFile, inMemory(theIndex)); err != nil {
		return out.n, err
	}
	for _, b := range blobs {
		if err := write(t, blobDir+"/"+b.digest.Hex(), b); err != nil {
			return out.n, err
		}
	}
	return out.n, t.Close()
}

// A member is a file of the layout to be written.
type member struct {
	digest verify.Digest
	size   int64
	open   func() (io.ReadCloser, error)
}

func write(t *tar.Writer, name string, m member) error {
	err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: m.size, Mode: 0o644, ModTime: time.Unix(0, 0)})
	if err != nil {
		return err
	}
	r, err := m.open()
	if err != nil {
		return err
	}
	defer r.Close()
	return verify.Check(name, io.TeeReader(r, t), m.size, m.digest)
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
