package unpack

import (
	"crypto/sha256"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// handles keeps directories below root open, so that making a file costs one
// system call for its name instead of one for each element of its path.
type handles struct {
	root *os.Root
	open map[string]rootfs.Dir
	idle func() error // nil, or waits until none is in use
}

// maxOpen is how many directories are held open; archives list a directory's
// files together, so few are in use at a time.
const maxOpen = 64

// at returns the directory dir below the root, good until the next call.
func (h *handles) at(dir string) (rootfs.Dir, error) {
	if d, ok := h.open[dir]; ok {
		return d, nil
	}
	d, err := h.reach(dir)
	if err != nil {
		return rootfs.Dir{}, err
	}
	if len(h.open) >= maxOpen {
		if h.idle != nil {
			err = h.idle()
		}
		h.close()
	}
	h.open[dir] = d
	return d, err
}

// reach opens the directory dir, through those that lead to it.
func (h *handles) reach(dir string) (rootfs.Dir, error) {
	if dir == "." {
		return rootfs.OpenDir(h.root)
	}
	above, err := h.at(path.Dir(dir))
	if err != nil {
		return rootfs.Dir{}, err
	}
	return above.Sub(path.Base(dir))
}

func (h *handles) close() {
	for _, d := range h.open {
		d.Close()
	}
	clear(h.open)
}

// room claims the file to, and returns the directory to make it in.
func (f *filler) room(e entry, to string, mode fs.FileMode) (*node, rootfs.Dir, error) {
	if f.left -= e.size; f.left < 0 {
		return nil, rootfs.Dir{}, refuse(RuleCeiling, e.name, "the archive unpacks to far more than its own size")
	}
	n, err := f.claim(e.name, record.Entry{Path: to, Type: record.File, Mode: mode, Size: e.size})
	if err != nil {
		return nil, rootfs.Dir{}, err
	}
	at, err := f.dirs.at(path.Dir(to))
	return n, at, err
}

// create claims and makes the file to, empty, for e's content. The caller closes
// it.
func (f *filler) create(e entry, to string, mode fs.FileMode) (*node, *rootfs.File, error) {
	n, at, err := f.room(e, to, mode)
	if err != nil {
		return nil, nil, err
	}
	out, err := at.Create(path.Base(to), mode)
	return n, out, folded(err, e.name)
}

// handOut claims the file to, and has it written with e's content on the side.
func (f *filler) handOut(to string, mode fs.FileMode, e entry) error {
	n, dir, err := f.room(e, to, mode)
	if err != nil {
		return err
	}
	data := (<-f.writers.free)[:e.size]
	if _, err := io.ReadFull(e.body, data); err != nil {
		f.writers.free <- data[:0]
		return err
	}
	f.writers.hand(n, dir, data)
	return nil
}

// write claims and makes the file to and its copies, all with e's content.
func (f *filler) write(to string, mode fs.FileMode, e entry, copies ...string) error {
	var sums []*verify.Digest
	var outs []*rootfs.File
	defer func() {
		for _, out := range outs {
			out.Close()
		}
	}()
	create := func(to string, mode fs.FileMode) error {
		if t := f.same(e.name, record.Entry{Path: to, Type: record.File, Mode: mode, Size: e.size}); t != nil {
			sums = append(sums, &t.digest)
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
		if err := f.limits.fits(e.name, second); err != nil {
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

// copy reads the content of e into outs, and returns its digest.
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
