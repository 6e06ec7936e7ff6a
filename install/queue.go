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
	// nextLook is how many bytes of an archive must have come before its choice
	// is looked at again, and then how many more, or a fourth of what is there.
	nextLook = 1 << 20
	// assumedRate is what is gone by while nothing is known. Too high, it costs
	// what has come when it is found out; too low, the time to find that out,
	// since every connection seems slow at first.
	assumedRate = 25e6
	// maxQuestions is how many sizes are asked for, so many at once, and for how
	// long: they are hints, and not worth more.
	maxQuestions, questionsAtOnce, questionTime = 128, 8, 5 * time.Second
)

// A queue says which artifact of a release is fetched next, and by which of its
// archives. It learns what it goes by while the work goes on: how fast bytes
// come, what has come, and what is unpacked. It is safe for concurrent use.
type queue struct {
	rate        func() float64 // of Options; nil: upstream's order is kept
	jobs, cores int            // how many downloads and decoders there are at once
	tell        func(Choice)
	labels      map[string]string // of Progress, by the names of artifacts

	mu      sync.Mutex
	parts   []*part
	steady  bool          // the rate is known and has stopped to rise, as it does at the beginning
	come    int64         // bytes, of all parts
	last    float64       // rate, when it was last looked at
	changed chan struct{} // closed when something has come; nil: nobody waits for it
}

// A part is an artifact and how far it is.
type part struct {
	archives  []manifests.Artifact // that bring it, in upstream's order
	sizes     []int64              // of each, for all that is known; 0: nothing is
	here      []int64              // how much of each lies in the cache
	announced int64                // by whoever serves the only archive, whose size nothing proved states
	whole     bool                 // it is all in the cache
	taken     int                  // the archive that is fetched
	final     bool                 // taken is not changed any more
	state     state
	arrived   int64 // bytes of taken that are here
	look      int64 // when so many are, taken is looked at again
}

type state int

const (
	waits    state = iota // nobody fetches it
	comes                 // somebody does
	came                  // it can be unpacked
	unpacked              // it was
)

