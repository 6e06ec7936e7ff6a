package fetch

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kist-tools/kist/manifests"
)

// Limits on the requests for sizes: in all, at once, and the time for them. Sizes
// only help to choose and to find out early that space is lacking.
const maxSizeRequests, sizeRequestsAtOnce, sizeTimeout = 128, 8, 5 * time.Second

// A part is an artifact with the archives that contain it: the one to fetch, then the
// others in upstream's order.
type part struct {
	archives []archive
	cached   bool // the cache has all of archives[0]
}

// An archive is one file that contains an artifact.
type archive struct {
	manifests.Artifact
	size int64 // as a proved document states, or else as the server announces; 0: not known
	here int64 // bytes of it in the cache
}

// Prepare looks for artifacts in the cache, requests the sizes that no document states,
// and chooses an archive of each artifact.
func Prepare(ctx context.Context, o Options, artifacts []manifests.Artifact) *Batch {
	b := &Batch{o: o}
	for _, a := range artifacts {
		p := &part{}
		for _, one := range append([]manifests.Artifact{a}, a.Alternatives...) {
			here, whole := o.Cache.Cached(one)
			found := archive{one, one.Size, here}
			if whole && !p.cached {
				p.cached, p.archives = true, slices.Insert(p.archives, 0, found)
				continue
			}
			p.archives = append(p.archives, found)
		}
		b.parts = append(b.parts, p)
	}
	b.askSizes(ctx)
	b.choose(ctx)
	return b
}

// askSizes requests the sizes of archives that no proved document states.
func (b *Batch) askSizes(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, sizeTimeout)
	defer cancel()
	var requests errgroup.Group
	requests.SetLimit(sizeRequestsAtOnce)
	asked := 0
	for _, p := range b.parts {
		for n := range p.archives {
			a := &p.archives[n]
			if p.cached || a.size > 0 || asked == maxSizeRequests {
				continue
			}
			asked++
			requests.Go(func() error {
				if size, err := manifests.SizeOf(ctx, b.o.Cache.Transport, a.Refs[0]); err == nil && size > 0 && size <= manifests.MaxArtifact {
					a.size = size
				}
				return nil
			})
		}
	}
	requests.Wait()
}
