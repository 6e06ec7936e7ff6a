package transport

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// A Pool stores documents that are too large to be fetched each time in one directory,
// named by their SHA-256 digests in hex. Its content is as untrusted as the network's.
// The parent directory must exist.
type Pool struct {
	Root *os.Root
	Dir  string // below Root

	used map[string]bool
}

// Load returns the document stored as name, or nil if there is none or it is larger
// than limit bytes.
func (p *Pool) Load(name string, limit int64) []byte {
	file := path.Join(p.Dir, name)
	data, err := rootfs.ReadFile(p.Root, file, limit)
	if err != nil {
		return nil
	}
	p.markUsed(name)
	return data
}

// Has reports whether size bytes are stored as name.
func (p *Pool) Has(name string, size int64) bool {
	info, err := p.Root.Lstat(path.Join(p.Dir, name))
	if err != nil || !info.Mode().IsRegular() || info.Size() != size {
		return false
	}
	p.markUsed(name)
	return true
}

// Store writes data as name.
func (p *Pool) Store(name string, data []byte) error {
	if err := rootfs.Mkdir(p.Root, p.Dir, 0o700); err != nil {
		return err
	}
	p.markUsed(name)
	return rootfs.ReplaceFile(p.Root, path.Join(p.Dir, name), data, 0o600)
}

func (p *Pool) markUsed(name string) {
	if p.used == nil {
		p.used = map[string]bool{}
	}
	p.used[name] = true
}

// Sweep removes the documents that were neither loaded nor stored through p, except
// files that another process may be writing.
func (p *Pool) Sweep() error {
	entries, err := rootfs.ReadDir(p.Root, p.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if p.used[e.Name()] || rootfs.IsNamedTemp(e.Name()) {
			continue
		}
		own, cause := isNamedByDigest(p.Root, path.Join(p.Dir, e.Name()))
		if own {
			cause = rootfs.Remove(p.Root, path.Join(p.Dir, e.Name()))
		}
		err = errors.Join(err, cause)
	}
	return err
}
