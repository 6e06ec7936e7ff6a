package install

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/manifests"
)

const (
	// reviewBytes is how many bytes of an archive must have arrived before its choice
	// is reviewed, and then how many more, or a fourth of those that have.
	reviewBytes = 1 << 20
	// assumedRate is the rate that is used until one is measured. If it is too high,
	// bytes of the wrong archive are wasted; if it is too low, the mistake takes long
	// to show, since every connection seems slow at first.
	assumedRate = 25e6
	// Limits on the requests for sizes: in all, at once, and the time for them. Sizes
	// only help to choose, and are not worth more.
	maxSizeRequests, sizeRequestsAtOnce, sizeTimeout = 128, 8, 5 * time.Second
)

// A queue decides which artifact of a release is fetched next, and from which of its
// archives. It uses the measured rate, the bytes that have arrived, and the artifacts
// that are unpacked. It is safe for concurrent use.
type queue struct {
	rate        func() float64 // of Options; nil: keep upstream's order
	jobs, cores int            // concurrent downloads and decoders
	notify      func(ArchiveChoice)
	labels      map[string]string // of Progress, by artifact name

	mu       sync.Mutex
	parts    []*part
	steady   bool          // the rate has stabilised (TCP slow start is over)
	received int64         // bytes of all parts
	lastRate float64       // rate at the last measurement
	changed  chan struct{} // closed when a state or the rate changes; nil: nobody waits
}

// A part is an artifact and the state of its download.
type part struct {
	archives      []manifests.Artifact // that contain it, in upstream's order
	sizes         []int64              // of each archive; 0: not known
	here          []int64              // bytes of each archive in the cache
	announcedSize int64                // size that the server announces for the only archive, if no proved document states one
	whole         bool                 // the cache has all of it
	chosen        int                  // index of the archive to fetch
	final         bool                 // chosen does not change any more
	state         state
	arrived       int64 // bytes of the chosen archive that have arrived
	nextReview    int64 // value of arrived at which the choice is reviewed
}

type state int

const (
	pending  state = iota // not being fetched yet
	fetching              // being fetched
	fetched               // ready to be unpacked
	unpacked              // done
)

// newQueue returns a queue of artifacts. Artifacts that the cache holds need no choice.
func newQueue(cache download.Cache, artifacts []manifests.Artifact, rate func() float64, jobs, cores int, notify func(ArchiveChoice)) *queue {
	q := &queue{rate: rate, jobs: jobs, cores: cores, notify: notify}
	for _, a := range artifacts {
		p := &part{archives: append([]manifests.Artifact{a}, a.Alternatives...)}
		for i, one := range p.archives {
			here, whole := cache.Cached(one)
			if whole { // no choice and no network needed
				p.archives = append([]manifests.Artifact{one}, slices.Delete(p.archives, i, i+1)...)
				p.sizes, p.here, p.final, p.whole = []int64{here}, []int64{here}, true, true
				break
			}
			p.sizes, p.here = append(p.sizes, one.Size), append(p.here, here)
		}
		p.final = p.final || len(p.archives) == 1 || rate == nil
		q.parts = append(q.parts, p)
	}
	return q
}

// measure requests the sizes that a choice needs and that no proved document states.
// The answers are used only for choices.
func (q *queue) measure(ctx context.Context, t manifests.Transport) {
	ctx, cancel := context.WithTimeout(ctx, sizeTimeout)
	defer cancel()
	var requests sync.WaitGroup
	slots := make(chan struct{}, sizeRequestsAtOnce)
	asked := 0
	for _, p := range q.parts {
		for i := range p.sizes {
			if p.final || p.sizes[i] > 0 || asked == maxSizeRequests {
				continue
			}
			asked++
			slots <- struct{}{}
			requests.Go(func() {
				defer func() { <-slots }()
				if size, err := manifests.SizeOf(ctx, t, p.archives[i].Refs[0]); err == nil && size > 0 && size <= manifests.MaxArtifact {
					p.sizes[i] = size
				}
			})
		}
	}
	requests.Wait()
}

// offers returns the archives that p can still be fetched from, as offers and as
// indices. Archives of unknown size are left out.
func (p *part) offers() (list []offer, archives []int) {
	for i, size := range p.sizes {
		switch {
		case size <= 0, p.state != pending && p.final && i != p.chosen, p.state >= fetched && i != p.chosen, p.state == unpacked:
			continue
		}
		a := p.archives[i]
		left := size - p.here[i]
		if p.state >= fetching && i == p.chosen {
			left = size - p.arrived
		}
		if p.state == fetched {
			left = 0
		}
		list = append(list, offer{bytes: float64(max(left, 0)), coming: p.state != pending, streams: streams(a),
			work: float64(decodeTime(a.Layout.Format, size)) / float64(time.Second)})
		archives = append(archives, i)
	}
	return list, archives
}

// streams reports whether a is unpacked while it arrives.
func streams(a manifests.Artifact) bool {
	return a.Chunks.Len() > 0 && strings.HasPrefix(a.Layout.Format, "tar")
}

// plan chooses an archive for each part. It returns the offers, the chosen offers, and
// the archives of the offers, by part.
func (q *queue) plan() (all [][]offer, chosen []int, archives [][]int) {
	all, archives = make([][]offer, len(q.parts)), make([][]int, len(q.parts))
	choice := false
	for n, p := range q.parts {
		all[n], archives[n] = p.offers()
		choice = choice || len(all[n]) > 1
	}
	if !choice {
		return all, make([]int, len(q.parts)), archives
	}
	return all, choose(all, q.throughput()), archives
}

