package bundle

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// Open reads the bundle in the tar file f, of which the Bundle reads until it is closed.
// Errors match verify.ErrUntrusted, or ErrNotBundle, or are those of reading f. Close closes f.
func Open(ctx context.Context, f *os.File) (*Bundle, error) {
	b, err := readTar(ctx, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	b.close = f.Close
	return b, nil
}

// readTar reads the bundle in a tar file.
func readTar(ctx context.Context, f io.ReaderAt) (*Bundle, error) {
	in := &position{r: f}
	t := tar.NewReader(in)
	l := newLayout(ctx)
	for first := true; ; first = false {
		h, err := t.Next()
		var name string
		if err == nil {
			name = strings.TrimPrefix(h.Name, "./")
		}
		switch {
		case in.err != nil: // of the disk
			return nil, in.err
		case first && (err != nil || !isLayoutName(name)):
			return nil, verify.Errorf(ErrNotBundle, "not a tar file of an OCI image layout")
		case err == io.EOF:
			if err := in.checkRest(); err != nil {
				return nil, err
			}
			return l.bundle()
		case err != nil:
			return nil, verify.Untrusted("the tar file is damaged: %w", err)
		case h.Typeflag == tar.TypeDir && isLayoutDir(strings.TrimSuffix(name, "/")):
			continue
		case h.Typeflag != tar.TypeReg:
			return nil, verify.Untrusted("the tar file holds %.200q, which is neither a file nor a directory of the layout", h.Name)
		}
		at := in.at
		err = l.add(name, h.Size, t, func() (Reader, error) {
			return section{io.NewSectionReader(f, at, h.Size)}, nil
		})
		switch {
		case in.err != nil:
			return nil, in.err
		case errors.Is(err, io.ErrUnexpectedEOF):
			return nil, verify.Untrusted("the tar file ends within %.200q", h.Name)
		case err != nil:
			return nil, err
		case in.at-at != h.Size: // a sparse file
			return nil, verify.Untrusted("the tar file holds only parts of %.200q", h.Name)
		}
		if err := in.checkPadding(); err != nil {
			return nil, err
		}
	}
}

// A section is a part of a file.
type section struct{ *io.SectionReader }

func (section) Close() error { return nil }

// A position reads a file, and knows where it is.
type position struct {
	r   io.ReaderAt
	at  int64
	err error // of the disk
}

func (p *position) Read(buf []byte) (int, error) {
	n, err := p.r.ReadAt(buf, p.at)
	p.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	if err != nil && err != io.EOF {
		p.err = err
	}
	return n, err
}

// checkPadding checks that zeros fill the last block of a file that was read to its end. A
// tar file that ends there is not its error.
func (p *position) checkPadding() error {
	padding := make([]byte, -p.at&511)
	n, err := p.r.ReadAt(padding, p.at)
	if err != nil && err != io.EOF {
		return err
	}
	if len(bytes.Trim(padding[:n], "\x00")) > 0 {
		return verify.Untrusted("the tar file holds something after the end of a file")
	}
	return nil
}

// checkRest checks that nothing but zeros follows the end of the archive, which is two
// blocks of zeros. Programs fill a tar file up to a multiple of 10 KiB.
func (p *position) checkRest() error {
	const most = 1 << 20
	rest, err := io.ReadAll(io.LimitReader(p, most+1))
	if err != nil {
		return err
	}
	if len(rest) > most || len(bytes.Trim(rest, "\x00")) > 0 {
		return verify.Untrusted("something follows the end of the tar file")
	}
	end := make([]byte, 1024)
	if n, err := p.r.ReadAt(end, max(p.at-1024, 0)); err != nil && err != io.EOF {
		return err
	} else if n < len(end) || len(bytes.Trim(end, "\x00")) > 0 {
		return verify.Untrusted("the tar file has no end")
	}
	return nil
}

// OpenDir reads the bundle in a directory, of which the Bundle reads until it is closed.
// Errors are those of Open. Close closes root.
func OpenDir(ctx context.Context, root *os.Root) (*Bundle, error) {
	b, err := readDir(ctx, root)
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	b.close = root.Close
	return b, nil
}

func readDir(ctx context.Context, root *os.Root) (*Bundle, error) {
	if _, err := root.Lstat(layoutFile); errors.Is(err, fs.ErrNotExist) {
		return nil, verify.Errorf(ErrNotBundle, "no OCI image layout: it has no %s", layoutFile)
	}
	l := newLayout(ctx)
	dirs := []string{".", path.Dir(blobDir), blobDir}
	for n := 0; n < len(dirs); n++ {
		dir := dirs[n]
		entries, err := list(root, dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if e.IsDir() && isLayoutDir(name) {
				if name == ingestDir {
					dirs = append(dirs, name)
				}
				continue
			}
			if !e.Type().IsRegular() {
				return nil, verify.Untrusted("it holds %.200q, which is neither a file nor a directory of the layout", name)
			}
			if err := l.addFrom(root, name); err != nil {
				return nil, err
			}
		}
	}
	return l.bundle()
}

// list returns the entries of a directory of the layout, as many as it may have and one.
func list(root *os.Root, dir string) ([]fs.DirEntry, error) {
	info, err := root.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil, verify.Untrusted("it has no directory %s", dir)
	}
	if err != nil {
		return nil, err
	}
	d, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(maxBlobs + 1)
	if err == io.EOF {
		err = nil
	}
	return entries, err
}

