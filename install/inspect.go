package install

import (
	"context"
	"fmt"
	"os"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/install/internal/sandbox"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/unpack"
)

// Inspect unpacks an archive as an install would, by a Child, into the empty directory
// into, and returns what is in it: for who is about to publish it, when nothing has
// proved it yet. f is open for reading alone. Errors are those of package unpack, and
// *ChildError.
func Inspect(ctx context.Context, c Child, into *os.Root, f *os.File, a unpack.Archive) ([]record.Entry, error) {
	u, err := sandbox.Start(c, into, unpack.DefaultLimits())
	if err != nil {
		return nil, err
	}
	defer u.Close()
	if err := u.Add(ctx, f, a); err != nil {
		return nil, err
	}
	return u.Finish(ctx)
}

// HashZip is verify.HashZip of the zip f, which is open for reading alone, by a Child.
func HashZip(ctx context.Context, c Child, name string, f *os.File, size int64) (h1 string, err error) {
	return sandbox.HashZip(ctx, c, name, f, size, func(int64) {})
}

// Blob returns the archive that a receipt names, out of the cache. Errors are those of
// download.Cache.Open; fs.ErrNotExist is also where there is no cache.
func (i *Installer) Blob(ctx context.Context, a record.Artifact) (download.Blob, error) {
	root := i.roots.open(cacheDir)
	if root == nil {
		return download.Blob{}, fmt.Errorf("no cache: %w", os.ErrNotExist)
	}
	return download.Cache{Root: root, Memory: archiveMemory()}.Open(ctx, a.Name, a.Size, a.Digest)
}