func (q *queue) throughput() throughput {
	p := throughput{jobs: q.jobs, cores: q.cores}
	if q.rate != nil {
		p.rate = cmp.Or(q.rate(), assumedRate)
	}
	return p
}

// next returns the artifact to fetch next: the one that takes longest to decode, or the
// smallest while the rate is not known. ok is false if none is left. If a choice
// depends on the rate, next waits until it is known.
func (q *queue) next(ctx context.Context) (n int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.rateUnknown() && ctx.Err() == nil {
		changed := make(chan struct{})
		q.changed = changed
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		q.mu.Lock()
	}
	all, chosen, archives := q.plan()
	var rate float64
	if q.rate != nil {
		rate = q.rate()
	}
	n = -1
	var best float64
	for i, p := range q.parts {
		if p.state != pending {
			continue
		}
		var weight float64 // unknown sizes come last
		if len(all[i]) > 0 {
			o := all[i][chosen[i]]
			if weight = 1 + o.work; rate == 0 && q.rate != nil {
				weight = 1 / (1 + o.bytes)
			}
		}
		if n < 0 || weight > best {
			n, best = i, weight
		}
	}
	if n < 0 || ctx.Err() != nil {
		return -1, false
	}
	p := q.parts[n]
	p.state = fetching
	if !p.final && len(all[n]) > 0 {
		p.chosen = archives[n][chosen[n]]
		q.explain(p, rate, false)
	}
	p.begin()
	return n, true
}

// begin starts to count the arrived bytes of the chosen archive.
func (p *part) begin() {
	p.arrived = 0
	if p.chosen < len(p.here) {
		p.arrived = p.here[p.chosen]
	}
	p.nextReview = p.arrived + reviewBytes
}

// rateUnknown reports whether a choice is pending, there is no reliable rate yet, and a
// download is running that will show it.
func (q *queue) rateUnknown() bool {
	if q.rate == nil || q.steady {
		return false
	}
	choice, coming := false, false
	for _, p := range q.parts {
		choice = choice || p.state == pending && !p.final
		coming = coming || p.state == fetching
	}
	return choice && coming
}

func (q *queue) wake() {
	if q.changed != nil {
		close(q.changed)
		q.changed = nil
	}
}

// arrived records that done bytes of the chosen archive of part n have arrived. It
// reports whether another archive is better, and then chooses that one.
func (q *queue) arrived(n int, done int64) (better bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.parts[n]
	q.countReceived(done - p.arrived)
	p.arrived = done
	if p.final || p.state != fetching || done < p.nextReview {
		return false
	}
	limits := q.throughput()
	p.nextReview = done + max(reviewBytes, done/4)
	all, chosen, archives := q.plan()
	if len(all[n]) == 0 || archives[n][chosen[n]] == p.chosen {
		return false
	}
	unchanged := slices.Clone(chosen)
	if unchanged[n] = slices.Index(archives[n], p.chosen); unchanged[n] < 0 {
		return false
	}
	smaller := p.sizes[archives[n][chosen[n]]] < p.sizes[p.chosen]
	if smaller && !q.steady || cost(all, chosen, limits) > cost(all, unchanged, limits)*(1-minSwitchGain) {
		return false
	}
	p.chosen, p.final = archives[n][chosen[n]], true
	q.explain(p, limits.rate, true)
	p.begin()
	return true
}

// countReceived records that n more bytes have arrived, and whether the rate is steady.
func (q *queue) countReceived(n int64) {
	before := q.received
	q.received += max(n, 0)
	if q.steady || q.rate == nil || q.received/reviewBytes == before/reviewBytes {
		return
	}
	rate := q.rate()
	q.steady = rate > 0 && rate <= q.lastRate*(1+steadyShare)
	q.lastRate = rate
	if q.steady {
		q.wake()
	}
}

// setState sets the state of part n.
func (q *queue) setState(n int, s state) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.parts[n].state = s
	q.wake()
}

// order returns the archives to try for part n: the chosen one, then the others in
// upstream's order.
func (q *queue) order(n int) (archives []int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.parts[n]
	archives = append(archives, p.chosen)
	for i := range p.archives {
		if i != p.chosen {
			archives = append(archives, i)
		}
	}
	return archives
}

// setArchive records which archive is tried for part n. Another one than the chosen
// archive is tried only if that is not available; then the choice is final.
func (q *queue) setArchive(n, archive int) manifests.Artifact {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.parts[n]
	if p.chosen != archive {
		p.chosen, p.final = archive, true
		p.begin()
	}
	return p.archives[archive]
}

// fixArchive makes the choice for part n final.
func (q *queue) fixArchive(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.parts[n].final = true
}

// explain reports the choice of p.chosen to q.notify.
func (q *queue) explain(p *part, rate float64, again bool) {
	c := ArchiveChoice{Component: p.archives[0].Component, Rate: rate, Again: again}
	for i, a := range p.archives {
		one := Candidate{Format: a.Layout.Format, Bytes: p.sizes[i], Decode: time.Duration(decodeTime(a.Layout.Format, p.sizes[i]))}
		if i == p.chosen {
			c.Candidates = append([]Candidate{one}, c.Candidates...)
		} else {
			c.Candidates = append(c.Candidates, one)
		}
	}
	q.notify(c)
}
