package install

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/kist-tools/kist/install/internal/fetch"
	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/internal/sandbox"
	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// fill fetches and unpacks the artifacts of batch into the stage of s, copies those that
// from already holds, and returns the receipt of the release. For skipped see
// Result.Skipped.
func (i *Installer) fill(ctx context.Context, batch *fetch.Batch, s *stagedRelease, in plan.Install, from *base) (receipt record.Receipt, skipped []string, err error) {
	stage := s.stage
	r := in.Release
	receipt, err = i.newReceipt(r)
	if err != nil {
		return receipt, nil, err
	}
	limits := unpack.DefaultLimits()
	limits.Memory = decoderMemory(memory())
	prefix, err := sandbox.Start(i.o.Child, stage.Root(), limits)
	if err != nil {
		return receipt, nil, err
	}
	defer prefix.Close()
	stage.FilledBy(prefix.Close)
	copied, err := from.copyArtifacts(ctx, prefix, r.Artifacts)
	if err != nil {
		return receipt, nil, err
	}
	fetched, err := batch.Unpack(ctx, prefix, stage.SyncAhead)
	if err != nil {
		return receipt, nil, err
	}
	fetched = append(copied, fetched...)
	for _, b := range fetched {
		receipt.Artifacts = append(receipt.Artifacts, b.Record)
	}
	for _, f := range r.Files {
		if err := prefix.AddFile(ctx, receipt.Ref(), f); err != nil {
			return receipt, nil, err
		}
	}
	for _, l := range r.Listings {
		if err := prefix.AddFile(ctx, receipt.Ref(), manifests.File{Path: l.Path, Data: l.Text(r.Components)}); err != nil {
			return receipt, nil, err
		}
	}
	if len(in.Without) > 0 {
		if err := from.copyRest(ctx, prefix); err != nil {
			return receipt, nil, err
		}
	}
	if receipt.Entries, err = prefix.Finish(ctx, plan.Named(r.Commands)...); err != nil {
		return receipt, nil, err
	}
	if tree := receipt.TreeDigest(); !r.Tree.IsZero() && tree != r.Tree {
		return receipt, nil, &TreeError{receipt.Ref(), tree, r.Tree}
	}
	i.shareBlocks(ctx, stage.Root(), receipt)
	receipt.StampsReadAt = prefix.Sealed().UTC()
	receipt.Sandbox = prefix.Level().String()
	receipt.FilesProved = from == nil || from.FilesProved
	for _, b := range fetched {
		if err := Confirm(stage.Root(), b.Artifact); err != nil {
			return receipt, nil, err
		}
	}
	if len(in.Without) > 0 {
		receipt.Commands = plan.Remaining(from.Commands, receipt.Entries)
		return receipt, nil, nil
	}
	commands, skipped, err := plan.Commands(r.Commands, receipt.Entries)
	if err != nil {
		return receipt, nil, fmt.Errorf("%s: %w", receipt.Ref(), err)
	}
	receipt.Commands = commands
	return receipt, skipped, nil
}

// A TreeError reports that the files of a release, once unpacked, are not those that a lock
// names. It matches verify.ErrUntrusted. Nothing was installed.
type TreeError struct {
	Release    string // channel/tool@version
	Have, Want verify.Digest
}

func (e *TreeError) Error() string {
	return fmt.Sprintf("the files of %s differ from those that were locked (tree %s, not %s)", e.Release, e.Have.Hex(), e.Want.Hex())
}

// Unwrap makes e match verify.ErrUntrusted.
func (e *TreeError) Unwrap() error { return verify.ErrUntrusted }

// decoderMemory returns how many bytes of the machine's memory the windows of
// decoders may take: a quarter, and at most as much as two of the largest need, so
// that other programs and the rest of kist have room.
func decoderMemory(machine int64) int64 {
	return min(machine/4, unpack.DefaultLimits().Memory)
}

// archiveMemory returns the memory budget for archives that were proved and wait to be
// unpacked: an eighth of the machine's memory, and at most 512 MiB.
func archiveMemory() *private.Budget { return private.NewBudget(min(memory()/8, 512<<20)) }

// overheadFiles is the number of files and directories of a release beyond the unpacked
// ones: its stage and the lock, receipts and generations, links.
const overheadFiles = 16

// checkSpace checks, before anything is fetched or unpacked, whether there is room: in the
// cache for the missing archives of r, and in the data directory for their content.
func (i *Installer) checkSpace(batch *fetch.Batch, r manifests.Release, memory *private.Budget) error {
	if err := rootfs.Probe(i.roots.Dir(roots.Data)); err != nil {
		return err
	}
	data := fetch.Need{Path: filepath.Join(i.o.Dirs.Data, "kist"), Root: i.roots.Dir(roots.Data), Inodes: int64(overheadFiles + len(r.Files) + len(r.Listings))}
	cache := fetch.Need{Path: filepath.Join(i.o.Dirs.Cache, "kist"), Root: i.roots.Dir(roots.Cache)}
	batch.AddSpace(&cache, &data, memory)
	return fetch.CheckSpace(data, cache)
}

// NoExec reports whether the data directory is on a file system that is mounted
// noexec, so that no installed command can be started.
func (i *Installer) NoExec() bool {
	root := i.roots.Dir(roots.Data)
	return root != nil && rootfs.NoExec(root)
}
