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

// Take places copies of what another prefix holds of one component: entries, as
// its receipt records them, parents before children. open opens one of its
// files for reading. Nothing but their content is taken from there, and a copy
// that is not what the receipt says ends it with a *verify.DigestError. A file
// system that can share the bytes of two files does. Of a, Name is what errors
// call the other prefix; it has no Layout. The rules for an archive's entries
// hold.
func (p *Prefix) Take(ctx context.Context, a Archive, entries []record.Entry, open func(path string) (*os.File, error)) error {
	return p.fill(ctx, a, func(f *filler) error {
		for _, e := range entries {
			f.left += e.Size
		}
		for _, e := range entries {
			if err := f.take(e, open); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *filler) take(e record.Entry, open func(path string) (*os.File, error)) error {
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

// duplicate makes the file to as a copy of another file, and hashes the copy.
func (f *filler) duplicate(to string, e entry) (err error) {
	mode := f.mode(to, e.mode)
	n, at, err := f.room(e, to, mode)
	if err != nil {
		return err
	}
	out, err := at.CreateFile(path.Base(to), mode)
	if err != nil {
		return folded(err, e.name)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	// Between two files, io.Copy has the system copy, which shares what it can.
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
