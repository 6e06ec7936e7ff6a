package install

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// This file decides, without any effect, which of the archives that bring the
// same thing is fetched: a small one takes long to decode, one that is quick to
// decode takes long to arrive, and which of the two counts depends on the
// network, on the machine, and on what else there is to do.

// A Choice says which of the archives that bring the same is fetched, and why.
type Choice struct {
	Component  string
	Rate       float64     // bytes a second that have been coming, 0 where that is not known yet
	Again      bool        // the first candidate takes the place of one that had begun to come
	Candidates []Candidate // the one that is taken comes first
}

// A Candidate is one archive of a Choice.
type Candidate struct {
	Format string        // as in manifests.Layout
	Bytes  int64         // its size, as it is stated or announced; 0: not known
	Decode time.Duration // about how long one core decodes it
}

func (c Choice) String() string {
	taken, rest := c.Candidates[0], c.Candidates[1:]
	others := make([]string, len(rest))
	for i, other := range rest {
		others[i] = other.String()
	}
	how := "before it is known how fast they come"
	if c.Rate > 0 {
		how = fmt.Sprintf("at %.1f MB a second", c.Rate/1e6)
	}
	than := "rather than"
	if c.Again {
		than = "after all, not"
	}
	return fmt.Sprintf("%s: %s %s %s, %s", c.Component, taken, than, strings.Join(others, " or "), how)
}

func (c Candidate) String() string {
	if c.Bytes <= 0 {
		return c.Format
	}
	return fmt.Sprintf("%s (%.1f MB, %.1f s to decode)", c.Format, float64(c.Bytes)/1e6, c.Decode.Seconds())
}

// An offer is one archive that would bring an artifact.
type offer struct {
	bytes   float64 // that are still to come
	work    float64 // seconds that one core decodes
	coming  bool    // it has begun to come
	streams bool    // it is decoded while it comes, not afterwards
}

// decodeTime estimates, in nanoseconds, how long one core decodes size bytes.
// How much they become counts for less than how they are packed: measured on
// the archives of Rust 1.95.0, each codec takes about as long for every byte.
func decodeTime(format string, size int64) int64 {
	switch format[strings.LastIndex(format, ".")+1:] {
	case "bz2":
		return size * 100
	case "xz", "deb":
		return size * 85
	case "zst":
		return size * 14
	case "gz", "zip":
		return size * 6
	}
	return size
}

// A pace is how fast work can go.
type pace struct {
	rate  float64 // bytes a second, of all downloads together; 0: not known
	jobs  int     // downloads at once
	cores int     // archives that are decoded at once
}

// choose returns which offer to take for each artifact, so that all of them are
// unpacked soonest. Of choices that hardly differ it takes the one that fetches
// less; without a rate, bytes are all that counts.
//
// A good choice puts a price on bytes, one for all artifacts: it pays so many
// of them for each second of decoding. Then each is looked at by itself.
func choose(artifacts [][]offer, p pace) []int {
	chosen := cheapest(artifacts, 0)
	if p.rate <= 0 {
		return chosen
	}
	least := burden(artifacts, chosen, p)
	for _, price := range prices(p.rate) {
		other := cheapest(artifacts, price)
		if slices.Equal(other, chosen) {
			continue
		}
		if b := burden(artifacts, other, p); b < least*(1-notWorthIt) {
			chosen, least = other, b
		}
	}
	return improve(artifacts, chosen, least, p)
}

// improve changes one choice after the other, as long as that helps: what the one
// price misses is where archives differ in more than bytes and work.
func improve(artifacts [][]offer, chosen []int, least float64, p pace) []int {
	for better, rounds := true, 0; better && rounds < maxRounds; rounds++ {
		better = false
		for i := range artifacts {
			for j := range artifacts[i] {
				other := slices.Clone(chosen)
				other[i] = j
				if b := burden(artifacts, other, p); b < least*(1-notWorthIt) {
					chosen, least, better = other, b, true
				}
			}
		}
	}
	return chosen
}

// prices are what a second of decoding may cost, in bytes: from a small part to
// a large multiple of what comes in a second, and everything.
func prices(rate float64) (list []float64) {
	for price := rate / maxPrice; price <= rate*maxPrice; price *= priceStep {
		list = append(list, price)
	}
	return append(list, math.MaxInt64)
}

// burden is what a choice costs, in seconds: the time it takes, and a share of
// what the cores have to do besides the longest, even where the forecast has them
// idle. There is more to do than it can know: what is unpacked must be written.
func burden(artifacts [][]offer, chosen []int, p pace) float64 {
	var all, longest float64
	for i, j := range chosen {
		if len(artifacts[i]) > 0 {
			work := artifacts[i][j].work
			all, longest = all+work, max(longest, work)
		}
	}
	return forecast(artifacts, chosen, p) + loadShare*(all-longest)/float64(max(p.cores, 2))
}

// How choices are made. The shares were found by trying them on the model of
// choose_test.go, where they serve from one core to four, and from 10 Mbit/s to
// 1000.
const (
	maxPrice   = 1 << 7 // of a second, in what comes in one
	priceStep  = 1.25
	maxRounds  = 4    // over all artifacts, to change one choice at a time
	notWorthIt = 0.01 // of the time, that more bytes save
	worthAgain = 0.02 // of the time, that beginning again with another archive must save
	loadShare  = 2    // of the work besides the longest, which counts like time
	still      = 0.1  // by which the rate may grow between two looks and yet be steady
)

// cheapest takes for each artifact the offer that costs least, where a second of
// decoding costs price bytes.
func cheapest(artifacts [][]offer, price float64) []int {
	chosen := make([]int, len(artifacts))
	for i, offers := range artifacts {
		least := math.Inf(1)
		for j, o := range offers {
			if cost := o.bytes + o.work*price; cost < least {
				chosen[i], least = j, cost
			}
		}
	}
	return chosen
}

// forecast is how many seconds it takes until all artifacts are unpacked: first
// what is coming already, then the longest to decode first. Those that come at
// the same time share the rate.
func forecast(artifacts [][]offer, chosen []int, p pace) (end float64) {
	var waiting []offer
	for i, j := range chosen {
		if len(artifacts[i]) > 0 {
			waiting = append(waiting, artifacts[i][j])
		}
	}
	slices.SortStableFunc(waiting, func(a, b offer) int {
		if a.coming != b.coming {
			if a.coming {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.work, a.work)
	})
	type arrival struct {
		offer
		begun, come float64 // when
	}
	var coming, all []arrival
	for now := 0.0; len(waiting)+len(coming) > 0; {
		for len(waiting) > 0 && len(coming) < max(p.jobs, 1) {
			coming = append(coming, arrival{waiting[0], now, 0})
			waiting = waiting[1:]
		}
		next := 0
		for i := range coming {
			if coming[i].bytes < coming[next].bytes {
				next = i
			}
		}
		bytes := coming[next].bytes
		now += bytes * float64(len(coming)) / p.rate
		for i := range coming {
			coming[i].bytes -= bytes
		}
		coming[next].come = now
		all = append(all, coming[next])
		coming = slices.Delete(coming, next, next+1)
	}
	ready := func(a arrival) float64 {
		if a.streams {
			return a.begun
		}
		return a.come
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return cmp.Compare(ready(a), ready(b)) })
	free := make([]float64, max(p.cores, 1)) // when each core is
	for _, a := range all {
		core := 0
		for c := range free {
			if free[c] < free[core] {
				core = c
			}
		}
		free[core] = max(max(ready(a), free[core])+a.work, a.come)
		end = max(end, free[core])
	}
	return end
}
