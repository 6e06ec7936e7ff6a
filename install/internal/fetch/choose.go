package fetch

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
)

// This file decides which of several archives with the same content is fetched. A small
// archive is slow to decode; one that decodes fast is large and slow to download. The
// archive is fetched that would be unpacked soonest if it were the only one, at the
// speed of the first bytes.

const (
	// Limits on the measurement of the network's speed: in bytes, also as a share of
	// the archive, and the time for it. Every connection begins slowly, so that a
	// measurement ends once a block comes hardly faster than the block before.
	maxProbe, probeShare, probeBlock = 4 << 20, 8, 256 << 10
	probeTimeout, steadyGrowth       = 2 * time.Second, 1.1

	// assumedRate is the speed of a network that was not measured, in bytes per second.
	assumedRate = 25e6
)

// choose moves the archive to fetch to the front of each part that has a choice between
// archives of known size.
func (b *Batch) choose(ctx context.Context) {
	if b.o.Clock == nil {
		return
	}
	var choices []*part
	var probed archive // the smallest archive of the largest part
	for _, p := range b.parts {
		if smallest, sized := p.least(func(a archive) float64 { return float64(a.size) }); !p.cached && sized > 1 {
			choices = append(choices, p)
			if a := p.archives[smallest]; a.size > probed.size {
				probed = a
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
		soonest, _ := p.least(func(a archive) float64 { return a.unpackSeconds(rate) })
		best := p.archives[soonest]
		p.archives = slices.Insert(slices.Delete(p.archives, soonest, soonest+1), 0, best)
		var others []string
		for _, other := range p.archives[1:] {
			others = append(others, other.String())
		}
		b.o.OnChoice(fmt.Sprintf("%s: %s chosen over %s, at %.1f MB/s (%s)", best.Component, best, strings.Join(others, " or "), rate/1e6, measured))
	}
}

// least returns the index of the archive with the least cost, of those whose size is
// known, and how many these are.
func (p *part) least(cost func(archive) float64) (index, sized int) {
	lowest := math.Inf(1)
	for n, a := range p.archives {
		if a.size <= 0 {
			continue
		}
		sized++
		if c := cost(a); c < lowest {
			index, lowest = n, c
		}
	}
	return index, sized
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

// unpackSeconds estimates how many seconds it takes until a is unpacked, if nothing else
// is fetched: it is decoded after its download, or during it if that is possible.
func (a archive) unpackSeconds(rate float64) float64 {
	download := float64(max(a.size-a.here, 0)) / rate
	if streams(a.Artifact) {
		return max(download, a.decodeTime().Seconds())
	}
	return download + a.decodeTime().Seconds()
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

// order returns the indices of the parts in the order in which they are fetched: those
// that take longest to decode first, since the last download should leave little to do.
func (b *Batch) order() []int {
	order := make([]int, len(b.parts))
	for n := range order {
		order[n] = n
	}
	slices.SortStableFunc(order, func(x, y int) int {
		return cmp.Compare(b.parts[y].archives[0].decodeTime(), b.parts[x].archives[0].decodeTime())
	})
	return order
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
