package install

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// A need is the space that a change takes in one directory.
type need struct {
	path   string
	bytes  int64
	inodes int64
	volume volume
}

// A volume is a file system and its free space.
type volume struct{ id, free, inodes int64 }

// NoExec reports whether the data directory is on a file system that is mounted
// noexec, so that no installed command can be started.
func (i *Installer) NoExec() bool {
	root := i.roots.Dir(roots.Data)
	return root != nil && rootfs.NoExec(root)
}

// checkFits returns a *download.SpaceError if a file system cannot hold all the needs
// of the directories on it.
func checkFits(needs ...need) error {
	together := map[int64]need{}
	for _, n := range needs {
		t, ok := together[n.volume.id]
		if !ok {
			t = need{path: n.path, volume: n.volume}
		} else {
			t.path += " and " + n.path
		}
		t.bytes, t.inodes = t.bytes+n.bytes, t.inodes+n.inodes
		together[n.volume.id] = t
	}
	for _, n := range needs {
		switch n = together[n.volume.id]; {
		case n.bytes > n.volume.free:
			return &download.SpaceError{Path: n.path, Need: n.bytes, Free: n.volume.free}
		case n.inodes > n.volume.inodes:
			return &download.SpaceError{Path: n.path, Need: n.inodes, Free: n.volume.inodes, Files: true}
		}
	}
	return nil
}

// overheadFiles is the number of files and directories of a release beyond the unpacked
// ones: its stage and the lock, receipts and generations, links.
const overheadFiles = 16

// space checks, before anything is fetched or unpacked, whether there is room: in the
// cache for the missing archives, and in the data directory for their content. The real
// need can only be larger: not every size is known, and each archive counts as one file.
func (i *Installer) space(ctx context.Context, q *queue, r manifests.Release, memory *private.Budget) error {
	if err := rootfs.Probe(i.roots.Dir(roots.Data)); err != nil {
		return err
	}
	cache := need{path: filepath.Join(i.o.Dirs.Cache, "kist")}
	data := need{path: filepath.Join(i.o.Dirs.Data, "kist"), inodes: int64(overheadFiles + len(r.Files) + len(r.Listings))}
	seen := map[verify.Digest]bool{} // one archive may be unpacked to several places
	var onDisk int64                 // size of the largest archive that does not fit in memory
	q.askSizes(ctx, i.o.Transport)
	for _, p := range q.parts {
		fetched, unpacked := p.leastBytes()
		data.bytes, data.inodes = data.bytes+unpacked, data.inodes+1
		if d := p.archives[0].Integrity.Digest; fetched > 0 && !seen[d] {
			seen[d] = !d.IsZero()
			cache.bytes, cache.inodes = cache.bytes+fetched, cache.inodes+2 // the archive and its lock
		}
		if size := p.smallest(); !memory.Fits(size) {
			onDisk = max(onDisk, size)
		}
	}
	cache.bytes += onDisk
	var err error
	if data.volume, err = volumeOf(i.roots.Dir(roots.Data)); err != nil {
		return nil // writing will fail if there is no room
	}
	if cache.volume, err = volumeOf(i.roots.Dir(roots.Cache)); err != nil {
		return checkFits(data)
	}
	return checkFits(data, cache)
}

// askSizes requests the sizes of archives that have no alternative and whose size no
// proved document states. The answers are used only to check for room.
func (q *queue) askSizes(ctx context.Context, t manifests.Transport) {
	ctx, cancel := context.WithTimeout(ctx, sizeTimeout)
	defer cancel()
	var requests errgroup.Group
	requests.SetLimit(sizeRequestsAtOnce)
	asked := 0
	for _, p := range q.parts {
		if p.whole || len(p.archives) > 1 || p.sizes[0] > 0 || asked == maxSizeRequests {
			continue
		}
		asked++
		requests.Go(func() error {
			if size, err := manifests.SizeOf(ctx, t, p.archives[0].Refs[0]); err == nil && size <= manifests.MaxArtifact {
				p.announcedSize = size
			}
			return nil
		})
	}
	requests.Wait()
}

// smallest returns the size of the smallest archive of p, 0 if a size is not known.
func (p *part) smallest() int64 { return max(slices.Min(p.sizes), p.announcedSize) }

// leastBytes returns how many bytes p takes at least in the cache and unpacked, for
// any of its archives.
func (p *part) leastBytes() (fetched, unpacked int64) {
	first := true
	for i, size := range p.sizes {
		size = max(size, p.announcedSize)
		if size <= 0 && p.archives[i].Unpacked <= 0 {
			continue
		}
		a, b := max(size-p.here[i], 0), max(size, p.archives[i].Unpacked)
		if first {
			fetched, unpacked, first = a, b, false
		}
		fetched, unpacked = min(fetched, a), min(unpacked, b)
	}
	return fetched, unpacked
}

func volumeOf(root *os.Root) (v volume, err error) {
	if v.free, v.inodes, err = rootfs.Space(root); err == nil {
		v.id, err = rootfs.Volume(root)
	}
	return v, err
}
