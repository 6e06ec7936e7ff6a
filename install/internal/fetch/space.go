package fetch

import (
	"os"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// A Need is the space that a change takes in one directory.
type Need struct {
	Path   string
	Root   *os.Root // the directory, or one on the same file system
	Bytes  int64
	Inodes int64
}

// AddSpace adds to cache and data what the batch takes there at least: the archives that
// the cache lacks, and their content. The real need can only be larger: not every size is
// known, and each archive counts as one file. An archive that does not fit in memory is
// copied in the cache.
func (b *Batch) AddSpace(cache, data *Need, memory *private.Budget) {
	seen := map[verify.Digest]bool{} // one archive may be unpacked to several places
	var onDisk int64                 // size of the largest archive that does not fit in memory
	for _, p := range b.parts {
		fetched, unpacked, smallest := p.leastBytes()
		data.Bytes, data.Inodes = data.Bytes+unpacked, data.Inodes+1
		if d := p.archives[0].Integrity.Digest; fetched > 0 && !seen[d] {
			seen[d] = !d.IsZero()
			cache.Bytes, cache.Inodes = cache.Bytes+fetched, cache.Inodes+2 // the archive and its lock
		}
		if !memory.Fits(smallest) {
			onDisk = max(onDisk, smallest)
		}
	}
	cache.Bytes += onDisk
}

// leastBytes returns how many bytes p takes at least in the cache and unpacked, for any
// of its archives, and the size of the smallest, 0 if a size is not known.
func (p *part) leastBytes() (fetched, unpacked, smallest int64) {
	first := true
	smallest = p.archives[0].size
	for _, a := range p.archives {
		smallest = min(smallest, a.size)
		if a.size <= 0 && a.Unpacked <= 0 {
			continue
		}
		x, y := max(a.size-a.here, 0), max(a.size, a.Unpacked)
		if first {
			fetched, unpacked, first = x, y, false
		}
		fetched, unpacked = min(fetched, x), min(unpacked, y)
	}
	return fetched, unpacked, smallest
}

// CheckSpace returns a *download.SpaceError if a file system cannot hold all the needs on
// it. A file system that does not tell its free space is assumed to have room: writing
// fails if it has none.
func CheckSpace(needs ...Need) error {
	together := map[int64]*Need{} // by file system
	for _, n := range needs {
		volume, err := rootfs.Volume(n.Root)
		if err != nil {
			continue
		}
		t := together[volume]
		if t == nil {
			together[volume] = &n
			continue
		}
		t.Path += " and " + n.Path
		t.Bytes, t.Inodes = t.Bytes+n.Bytes, t.Inodes+n.Inodes
	}
	for _, n := range together {
		free, inodes, err := rootfs.Space(n.Root)
		if err != nil {
			continue
		}
		if err := n.check(free, inodes); err != nil {
			return err
		}
	}
	return nil
}

func (n *Need) check(free, inodes int64) error {
	switch {
	case n.Bytes > free:
		return &download.SpaceError{Path: n.Path, Need: n.Bytes, Free: free}
	case n.Inodes > inodes:
		return &download.SpaceError{Path: n.Path, Need: n.Inodes, Free: inodes, Files: true}
	}
	return nil
}
