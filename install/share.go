package install

import (
	"context"
	"hash/crc64"
	"io"
	"os"
	"path"
	"slices"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// sharedBlock is the size of the blocks that are compared, in files of which only a part is
// equal.
const sharedBlock = 4 << 10

// shareBlocks lets the files of a filled stage use the blocks of an installed release of
// the same tool, where the file system can do that (rootfs.ShareBlocks): those of equal
// files, and equal blocks of two files with the same path. Each file stays a file
// of its own, with its own inode, times and bytes, so that nothing that kist does later can
// tell. It saves space and nothing else: any failure ends it.
func (i *Installer) shareBlocks(ctx context.Context, stage *os.Root, r record.Receipt) {
	root, err := rootfs.OpenDir(stage)
	if err != nil {
		return
	}
	into := newTree(root)
	defer into.Close()
	if !root.SharesBlocks() {
		return
	}
	installed, err := i.newestOf(r.Key())
	if err != nil {
		return
	}
	from, err := i.openTree(installed)
	if err != nil {
		return
	}
	defer from.Close()
	equal := map[verify.Digest]string{} // paths, by digest
	paths := map[string]bool{}
	for _, e := range installed.Entries {
		if e.Type == record.File && e.Size > 0 {
			equal[e.Digest], paths[e.Path] = e.Path, true
		}
	}
	for _, e := range r.Entries {
		share := shareFile
		p, ok := equal[e.Digest]
		if !ok {
			p, ok, share = e.Path, paths[e.Path] && e.Size >= 16*sharedBlock, shareParts
		}
		if !ok || e.Type != record.File || ctx.Err() != nil {
			continue
		}
		if err := sharePair(from, p, into, e, share); err != nil {
			return
		}
	}
}

// newestOf returns the receipt of the release of a tool that was installed last.
func (i *Installer) newestOf(key string) (record.Receipt, error) {
	heads, _, err := i.store().Receipts()
	var newest record.Head
	for _, h := range heads {
		if h.Key() == key && !h.Removed && h.Installed.After(newest.Installed) {
			newest = h
		}
	}
	if err != nil || newest.ID == "" {
		return record.Receipt{}, os.ErrNotExist
	}
	return i.Receipt(newest.ID)
}

// sharePair calls share for the file p of from and the file of into that e records.
func sharePair(from *tree, p string, into *tree, e record.Entry, share func(from, to *os.File, size int64) error) error {
	source, err := from.open(p)
	if err != nil {
		return nil // changed since; others may be as they were
	}
	defer source.Close()
	target, err := into.open(e.Path)
	if err != nil {
		return err
	}
	defer target.Close()
	return share(source, target, e.Size)
}

// shareFile lets to use the blocks of from, if they have the same content.
func shareFile(from, to *os.File, size int64) error {
	_, err := rootfs.ShareBlocks(from, 0, to, 0, size)
	return err
}

// shareParts lets to use those blocks of from that are equal, if possible at the same
// place. It compares checksums: the file system compares the bytes.
func shareParts(from, to *os.File, _ int64) error {
	source, err := blockSums(from)
	if err != nil {
		return err
	}
	target, err := blockSums(to)
	if err != nil {
		return err
	}
	for _, r := range equalRuns(source, target) {
		if _, err := rootfs.ShareBlocks(from, r.from*sharedBlock, to, r.to*sharedBlock, r.count*sharedBlock); err != nil {
			return err
		}
	}
	return nil
}

// A run is a number of blocks of one file that another one has too.
type run struct{ from, to, count int64 }

// equalRuns returns runs of equal checksums, in the order of target. A run at the same
// place is preferred.
func equalRuns(source, target []uint64) (runs []run) {
	place := make(map[uint64]int, len(source))
	for n, sum := range source {
		place[sum] = n
	}
	for n := 0; n < len(target); {
		at, ok := place[target[n]]
		if n < len(source) && source[n] == target[n] {
			at, ok = n, true
		}
		count := 0
		for ok && at+count < len(source) && n+count < len(target) && source[at+count] == target[n+count] {
			count++
		}
		if count > 0 {
			runs = append(runs, run{int64(at), int64(n), int64(count)})
		}
		n += max(count, 1)
	}
	return runs
}

// blockSums returns a checksum of each whole block of f.
func blockSums(f *os.File) (sums []uint64, err error) {
	table := crc64.MakeTable(crc64.ECMA)
	buffer := make([]byte, 256*sharedBlock)
	for {
		n, err := io.ReadFull(f, buffer)
		for block := range slices.Chunk(buffer[:n/sharedBlock*sharedBlock], sharedBlock) {
			sums = append(sums, crc64.Checksum(block, table))
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return sums, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// open opens a regular file whose parents are real directories.
func (t *tree) open(p string) (*os.File, error) {
	dir, err := t.Get(path.Dir(p))
	if err != nil {
		return nil, err
	}
	return dir.OpenFile(path.Base(p))
}
