package unpack

import (
	"crypto/sha256"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// handles keeps directories below root open, so that making a file costs one
// system call for its name instead of one for each element of its path.
type handles struct {
	root *os.Root
	open map[string]*os.Root
}

// maxOpen is how many directories are held open; archives list a directory's
// files together, so few are in use at a time.
const maxOpen = 64

// at returns the directory dir below the root, good until the next call.
func (h *handles) at(dir string) (*os.Root, error) {
	if dir == "." {
		return h.root, nil
	}
	if r := h.open[dir]; r != nil {
		return r, nil
	}
	parent, err := h.at(path.Dir(dir))
	if err != nil {
		return nil, err
	}
	r, err := parent.OpenRoot(path.Base(dir))
	if err != nil {
		return nil, err
	}
	if len(h.open) >= maxOpen {
		h.close()
	}
	h.open[dir] = r
	return r, nil
}

func (h *handles) close() {
	for _, r := range h.open {
		r.Close()
	}
	clear(h.open)
}

// create claims and makes the file to, empty, for e's content. The caller closes
// it.
func (f *filler) create(e entry, to string, mode fs.FileMode) (*node, *os.File, error) {
	if f.left -= e.size; f.left < 0 {
		return nil, nil, refuse(RuleCeiling, e.name, "unpacks to far more than its own size")
	}
	n, err := f.claim(e.name, record.Entry{Path: to, Type: record.File, Mode: mode, Size: e.size})
	if err != nil {
		return nil, nil, err
	}
	at, err := f.dirs.at(path.Dir(to))
	if err != nil {
		return nil, nil, err
	}
	out, err := at.OpenFile(path.Base(to), os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	return n, out, folded(err, e.name)
}

// write claims and makes the file to and its copies, all with e's content.
func (f *filler) write(to string, mode fs.FileMode, e entry, copies ...string) error {
	var sums []*verify.Digest
	var outs []*os.File
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
	if f.buf == nil {
		f.buf = make([]byte, 256<<10)
	}
	hash := sha256.New()
	for left := e.size; left > 0; {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		chunk := f.buf[:min(left, int64(len(f.buf)))]
		if _, err := io.ReadFull(e.body, chunk); err != nil {
			return err
		}
		hash.Write(chunk)
		for _, out := range outs {
			if _, err := out.Write(chunk); err != nil {
				return err
			}
		}
		left -= int64(len(chunk))
	}
	sum := digest(hash.Sum(nil))
	for _, s := range sums {
		*s = sum
	}
	for _, out := range outs {
		if err := out.Close(); err != nil {
			return err
		}
	}
	outs = nil
	return nil
}
