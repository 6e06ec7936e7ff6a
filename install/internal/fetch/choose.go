package fetch

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kist-tools/kist/manifests"
)

// This file decides which of several archives with the same content is fetched. A small
// archive is slow to decode; one that decodes fast is large and slow to download. The
// archive is fetched that would be unpacked soonest if it were the only one, at the
// speed of the first bytes.

const (
	// Limits on the requests for sizes: in all, at once, and the time for them. Sizes
	// only help to choose and to find out early that space is lacking.
	maxSizeRequests, sizeRequestsAtOnce, sizeTimeout = 128, 8, 5 * time.Second

	// Limits on the measurement of the network's speed: in bytes, also as a share of
	// the archive, and the time for it. Every connection begins slowly, so that a
	// measurement ends once a block comes hardly faster than the block before.
	maxProbe, probeShare, probeBlock = 4 << 20, 8, 256 << 10
	probeTimeout, steadyGrowth       = 2 * time.Second, 1.1

	// assumedRate is the speed of a network that was not measured, in bytes per second.
	assumedRate = 25e6
)

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

// choose moves the archive to fetch to the front of each part that has a choice: archives
// of different formats whose sizes are known.
func (b *Batch) choose(ctx context.Context) {
	if b.o.Clock == nil {
		return
	}
	var choices []*part
	var probed archive // the smallest archive of the largest part
	for _, p := range b.parts {
		if sized := p.sized(); !p.cached && len(sized) > 1 {
			choices = append(choices, p)
			if smallest := slices.MinFunc(sized, func(x, y archive) int { return int(x.size - y.size) }); smallest.size > probed.size {
				probed = smallest
			}
		}
	}
	if len(choices) == 0 {
		return
	}
	rate, measured := b.probe(ctx, probed), "measured"
	if rate <= 0 {
		rate, measured = assumedRate, "assumed"
	}
	for _, p := range choices {
		best := slices.MinFunc(p.sized(), func(x, y archive) int { return int(x.unpackTime(rate) - y.unpackTime(rate)) })
		at := slices.IndexFunc(p.archives, func(a archive) bool { return a.Name == best.Name })
		p.archives = append([]archive{best}, slices.Delete(p.archives, at, at+1)...)
		var others []string
		for _, other := range p.archives[1:] {
			others = append(others, other.String())
		}
		b.o.OnChoice(fmt.Sprintf("%s: %s chosen over %s, at %.1f MB/s (%s)", best.Component, best, strings.Join(others, " or "), rate/1e6, measured))
	}
}

// sized returns the archives of known size.
func (p *part) sized() (sized []archive) {
	for _, a := range p.archives {
		if a.size > 0 {
			sized = append(sized, a)
		}
	}
	return sized
}

// probe returns the speed at which the beginning of a arrives, in bytes per second: 0 if
// it does not arrive, or if a is too small to measure.
func (b *Batch) probe(ctx context.Context, a archive) (rate float64) {
	n := min(a.size/probeShare, maxProbe)
	if n < probeBlock {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	body, _, err := manifests.OpenRange(ctx, b.o.Cache.Transport, a.Refs[0], 0, n)
	if err != nil {
		return 0
	}
	defer body.Close()
	for start := b.o.Clock(); ; {
		got, err := io.CopyN(io.Discard, body, probeBlock)
		now, before := b.o.Clock(), rate
		if now.After(start) {
			rate = float64(got) / now.Sub(start).Seconds()
		}
		if err != nil || rate <= before*steadyGrowth {
			return max(rate, before)
		}
		start = now
	}
}

// unpackTime estimates how long it takes until a is unpacked, if nothing else is fetched:
// it is decoded after its download, or during it if that is possible.
func (a archive) unpackTime(rate float64) time.Duration {
	download := time.Duration(float64(max(a.size-a.here, 0)) / rate * float64(time.Second))
	if streams(a.Artifact) {
		return max(download, a.decodeTime())
	}
	return download + a.decodeTime()
}

// decodeTime estimates how long one core takes to decode a. The codec matters more than
// the unpacked size: measured on the archives of Rust 1.95.0, each codec takes about the
// same time per compressed byte.
func (a archive) decodeTime() time.Duration {
	perByte := time.Nanosecond
	switch a.Layout.Format[strings.LastIndex(a.Layout.Format, ".")+1:] {
	case "bz2":
		perByte = 100
	case "xz", "deb":
		perByte = 85
	case "zst":
		perByte = 14
	case "gz", "zip":
		perByte = 6
	}
	return time.Duration(a.size) * perByte
}

// streams reports whether a can be unpacked while it arrives.
func streams(a manifests.Artifact) bool {
	return a.Chunks.Len() > 0 && strings.HasPrefix(a.Layout.Format, "tar")
}

func (a archive) String() string {
	if a.size <= 0 {
		return a.Layout.Format
	}
	return fmt.Sprintf("%s (%.1f MB, %.1f s to decode)", a.Layout.Format, float64(a.size)/1e6, a.decodeTime().Seconds())
}
