package image

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// whiteout begins the names by which a layer removes what those below it have; opaque
// removes all that is in its directory. OCI image-spec 1.1, layer.md.
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// The modes in an image. All of it is root's, and everybody may read it.
const (
	dirMode  = 0o755
	fileMode = 0o644
	execMode = 0o755
)

// fixedTime is the time of every file in an image. Formats that some tools write files
// into begin in 1980, by local time.
var fixedTime = time.Date(1980, 1, 2, 0, 0, 0, 0, time.UTC)

// A layerWriter writes the tar archive of a layer. It writes a directory once.
type layerWriter struct {
	*tar.Writer
	made map[string]bool
}

func newLayerWriter(w io.Writer) layerWriter {
	return layerWriter{tar.NewWriter(w), map[string]bool{}}
}

func (w layerWriter) header(name string, kind byte, mode, size int64, target string) error {
	return w.WriteHeader(&tar.Header{Format: tar.FormatPAX, Typeflag: kind, Name: name, Mode: mode, Size: size, Linkname: target, ModTime: fixedTime})
}

// dir writes the directory name, without those above it.
func (w layerWriter) dir(name string) error {
	if w.made[name] {
		return nil
	}
	w.made[name] = true
	return w.header(name+"/", tar.TypeDir, dirMode, 0, "")
}

// dirs writes the directories that lead from the directory top to name, both included.
func (w layerWriter) dirs(top, name string) error {
	if name != top {
		if err := w.dirs(top, path.Dir(name)); err != nil {
			return err
		}
	}
	return w.dir(name)
}

func (w layerWriter) link(name, target string) error {
	return w.header(name, tar.TypeSymlink, 0o777, 0, target)
}

// file writes a file of size bytes, and checks its digest.
func (w layerWriter) file(name string, mode, size int64, from io.Reader, want verify.Digest) error {
	if err := w.header(name, tar.TypeReg, mode, size, ""); err != nil {
		return err
	}
	return verify.Check(name, io.TeeReader(from, w.Writer), size, want)
}

// tree writes what r lists below root to the directory top of the layer.
func (w layerWriter) tree(root *os.Root, r record.Receipt, top string) error {
	entries := slices.SortedFunc(slices.Values(r.Entries), func(a, b record.Entry) int { return strings.Compare(a.Path, b.Path) })
	for _, e := range entries {
		if err := w.entry(root, e, path.Join(top, e.Path)); err != nil {
			return err
		}
	}
	return nil
}

func (w layerWriter) entry(root *os.Root, e record.Entry, name string) error {
	switch e.Type {
	case record.Dir:
		return w.dir(name)
	case record.Link:
		return w.link(name, e.Target)
	}
	f, err := rootfs.OpenRegular(root, e.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	return w.file(name, int64(modeOf(e)), e.Size, f, e.Digest)
}

// modeOf returns the mode of e in an image: who may execute it is all that the umask of
// its install left of it for sure.
func modeOf(e record.Entry) fs.FileMode {
	switch {
	case e.Type == record.Link:
		return 0
	case e.Type == record.Dir:
		return dirMode
	case e.Mode&0o100 != 0:
		return execMode
	}
	return fileMode
}

// all writes everything below root to the directory top of the layer.
func (w layerWriter) all(root *os.Root, top string) error {
	return fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		in := path.Join(top, name)
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return w.dir(in)
		case d.Type() == fs.ModeSymlink:
			target, err := root.Readlink(name)
			if err != nil {
				return err
			}
			return w.link(in, target)
		}
		data, err := rootfs.ReadFile(root, name, maxRecord)
		if err != nil {
			return err
		}
		if err := w.header(in, tar.TypeReg, fileMode, int64(len(data)), ""); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
}

// maxRecord is the ceiling on a file of the last layer, in bytes: that of a receipt.
const maxRecord = 256 << 20

// A compressed layer is written by its method WriteTo, which also finds out its digests.
type compressed struct {
	ctx     context.Context
	write   func(context.Context, layerWriter) error
	layer   Layer
	written bool
}

// WriteTo implements io.WriterTo. It may be called once.
func (c *compressed) WriteTo(to io.Writer) (n int64, err error) {
	if c.written {
		return 0, fmt.Errorf("a layer is written once")
	}
	c.written = true
	outer, inner := sha256.New(), sha256.New()
	size := &counter{}
	// Neither a name nor a time is in the header, so the same content gives the same bytes.
	z := gzip.NewWriter(io.MultiWriter(to, outer, size))
	w := newLayerWriter(contextWriter{c.ctx, io.MultiWriter(z, inner)})
	if err := c.write(c.ctx, w); err != nil {
		return size.n, err
	}
	if err := w.Close(); err != nil {
		return size.n, err
	}
	if err := z.Close(); err != nil {
		return size.n, err
	}
	c.layer = Layer{Size: size.n, Digest: verify.SHA256([32]byte(outer.Sum(nil))), content: verify.SHA256([32]byte(inner.Sum(nil)))}
	return size.n, nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
