package unpack

import (
	"crypto/sha256"
	"io"
	"io/fs"
	"path"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// claimFile claims the file to, and returns its node and its open parent directory.
func (f *filler) claimFile(e entry, to string, mode fs.FileMode) (*node, rootfs.Dir, error) {
	if f.left -= e.size; f.left < 0 {
		return nil, rootfs.Dir{}, refuse(RuleCeiling, e.name, "the archive unpacks to far more than its own size")
	}
	n, err := f.claim(e.name, record.Entry{Path: to, Type: record.File, Mode: mode, Size: e.size})
	if err != nil {
		return nil, rootfs.Dir{}, err
	}
	parent, err := f.dirs.Get(path.Dir(to))
	return n, parent, err
}

// create claims the file to and makes it, empty. The caller writes e's content and closes
// it.
func (f *filler) create(e entry, to string, mode fs.FileMode) (*node, *rootfs.File, error) {
	n, parent, err := f.claimFile(e, to, mode)
	if err != nil {
		return nil, nil, err
	}
	out, err := parent.Create(path.Base(to), mode)
	return n, out, foldingError(err, e.name)
}

// writeAsync claims the file to, reads e's content, and gives it to the writers.
func (f *filler) writeAsync(to string, mode fs.FileMode, e entry) error {
	n, dir, err := f.claimFile(e, to, mode)
	if err != nil {
		return err
	}
	data := (<-f.writers.free)[:e.size]
	if _, err := io.ReadFull(e.body, data); err != nil {
		f.writers.free <- data[:0]
		return err
	}
	f.writers.enqueue(n, dir, data)
	return nil
}

// write makes the file to, and copies of it, with e's content.
func (f *filler) write(to string, mode fs.FileMode, e entry, copies ...string) error {
	var sums []*verify.Digest
	var outs []*rootfs.File
	defer func() {
		for _, out := range outs {
			out.Close()
		}
	}()
	create := func(to string, mode fs.FileMode) error {
		if d := f.claimDuplicate(e.name, record.Entry{Path: to, Type: record.File, Mode: mode, Size: e.size}); d != nil {
			sums = append(sums, &d.digest)
			return nil
		}
		n, out, err := f.create(e, to, mode)
		if err == nil {
			sums, outs = append(sums, &n.Digest), append(outs, out)
		}
		return err
	}
	if err := create(to, mode); err != nil {
		return err
	}
	for _, second := range copies {
		if err := f.count(e.name); err != nil {
			return err
		}
		if err := f.limits.checkSize(e.name, second); err != nil {
			return err
		}
		if err := create(second, f.mode(second, e.mode)); err != nil {
			return err
		}
	}
	sum, err := f.copy(e, outs...)
	if err != nil {
		return err
	}
	for _, s := range sums {
		*s = sum
	}
	for len(outs) > 0 {
		out := outs[0]
		outs = outs[1:]
		if err := out.Close(); err != nil {
			return err
		}
	}
	return nil
}

// copy copies the content of e to outs, and returns its digest.
func (f *filler) copy(e entry, outs ...*rootfs.File) (verify.Digest, error) {
	if f.buf == nil {
		f.buf = make([]byte, 256<<10)
	}
	hash := sha256.New()
	for left := e.size; left > 0; {
		if err := f.ctx.Err(); err != nil {
			return verify.Digest{}, err
		}
		chunk := f.buf[:min(left, int64(len(f.buf)))]
		if _, err := io.ReadFull(e.body, chunk); err != nil {
			return verify.Digest{}, err
		}
		hash.Write(chunk)
		for _, out := range outs {
			if _, err := out.Write(chunk); err != nil {
				return verify.Digest{}, err
			}
		}
		left -= int64(len(chunk))
	}
	return digest(hash.Sum(nil)), nil
}