// addFrom adds the file called name.
func (l *layout) addFrom(root *os.Root, name string) error {
	open := func() (*os.File, error) {
		f, err := rootfs.OpenRegular(root, name)
		if errors.Is(err, rootfs.ErrNotRegular) {
			err = verify.Untrusted("%s is not a regular file", name)
		}
		return f, err
	}
	f, err := open()
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return l.add(name, info.Size(), f, func() (Reader, error) {
		f, err := open()
		if err != nil {
			return nil, err
		}
		return f, nil
	})
}

func isLayoutDir(name string) bool {
	return name == "" || name == "." || name == path.Dir(blobDir) || name == blobDir || name == ingestDir
}

func isLayoutName(name string) bool {
	_, isBlob := blobDigest(name)
	return name == layoutFile || name == indexFile || isBlob || isLayoutDir(strings.TrimSuffix(name, "/"))
}

// blobDigest returns the digest of the blob whose file is called name.
func blobDigest(name string) (d verify.Digest, ok bool) {
	hex, ok := strings.CutPrefix(name, blobDir+"/")
	if !ok || len(hex) != 2*sha256.Size {
		return d, false
	}
	d, err := verify.ParseDigest("sha256:" + hex)
	return d, err == nil && d.Hex() == hex
}

// maxBlobs is how many blobs a layout may have: the files, the manifest, the first layer
// and the config.
const maxBlobs = MaxFiles + 3

// A layout is what was read of an OCI image layout.
type layout struct {
	ctx   context.Context
	files map[string][]byte // oci-layout and index.json
	blobs map[verify.Digest]blob
}

func newLayout(ctx context.Context) *layout {
	return &layout{ctx: ctx, files: map[string][]byte{}, blobs: map[verify.Digest]blob{}}
}

// add adds a file of the layout, whose content r reads. A blob is read to compare it with
// its digest, and opened later by open.
func (l *layout) add(name string, size int64, r io.Reader, open func() (Reader, error)) error {
	limit := int64(maxLayoutFile)
	if name == indexFile {
		limit = maxIndex
	}
	digest, isBlob := blobDigest(name)
	_, taken := l.files[name]
	if _, have := l.blobs[digest]; have && isBlob {
		taken = true
	}
	switch {
	case taken:
		return verify.Untrusted("it holds %s twice", name)
	case isBlob && len(l.blobs) == maxBlobs:
		return &manifests.TooLargeError{Name: "the number of blobs", Limit: maxBlobs}
	case isBlob && size > manifests.MaxArtifact:
		return &manifests.TooLargeError{Name: name, Limit: manifests.MaxArtifact}
	case isBlob:
		l.blobs[digest] = blob{size, open}
		return verify.Check(name, contextReader{l.ctx, r}, size, digest)
	case name != layoutFile && name != indexFile:
		return verify.Untrusted("it holds %.200q, which is not of the layout", name)
	case size > limit:
		return &manifests.TooLargeError{Name: name, Limit: limit}
	}
	data, err := manifests.ReadLimited(r, name, limit)
	l.files[name] = data
	return err
}

// A contextReader is a Reader whose reads fail once ctx is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// bundle returns the bundle that the layout holds.
func (l *layout) bundle() (*Bundle, error) {
	for _, name := range []string{layoutFile, indexFile} {
		if _, ok := l.files[name]; !ok {
			return nil, verify.Untrusted("it has no %s", name)
		}
	}
	if err := checkLayoutFile(l.files[layoutFile]); err != nil {
		return nil, err
	}
	root, err := parseIndex(l.files[indexFile])
	if err != nil {
		return nil, err
	}
	named := map[verify.Digest]bool{}
	text, err := l.read(root, named)
	if err != nil {
		return nil, err
	}
	contents, files, err := parseManifest(text)
	if err != nil {
		return nil, err
	}
	b := &Bundle{Files: files, Digest: root.Digest, blobs: l.blobs}
	if b.byURL, err = indexFiles(files); err != nil {
		return nil, err
	}
	if _, err := l.read(emptyConfig(), named); err != nil {
		return nil, err
	}
	if b.Contents, err = l.read(contents, named); err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := l.check(f.Digest, f.Size, named); err != nil {
			return nil, err
		}
	}
	for d := range l.blobs {
		if !named[d] {
			return nil, verify.Untrusted("blob %s is not named by the manifest", d.Hex())
		}
	}
	return b, nil
}

// check checks that a blob is there, and adds it to named.
func (l *layout) check(d verify.Digest, size int64, named map[verify.Digest]bool) error {
	named[d] = true
	have, ok := l.blobs[d]
	if !ok {
		return verify.Untrusted("blob %s is missing", d.Hex())
	}
	if have.size != size {
		return &verify.SizeError{Name: "blob " + d.Hex(), Want: size, Got: have.size}
	}
	return nil
}

// read returns the content of a blob, whose size was checked.
func (l *layout) read(d descriptor, named map[verify.Digest]bool) ([]byte, error) {
	if err := l.check(d.Digest, d.Size, named); err != nil {
		return nil, err
	}
	r, err := l.blobs[d.Digest].open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := manifests.ReadLimited(r, "blob "+d.Digest.Hex(), d.Size)
	if err == nil && verify.DigestOf(data) != d.Digest { // it was changed since
		err = &verify.DigestError{Name: "blob " + d.Digest.Hex(), Want: d.Digest, Got: verify.DigestOf(data)}
	}
	return data, err
}
