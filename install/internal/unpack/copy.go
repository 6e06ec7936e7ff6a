package unpack

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// CopyFrom copies the entries of one component from another prefix, as its receipt records
// them, parents before children, under the rules for archives. open opens a file of
// that prefix for reading; only its content is used. A copy whose digest differs from
// the receipt fails with a *verify.DigestError. File systems that can share the blocks
// of two files do so. a.Name is the name of the other prefix in errors; a.Layout is
// empty.
func (p *Prefix) CopyFrom(ctx context.Context, a Archive, entries []record.Entry, open func(path string) (*os.File, error)) error {
	return p.fill(ctx, a, func(f *filler) error {
		for _, e := range entries {
			f.left += e.Size
		}
		for _, e := range entries {
			if err := f.copyEntry(e, open); err != nil {
				return err
			}
		}
		return nil
	})
}

// copyEntry places a copy of e.
func (f *filler) copyEntry(e record.Entry, open func(path string) (*os.File, error)) error {
	switch e.Type {
	case record.Dir:
		return f.put(entry{name: e.Path, kind: dir, mode: e.Mode})
	case record.Link:
		return f.put(entry{name: e.Path, kind: link, target: e.Target})
	}
	src, err := open(e.Path)
	if err != nil {
		return err
	}
	defer src.Close()
	return f.put(entry{name: e.Path, mode: e.Mode, size: e.Size, copyOf: src, digest: e.Digest})
}

// copyFile makes the file to as a copy of e.copyOf, and checks the digest of the copy.
func (f *filler) copyFile(to string, e entry) (err error) {
	mode := f.mode(to, e.mode)
	n, parent, err := f.claimFile(e, to, mode)
	if err != nil {
		return err
	}
	out, err := parent.CreateFile(path.Base(to), mode)
	if err != nil {
		return foldingError(err, e.name)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	// Between two files, io.Copy uses the system's copy, which shares blocks if it can.
	if _, err := io.Copy(out, io.LimitReader(e.copyOf, e.size)); err != nil {
		return err
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, out); err != nil {
		return err
	}
	if n.Digest = digest(sum.Sum(nil)); n.Digest != e.digest {
		return &verify.DigestError{Name: to, Want: e.digest, Got: n.Digest}
	}
	return nil
}
