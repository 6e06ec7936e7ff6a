package transport

import (
	"errors"
	"io/fs"
	"os"
	"path"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/durable"
)

// A Pool keeps documents that are too large to be fetched each time, each by its SHA-256
// digest in hex, in one directory. Nothing in it is believed, as
// nothing from the network is. Its parent directory exists.
type Pool struct {
	Root *os.Root
	Dir  string // below Root

	used map[string]bool
}

// Load returns the document stored as name, nil if there is none, or a larger one
// than limit bytes.
func (p *Pool) Load(name string, limit int64) []byte {
	file := path.Join(p.Dir, name)
	data, err := durable.ReadFile(p.Root, file, limit, &manifests.TooLargeError{Name: file, Limit: limit})
	if err != nil {
		return nil
	}
	p.use(name)
	return data
}

// Has reports whether size bytes are stored as name.
func (p *Pool) Has(name string, size int64) bool {
	info, err := p.Root.Lstat(path.Join(p.Dir, name))
	if err != nil || !info.Mode().IsRegular() || info.Size() != size {
		return false
	}
	p.use(name)
	return true
}

// Store keeps data as name.
func (p *Pool) Store(name string, data []byte) error {
	if err := durable.Mkdir(p.Root, p.Dir, 0o700); err != nil {
		return err
	}
	p.use(name)
	return durable.Write(p.Root, path.Join(p.Dir, name), data, 0o600)
}

func (p *Pool) use(name string) {
	if p.used == nil {
		p.used = map[string]bool{}
	}
	p.used[name] = true
}

// Sweep removes the documents that were neither asked for nor stored through p, but for
// what another process may be writing.
func (p *Pool) Sweep() error {
	entries, err := durable.ReadDir(p.Root, p.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if p.used[e.Name()] || durable.IsTemporary(e.Name()) {
			continue
		}
		own, cause := isNamedByDigest(p.Root, path.Join(p.Dir, e.Name()))
		if own {
			cause = durable.Remove(p.Root, path.Join(p.Dir, e.Name()))
		}
		err = errors.Join(err, cause)
	}
	return err
}
