package install

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A need is what one directory is going to hold besides what it holds.
type need struct {
	path   string
	bytes  int64
	inodes int64
	on     volume
}

// A volume is a file system and what is left on it.
type volume struct{ id, free, inodes int64 }

// NoExec reports whether what is installed lies on a file system that is mounted
// noexec, so that none of its commands can be started.
func (i *Installer) NoExec() bool {
	root := i.roots.open(dataDir)
	return root != nil && rootfs.NoExec(root)
}

// fits finds a file system that cannot hold what is needed on it, by all
// directories that lie there.
func fits(needs ...need) error {
	together := map[int64]need{}
	for _, n := range needs {
		t, ok := together[n.on.id]
		if !ok {
			t = need{path: n.path, on: n.on}
		} else {
			t.path += " and " + n.path
		}
		t.bytes, t.inodes = t.bytes+n.bytes, t.inodes+n.inodes
		together[n.on.id] = t
	}
	for _, n := range needs {
		switch n = together[n.on.id]; {
		case n.bytes > n.on.free:
			return &download.SpaceError{Path: n.path, Need: n.bytes, Free: n.on.free}
		case n.inodes > n.on.inodes:
			return &download.SpaceError{Path: n.path, Need: n.inodes, Free: n.on.inodes, Files: true}
		}
	}
	return nil
}

// around is how many files and directories there are of a release besides what
// it unpacks: its stage and the lock, receipts and generations, links.
const around = 16

// space finds before anything is fetched or unpacked whether there is room for
// it: in the cache for the archives that are not there yet, and beside the
// toolchains for what is in them. Both can only be more than it counts: not every
// size is known, and of files only that there is one in each.
func (i *Installer) space(ctx context.Context, q *queue, r manifests.Release, memory *private.Budget) error {
	if err := rootfs.Probe(i.roots.open(dataDir)); err != nil {
		return err
	}
	cache := need{path: filepath.Join(i.o.Dirs.Cache, "kist")}
	data := need{path: filepath.Join(i.o.Dirs.Data, "kist"), inodes: int64(around + len(r.Files) + len(r.Listings))}
	seen := map[verify.Digest]bool{} // one archive may be unpacked to several places
	var onDisk int64                 // of an archive that is too large to be copied to memory
	q.announce(ctx, i.o.Transport)
	for _, p := range q.parts {
		fetched, unpacked := p.least()
		data.bytes, data.inodes = data.bytes+unpacked, data.inodes+1
		if d := p.archives[0].Integrity.Digest; fetched > 0 && !seen[d] {
			seen[d] = !d.IsZero()
			cache.bytes, cache.inodes = cache.bytes+fetched, cache.inodes+2 // it, and the lock beside it
		}
		if size := p.smallest(); !memory.Fits(size) {
			onDisk = max(onDisk, size)
		}
	}
	cache.bytes += onDisk
	var err error
	if data.on, err = volumeOf(i.roots.open(dataDir)); err != nil {
		return nil // writing will tell
	}
	if cache.on, err = volumeOf(i.roots.open(cacheDir)); err != nil {
		return fits(data)
	}
	return fits(data, cache)
}

// announce asks how large the archives are of which there is no choice, and whose
// size nothing proved states. The answers count only here: how much room they take.
func (q *queue) announce(ctx context.Context, t manifests.Transport) {
	ctx, cancel := context.WithTimeout(ctx, questionTime)
	defer cancel()
	var asking errgroup.Group
	asking.SetLimit(questionsAtOnce)
	asked := 0
	for _, p := range q.parts {
		if p.whole || len(p.archives) > 1 || p.sizes[0] > 0 || asked == maxQuestions {
			continue
		}
		asked++
		asking.Go(func() error {
			if size, err := manifests.SizeOf(ctx, t, p.archives[0].Refs[0]); err == nil && size <= manifests.MaxArtifact {
				p.announced = size
			}
			return nil
		})
	}
	asking.Wait()
}

// smallest is the size of the smallest archive of p, 0 if one is not known.
func (p *part) smallest() int64 { return max(slices.Min(p.sizes), p.announced) }

// least is how many bytes p takes at least in the cache and unpacked, by
// whichever of its archives.
func (p *part) least() (fetched, unpacked int64) {
	first := true
	for i, size := range p.sizes {
		size = max(size, p.announced)
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
