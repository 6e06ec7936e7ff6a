package transport

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// A Pool stores documents that are too large to be fetched each time in one directory,
// named by their SHA-256 digests in hex. Its content is as untrusted as the network's.
type Pool struct {
	// Open opens the directory above Dir. It returns nil if create is false and there is
	// none.
	Open     func(create bool) (*os.Root, error)
	Dir      string
	ReadOnly bool        // Store does nothing
	Failed   func(error) // receives the errors of Store

	root *os.Root
	used map[string]bool
}

// open reports whether p.root is open. Without create, there may be none.
func (p *Pool) open(create bool) (ok bool, err error) {
	if p.root == nil {
		p.root, err = p.Open(create)
	}
	return p.root != nil && err == nil, err
}

// Load returns the document d, or nil if it is not stored or is larger than limit bytes.
func (p *Pool) Load(d verify.Digest, limit int64) []byte {
	if ok, _ := p.open(false); !ok {
		return nil
	}
	file := p.file(d)
	data, err := rootfs.ReadFile(p.root, file, limit)
	if err != nil {
		return nil
	}
	p.markUsed(d)
	return data
}

// Has reports whether a document d of size bytes is stored.
func (p *Pool) Has(d verify.Digest, size int64) bool {
	if ok, _ := p.open(false); !ok {
		return false
	}
	info, err := p.root.Lstat(p.file(d))
	if err != nil || !info.Mode().IsRegular() || info.Size() != size {
		return false
	}
	p.markUsed(d)
	return true
}

// Store writes the document d.
func (p *Pool) Store(d verify.Digest, data []byte) {
	if p.ReadOnly {
		return
	}
	p.markUsed(d)
	_, err := p.open(true)
	if err == nil {
		err = rootfs.Mkdir(p.root, p.Dir, 0o700)
	}
	if err == nil {
		err = rootfs.ReplaceFile(p.root, p.file(d), data, 0o600)
	}
	if err != nil {
		p.Failed(err)
	}
}

func (p *Pool) file(d verify.Digest) string { return path.Join(p.Dir, d.Hex()) }

func (p *Pool) markUsed(d verify.Digest) {
	if p.used == nil {
		p.used = map[string]bool{}
	}
	p.used[d.Hex()] = true
}

// Sweep removes the documents that were neither loaded nor stored through p, except
// files that another process may be writing.
func (p *Pool) Sweep() error {
	if ok, err := p.open(false); !ok {
		return err
	}
	entries, err := rootfs.ReadDir(p.root, p.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if p.used[e.Name()] || rootfs.IsNamedTemp(e.Name()) {
			continue
		}
		own, cause := isNamedByDigest(p.root, path.Join(p.Dir, e.Name()))
		if own {
			cause = rootfs.Remove(p.root, path.Join(p.Dir, e.Name()))
		}
		err = errors.Join(err, cause)
	}
	return err
}
