package verify

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/module"
	"golang.org/x/mod/sumdb/dirhash"
	modzip "golang.org/x/mod/zip"

	"github.com/kist-tools/kist/verify/inflate"
)

// Ceilings on a zip whose content is hashed.
const (
	// MaxTreeZip is the most bytes a module zip may have, packed and
	// unpacked: the go command's own limit.
	MaxTreeZip = modzip.MaxZipFile
	// MaxTreeFiles is the most files it may hold.
	MaxTreeFiles = 100_000
	// maxTreeDirectory is the most bytes of the zip that may have to be read
	// to learn its entries.
	maxTreeDirectory = 16 << 20
)

// HashZip returns the h1 hash of the zip in r, size bytes long: a hash of the
// names and contents of its files only (golang.org/x/mod/sumdb/dirhash). It does
// not cover modes, times and the order of entries, so code that unpacks the zip
// must ignore them.
//
// HashZip reads a zip that is not proved yet. Therefore every entry must be a
// regular file under a name that the go command accepts in a module; no two names
// may be equal, even if case is ignored; there must be no comment; and nothing may
// be larger than the ceilings or than it claims. Any other zip is an error that
// matches ErrUntrusted; an error of r is returned wrapped.
func HashZip(name string, r io.ReaderAt, size int64) (h1 string, err error) {
	if size > MaxTreeZip {
		return "", fmt.Errorf("%s: %w: larger than the limit of %d bytes", name, ErrUntrusted, int64(MaxTreeZip))
	}
	source := &boundedReaderAt{r: r, size: size, remaining: maxTreeDirectory}
	defer func() {
		switch {
		case source.failed != nil:
			err = fmt.Errorf("%s: %w", name, source.failed)
		case err != nil:
			err = fmt.Errorf("%s: %w: %w", name, ErrUntrusted, err)
		}
	}()
	archive, err := zip.NewReader(source, size)
	if err != nil {
		return "", err
	}
	archive.RegisterDecompressor(zip.Deflate, (&decoder{}).open)
	source.remaining = -1 // the directory has been read; from here on each file has its own limit
	files, err := treeFiles(archive)
	if err != nil {
		return "", err
	}
	names := make([]string, 0, len(files))
	for file := range files {
		names = append(names, file)
	}
	return dirhash.Hash1(names, func(name string) (io.ReadCloser, error) {
		body, err := files[name].Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return &exactReader{ReadCloser: body, name: name, remaining: int64(files[name].UncompressedSize64)}, nil
	})
}

// decoder decompresses the files of a zip, one after the other. It uses the package
// that unpacks the zip later, so that both read the same content.
type decoder struct {
	in      *bufio.Reader
	inflate *inflate.Reader
}

func (d *decoder) open(packed io.Reader) io.ReadCloser {
	if d.in == nil {
		d.in = bufio.NewReaderSize(packed, 64<<10)
		d.inflate = inflate.NewReader(d.in)
	} else {
		d.in.Reset(packed)
		d.inflate.Reset(d.in)
	}
	return io.NopCloser(d.inflate)
}

// treeFiles checks the directory of a zip and returns its files by name.
func treeFiles(archive *zip.Reader) (map[string]*zip.File, error) {
	if len(archive.File) == 0 || len(archive.File) > MaxTreeFiles {
		return nil, fmt.Errorf("%d files, want 1 to %d", len(archive.File), MaxTreeFiles)
	}
	if archive.Comment != "" {
		return nil, fmt.Errorf("a comment, in which another directory could hide")
	}
	files := make(map[string]*zip.File, len(archive.File))
	folded := make(map[string]bool, len(archive.File))
	var total uint64
	for _, file := range archive.File {
		if !file.Mode().IsRegular() {
			return nil, fmt.Errorf("%q is not a regular file", file.Name)
		}
		if err := module.CheckFilePath(file.Name); err != nil {
			return nil, err
		}
		fold := strings.ToLower(file.Name)
		if folded[fold] {
			return nil, fmt.Errorf("%q occurs twice", file.Name)
		}
		folded[fold] = true
		if file.UncompressedSize64 > MaxTreeZip-total {
			return nil, fmt.Errorf("unpacks to more than the limit of %d bytes", int64(MaxTreeZip))
		}
		total += file.UncompressedSize64
		files[file.Name] = file
	}
	return files, nil
}

// boundedReaderAt limits the bytes read from r, and records the error of r. A read
// outside of r is an error of the malformed zip, not of r.
type boundedReaderAt struct {
	r         io.ReaderAt
	size      int64
	remaining int64 // bytes that may still be read; negative: no limit
	failed    error // error of r
}

func (b *boundedReaderAt) ReadAt(p []byte, offset int64) (int, error) {
	if b.remaining >= 0 && int64(len(p)) > b.remaining {
		return 0, fmt.Errorf("its directory is larger than the limit of %d bytes", maxTreeDirectory)
	}
	if offset < 0 || offset > b.size {
		return 0, fmt.Errorf("it points outside of itself")
	}
	n, err := b.r.ReadAt(p, offset)
	if b.remaining >= 0 {
		b.remaining -= int64(n)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed = err
	}
	return n, err
}

// exactReader fails if a file is longer than the zip's directory states.
type exactReader struct {
	io.ReadCloser
	name      string
	remaining int64
}

func (e *exactReader) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if e.remaining -= int64(n); e.remaining < 0 {
		return 0, fmt.Errorf("%q is longer than it claims", e.name)
	}
	return n, err
}
