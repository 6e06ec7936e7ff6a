package install

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/install/internal/sandbox"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/verify"
)

// Inspect unpacks an archive as an install would, by a Child, into the empty directory
// into, and returns what is in it, for a publisher who is about to sign want as its digest.
// What is unpacked is a copy of f that nobody else can change, and that has this digest: a
// *verify.DigestError if f changed since it was hashed. As in an install, the commands
// that are named without a pattern become executable. Other errors are those of package
// unpack, and *ChildError.
func Inspect(ctx context.Context, c Child, into *os.Root, f *os.File, want verify.Digest, a unpack.Archive, commands []string) ([]record.Entry, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	held, err := private.New(into, ".", info.Size(), archiveMemory())
	if err != nil {
		return nil, err
	}
	defer held.Close()
	sum := sha256.New()
	if _, err := held.CopyFrom(ctx, f, info.Size(), func(p []byte) { sum.Write(p) }); err != nil {
		return nil, fmt.Errorf("%s: %w", a.Name, err)
	}
	if got := verify.SHA256([sha256.Size]byte(sum.Sum(nil))); got != want {
		return nil, &verify.DigestError{Name: a.Name, Want: want, Got: got}
	}
	if err := held.Seal(); err != nil {
		return nil, fmt.Errorf("%s: %w", a.Name, err)
	}
	u, err := sandbox.Start(c, into, unpack.DefaultLimits())
	if err != nil {
		return nil, err
	}
	defer u.Close()
	if err := u.Add(ctx, held.Reader(), a); err != nil {
		return nil, err
	}
	return u.Finish(ctx, plan.Named(commands)...)
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