// newQueue begins to fetch artifacts.
func newQueue(cache download.Cache, artifacts []manifests.Artifact, rate func() float64, jobs, cores int, tell func(Choice)) *queue {
	q := &queue{rate: rate, jobs: jobs, cores: cores, tell: tell}
	for _, a := range artifacts {
		p := &part{archives: append([]manifests.Artifact{a}, a.Alternatives...)}
		for i, one := range p.archives {
			here, whole := cache.Have(one)
			if whole { // it needs no choice, and no network
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

// measure asks for the sizes that are needed for a choice and that no proved
// document states. An answer is believed as far as a choice goes, no further.
func (q *queue) measure(ctx context.Context, t manifests.Transport) {
	ctx, cancel := context.WithTimeout(ctx, questionTime)
	defer cancel()
	var asking sync.WaitGroup
	room := make(chan struct{}, questionsAtOnce)
	asked := 0
	for _, p := range q.parts {
		for i := range p.sizes {
			if p.final || p.sizes[i] > 0 || asked == maxQuestions {
				continue
			}
			asked++
			room <- struct{}{}
			asking.Go(func() {
				defer func() { <-room }()
				if size, err := manifests.SizeOf(ctx, t, p.archives[i].Refs[0]); err == nil && size > 0 && size <= manifests.MaxArtifact {
					p.sizes[i] = size
				}
			})
		}
	}
	asking.Wait()
}

// offers are what p can still be fetched by, and which archives they are. What
// is not known to have a size is none.
func (p *part) offers() (list []offer, archives []int) {
	for i, size := range p.sizes {
		switch {
		case size <= 0, p.state != waits && p.final && i != p.taken, p.state >= came && i != p.taken, p.state == unpacked:
			continue
		}
		a := p.archives[i]
		left := size - p.here[i]
		if p.state >= comes && i == p.taken {
			left = size - p.arrived
		}
		if p.state == came {
			left = 0
		}
		list = append(list, offer{bytes: float64(max(left, 0)), coming: p.state != waits, streams: streams(a),
			work: float64(decodeTime(a.Layout.Format, size)) / float64(time.Second)})
		archives = append(archives, i)
	}
	return list, archives
}

// streams reports whether a is unpacked while it arrives.
func streams(a manifests.Artifact) bool {
	return a.Chunks.Len() > 0 && strings.HasPrefix(a.Layout.Format, "tar")
}

// plan chooses for all parts at once.
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
	return all, choose(all, q.pace()), archives
}

func (q *queue) pace() pace {
	p := pace{jobs: q.jobs, cores: q.cores}
	if q.rate != nil {
		p.rate = cmp.Or(q.rate(), assumedRate)
	}
	return p
}

// next is the artifact to fetch next: the longest to decode, or, while nothing is
// known of how fast bytes come, the smallest; none is left where ok is false.
// Where a choice hangs on it, next waits until the first bytes have told.
func (q *queue) next(ctx context.Context) (n int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.isBlind() && ctx.Err() == nil {
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
		if p.state != waits {
			continue
		}
		var weight float64 // what is not known comes last
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
	p.state = comes
	if !p.final && len(all[n]) > 0 {
		p.taken = archives[n][chosen[n]]
		q.explain(p, rate, false)
	}
	p.begin()
	return n, true
}

// begin starts to count what has come of p.
func (p *part) begin() {
	p.arrived = 0
	if p.taken < len(p.here) {
		p.arrived = p.here[p.taken]
	}
	p.look = p.arrived + nextLook
}

// isBlind reports whether there is a choice to be made, no rate to make it by
// that is worth something, and something on its way that will tell.
func (q *queue) isBlind() bool {
	if q.rate == nil || q.steady {
		return false
	}
	choice, coming := false, false
	for _, p := range q.parts {
		choice = choice || p.state == waits && !p.final
		coming = coming || p.state == comes
	}
	return choice && coming
}

func (q *queue) wake() {
	if q.changed != nil {
		close(q.changed)
		q.changed = nil
	}
}

// arrived hears that so many bytes of what is taken for part n are here. It
// reports whether it should be given up for another, which is then taken.
func (q *queue) arrived(n int, done int64) (better bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.parts[n]
	q.watch(done - p.arrived)
	p.arrived = done
	if p.final || p.state != comes || done < p.look {
		return false
	}
	pace := q.pace()
	p.look = done + max(nextLook, done/4)
	all, chosen, archives := q.plan()
	if len(all[n]) == 0 || archives[n][chosen[n]] == p.taken {
		return false
	}
	stay := slices.Clone(chosen)
	if stay[n] = slices.Index(archives[n], p.taken); stay[n] < 0 {
		return false
	}
	smaller := p.sizes[archives[n][chosen[n]]] < p.sizes[p.taken]
	if smaller && !q.steady || burden(all, chosen, pace) > burden(all, stay, pace)*(1-worthAgain) {
		return false
	}
	p.taken, p.final = archives[n][chosen[n]], true
	q.explain(p, pace.rate, true)
	p.begin()
	return true
}

// watch notes that n more bytes have come, and whether they come as fast as they
// ever will.
func (q *queue) watch(n int64) {
	before := q.come
	q.come += max(n, 0)
	if q.steady || q.rate == nil || q.come/nextLook == before/nextLook {
		return
	}
	rate := q.rate()
	q.steady = rate > 0 && rate <= q.last*(1+still)
	q.last = rate
	if q.steady {
		q.wake()
	}
}

// is sets how far part n is.
func (q *queue) is(n int, s state) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.parts[n].state = s
	q.wake()
}

// order is what would bring part n: what is taken, then the others as upstream
// has them.
func (q *queue) order(n int) (archives []int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.parts[n]
	archives = append(archives, p.taken)
	for i := range p.archives {
		if i != p.taken {
			archives = append(archives, i)
		}
	}
	return archives
}

// take notes which archive is tried for part n. One after another is tried only
// where the first is not to be had.
func (q *queue) take(n, archive int) manifests.Artifact {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.parts[n]
	if p.taken != archive {
		p.taken, p.final = archive, true
		p.begin()
	}
	return p.archives[archive]
}

// settle keeps what is taken for part n.
func (q *queue) settle(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.parts[n].final = true
}

// explain tells why p.taken is taken.
func (q *queue) explain(p *part, rate float64, again bool) {
	c := Choice{Component: p.archives[0].Component, Rate: rate, Again: again}
	for i, a := range p.archives {
		one := Candidate{Format: a.Layout.Format, Bytes: p.sizes[i], Decode: time.Duration(decodeTime(a.Layout.Format, p.sizes[i]))}
		if i == p.taken {
			c.Candidates = append([]Candidate{one}, c.Candidates...)
		} else {
			c.Candidates = append(c.Candidates, one)
		}
	}
	q.tell(c)
}
