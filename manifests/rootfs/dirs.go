package rootfs

import "path"

// maxOpenDirs is the most directories that Dirs keeps open. Archives and receipts list
// the files of a directory together, so few are in use at a time.
const maxOpenDirs = 64

// Dirs opens directories below one directory, never through a link, and keeps some of
// them open, so that a file costs one system call instead of one for each element of its
// path. It is not safe for concurrent use.
type Dirs struct {
	top  Dir
	open map[string]Dir // by path
	// WaitIdle, which may be nil, waits until nothing uses a directory that Get returned.
	// Without it, a directory is valid until the next call of Get.
	WaitIdle func() error
}

// NewDirs returns the directories below top. The caller closes either top or the Dirs.
func NewDirs(top Dir) *Dirs { return &Dirs{top: top, open: map[string]Dir{}} }

// Get returns the directory p. The error matches ErrNotDir if one of its elements is not
// a real directory, and fs.ErrNotExist if one is missing.
func (d *Dirs) Get(p string) (Dir, error) {
	if p == "." {
		return d.top, nil
	}
	if have, ok := d.open[p]; ok {
		return have, nil
	}
	parent, err := d.Get(path.Dir(p))
	if err != nil {
		return Dir{}, err
	}
	sub, err := parent.Sub(path.Base(p))
	if err != nil {
		return Dir{}, err
	}
	if len(d.open) >= maxOpenDirs {
		if d.WaitIdle != nil {
			err = d.WaitIdle()
		}
		d.Forget()
	}
	d.open[p] = sub
	return sub, err
}

// Drop closes the directory p, if it is open.
func (d *Dirs) Drop(p string) {
	if sub, ok := d.open[p]; ok {
		sub.Close()
		delete(d.open, p)
	}
}

// Forget closes all directories except the top.
func (d *Dirs) Forget() {
	for _, sub := range d.open {
		sub.Close()
	}
	clear(d.open)
}

// Close closes all directories.
func (d *Dirs) Close() error {
	d.Forget()
	return d.top.Close()
}
