package install

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/install/internal/sandbox"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/verify"
)

// A Packed archive is one that is to be inspected.
type Packed struct {
	Archive unpack.Archive
	Digest  verify.Digest // that it must have
	Open    func() (*os.File, error)
}

// Inspect unpacks archives as an install would, by a Child, into the empty directory into,
// one prefix, and returns what is in it, for a publisher who is about to sign their digests.
// What is unpacked is a copy of each file that nobody else can change, and that has its
// digest: a *verify.DigestError if the file changed since it was hashed. As in an install,
// the commands that are named without a pattern become executable. Other errors are those
// of package unpack, of Open, and *ChildError.
func Inspect(ctx context.Context, c Child, into *os.Root, commands []string, archives ...Packed) ([]record.Entry, error) {
	limits := unpack.DefaultLimits()
	limits.Memory = decoderMemory(memory())
	u, err := sandbox.Start(c, into, limits)
	if err != nil {
		return nil, err
	}
	defer u.Close()
	within, cancel := context.WithCancel(ctx)
	defer cancel()
	budget, errs := archiveMemory(), make([]error, len(archives))
	var next atomic.Int64
	var work sync.WaitGroup
	for range min(len(archives), maxInspected) {
		work.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(archives) && within.Err() == nil; i = int(next.Add(1)) - 1 {
				p := archives[i]
				p.Archive.Order = i
				if errs[i] = inspect(within, u, into, budget, p); errs[i] != nil && !isConsequence(errs[i]) {
					cancel()
				}
			}
		})
	}
	work.Wait()
	if err := firstCause(ctx, errs); err != nil {
		return nil, err
	}
	return u.Finish(ctx, plan.Named(commands)...)
}

// maxInspected is how many archives are inspected at once: the next ones are at
// hand when the child is done with one.
const maxInspected = 4

func inspect(ctx context.Context, u *sandbox.Unpacker, into *os.Root, budget *private.Budget, p Packed) error {
	f, err := p.Open()
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	held, err := private.New(into, ".", info.Size(), budget)
	if err != nil {
		return err
	}
	defer held.Close()
	sum := sha256.New()
	if _, err := held.CopyFrom(ctx, f, info.Size(), func(p []byte) { sum.Write(p) }); err != nil {
		return fmt.Errorf("%s: %w", p.Archive.Name, err)
	}
	if got := verify.SHA256([sha256.Size]byte(sum.Sum(nil))); got != p.Digest {
		return &verify.DigestError{Name: p.Archive.Name, Want: p.Digest, Got: got}
	}
	if err := held.Seal(); err != nil {
		return fmt.Errorf("%s: %w", p.Archive.Name, err)
	}
	return u.Add(ctx, held.Reader(), p.Archive)
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
