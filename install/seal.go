package install

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/install/record"
)

// seal looks at every file of a stage once nothing writes there any more, and
// notes in r what the file system says of it, so that a removal need not read
// what nobody touched. The time is read before the files: what is written later
// has a later one.
func seal(stage *os.Root, r *record.Receipt) error {
	root, err := rootfs.OpenDir(stage)
	if err != nil {
		return err
	}
	defer root.Close()
	if !root.KeepsStamps() {
		return nil
	}
	now, err := rootfs.Clock(stage)
	if err != nil {
		return err
	}
	r.Sealed = now.UTC()
	var group errgroup.Group
	share := len(r.Entries)/min(maxAtOnce, runtime.GOMAXPROCS(0)) + 1
	for part := range slices.Chunk(r.Entries, share) {
		group.Go(func() error { return stamp(root, part) })
	}
	return group.Wait()
}

// stamp notes the stamps of entries below root.
func stamp(root rootfs.Dir, entries []record.Entry) error {
	t := newTree(root)
	defer t.forget()
	for n := range entries {
		e := &entries[n]
		if e.Type != record.File {
			continue
		}
		info, err := t.lstat(e.Path)
		if err != nil {
			return err
		}
		if !info.Mode.IsRegular() || info.Size != e.Size {
			return fmt.Errorf("%s is not what was written there", e.Path)
		}
		e.Stamp = record.Stamp(info.Stamp)
	}
	return nil
}
