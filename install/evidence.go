package install

import (
	"context"
	"os"
	"path/filepath"

	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/sandbox"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/verify"
)

// Evidence reads one document of the evidence of an installed release, by its digest.
// It returns an error that matches fs.ErrNotExist if the document is missing, and a
// *verify.DigestError if it was changed.
func (i *Installer) Evidence(d verify.Digest) ([]byte, error) { return i.store().Evidence(d) }

// EvidencePath returns the absolute path of the file that Evidence reads.
func (i *Installer) EvidencePath(d verify.Digest) string {
	return filepath.Join(i.o.Dirs.State, "kist", filepath.FromSlash(store.EvidenceFile(d)))
}

// findCopy returns where the cache has a document with this digest.
func (i *Installer) findCopy(d verify.Digest) (cache *os.Root, name string, ok bool) {
	cache = i.roots.Dir(roots.Cache)
	if cache == nil || i.o.FindDocument == nil {
		return nil, "", false
	}
	name, ok = i.o.FindDocument(cache, d)
	return cache, name, ok
}

// HashZip is verify.HashZip, run by the child of i. f must be open only for reading.
func (i *Installer) HashZip(ctx context.Context, name string, f *os.File, size int64) (h1 string, err error) {
	return sandbox.HashZip(ctx, i.o.Child, name, f, size, func(int64) {})
}
