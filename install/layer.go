package install

import (
	"context"
	"crypto/rand"
	"path/filepath"

	"github.com/kist-tools/kist/install/internal/roots"
)

// StoreDirs returns the base directories of the store at dir, which is absolute: all five
// lie below it.
func StoreDirs(dir string) Dirs {
	return Dirs{
		Data:   filepath.Join(dir, "data"),
		State:  filepath.Join(dir, "state"),
		Cache:  filepath.Join(dir, "cache"),
		Config: filepath.Join(dir, "config"),
		Bin:    filepath.Join(dir, "bin"),
	}
}

// OpenReadOnly opens the store at dir (see StoreDirs), from which h only reads. The store
// must belong to root or to h, and nobody else may be able to write to it or to replace
// it: its programs will run. The error matches fs.ErrNotExist if there is no store, and is
// else one of Open. The Installer changes nothing: each change returns a *ReadOnlyError.
func OpenReadOnly(ctx context.Context, dir string, h Host, warn func(string)) (*Installer, error) {
	return Open(ctx, Options{Dirs: StoreDirs(dir), Host: h, Random: rand.Reader, Warn: warn, DryRun: true, readOnly: true})
}

// IsSameStore reports whether i and other have the same data directory, under any name.
func (i *Installer) IsSameStore(other *Installer) bool {
	return i.roots.Real(roots.Data) == other.roots.Real(roots.Data)
}

// Owner returns the owner of the data directory, for people.
func (i *Installer) Owner() string { return i.roots.Owner() }
