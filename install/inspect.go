package install

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/fetch"
	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/sandbox"
	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Packed is an archive to inspect.
type Packed struct {
	Name      string // for errors
	Component string // recorded with every entry
	Layout    manifests.Layout
	Digest    verify.Digest // that the archive must have
	Open      func() (*os.File, error)
}

// Inspect unpacks archives as an install would, by a Child, into the empty directory into,
// as one prefix, and returns its entries, for a publisher who is about to sign the digests.
// It unpacks a private copy of each archive, which nobody else can change and which must
// have the digest: Inspect returns a *verify.DigestError if the file changed since it was
// hashed. As in an install, commands that are named without a pattern become executable.
// Other errors are *EntryError, *ChildError, and those of Open and the disk.
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
				if errs[i] = inspect(within, u, into, budget, archives[i], i); errs[i] != nil && !fetch.IsConsequence(errs[i]) {
					cancel()
				}
			}
		})
	}
	work.Wait()
	if err := fetch.FirstCause(ctx, errs); err != nil {
		return nil, err
	}
	return u.Finish(ctx, plan.Named(commands)...)
}

// maxInspected is how many archives are inspected at once, so that the next ones are
// ready when the child is done with one.
const maxInspected = 4

// inspect adds p to the prefix of u.
func inspect(ctx context.Context, u *sandbox.Unpacker, into *os.Root, budget *private.Budget, p Packed, order int) error {
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
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	if got := verify.SHA256([sha256.Size]byte(sum.Sum(nil))); got != p.Digest {
		return &verify.DigestError{Name: p.Name, Want: p.Digest, Got: got}
	}
	if err := held.Seal(); err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	return u.Add(ctx, held.Reader(), unpack.Archive{Name: p.Name, Component: p.Component, Layout: p.Layout, Order: order})
}

// Blob returns the archive that a receipt names from the cache. Errors are those of
// download.Cache.Open; without a cache, the error matches fs.ErrNotExist.
func (i *Installer) Blob(ctx context.Context, a record.Artifact) (download.Blob, error) {
	root := i.roots.Dir(roots.Cache)
	if root == nil {
		return download.Blob{}, fmt.Errorf("no cache: %w", os.ErrNotExist)
	}
	return download.Cache{Root: root, Memory: archiveMemory()}.Open(ctx, a.Name, a.Size, a.Digest)
}
