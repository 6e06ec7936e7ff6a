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
// names and contents of its files and of nothing else (golang.org/x/mod/sumdb/
// dirhash). Modes, times and the order of entries are not covered, so whoever
// unpacks must not take them from the zip.
//
// The zip is not proved yet when it is read. So every entry must be a regular
// file under a name that the go command accepts in a module, no two names may
// be equal, not even on a file system that ignores case, there is no comment, and
// nothing may be larger than the ceilings or than it claims. Anything else is an error that
// matches ErrUntrusted; an error of r itself is returned as it is.
func HashZip(name string, r io.ReaderAt, size int64) (h1 string, err error) {
	if size > MaxTreeZip {
		return "", fmt.Errorf("%s: %w: larger than the limit of %d bytes", name, ErrUntrusted, int64(MaxTreeZip))
	}
	source := &boundedReaderAt{r: r, size: size, left: maxTreeDirectory}
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
	source.left = -1 // the directory is known; from here on each file has its own limit
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
		return &exactReader{ReadCloser: body, name: name, left: int64(files[name].UncompressedSize64)}, nil
	})
}

// A decoder is the one that unpacks the zip later, so that both read the same. It
// serves one file after the other.
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

// treeFiles judges the directory of a zip and returns its files by name.
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
			return nil, fmt.Errorf("%q is there twice", file.Name)
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

// A boundedReaderAt lets left bytes through, all if it is negative, and
// remembers how r itself failed. What a malformed zip asks for outside of r is
// the zip's failure.
type boundedReaderAt struct {
	r      io.ReaderAt
	size   int64
	left   int64
	failed error
}

func (b *boundedReaderAt) ReadAt(p []byte, offset int64) (int, error) {
	if b.left >= 0 && int64(len(p)) > b.left {
		return 0, fmt.Errorf("its directory is larger than the limit of %d bytes", maxTreeDirectory)
	}
	if offset < 0 || offset > b.size {
		return 0, fmt.Errorf("it points outside of itself")
	}
	n, err := b.r.ReadAt(p, offset)
	if b.left >= 0 {
		b.left -= int64(n)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed = err
	}
	return n, err
}

// An exactReader fails where a file is longer than the zip's directory says.
type exactReader struct {
	io.ReadCloser
	name string
	left int64
}

func (e *exactReader) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if e.left -= int64(n); e.left < 0 {
		return 0, fmt.Errorf("%q is longer than it claims", e.name)
	}
	return n, err
}
