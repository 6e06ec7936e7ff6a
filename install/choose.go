package install

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// This file decides, without side effects, which of several archives with the same
// content is fetched. A small archive is slow to decode; one that decodes fast is
// large and slow to download. Which matters more depends on the network, on the
// machine, and on the other archives of the release.

// An ArchiveChoice is the decision which of several archives with the same content is
// fetched, with its reasons.
type ArchiveChoice struct {
	Component  string
	Rate       float64     // measured bytes per second; 0: not known yet
	Again      bool        // the first candidate replaces one whose download had begun
	Candidates []Candidate // the chosen one first
}

// A Candidate is one archive of an ArchiveChoice.
type Candidate struct {
	Format string        // as in manifests.Layout
	Bytes  int64         // size, as stated or announced; 0: not known
	Decode time.Duration // estimated time for one core to decode it
}

func (c ArchiveChoice) String() string {
	chosen, rest := c.Candidates[0], c.Candidates[1:]
	others := make([]string, len(rest))
	for i, other := range rest {
		others[i] = other.String()
	}
	how := "download speed not known yet"
	if c.Rate > 0 {
		how = fmt.Sprintf("at %.1f MB/s", c.Rate/1e6)
	}
	than := "chosen over"
	if c.Again {
		than = "replaces"
	}
	return fmt.Sprintf("%s: %s %s %s, %s", c.Component, chosen, than, strings.Join(others, " or "), how)
}

func (c Candidate) String() string {
	if c.Bytes <= 0 {
		return c.Format
	}
	return fmt.Sprintf("%s (%.1f MB, %.1f s to decode)", c.Format, float64(c.Bytes)/1e6, c.Decode.Seconds())
}

// An offer is one archive that contains an artifact.
type offer struct {
	bytes   float64 // still to download
	work    float64 // seconds for one core to decode it
	coming  bool    // its download has begun
	streams bool    // it is decoded while it downloads, not afterwards
}

// decodeTime estimates, in nanoseconds, how long one core takes to decode size
// compressed bytes. The codec matters more than the unpacked size: measured on the
// archives of Rust 1.95.0, each codec takes about the same time per compressed byte.
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

// A throughput is how fast archives can be downloaded and decoded.
type throughput struct {
	rate  float64 // bytes per second of all downloads together; 0: not known
	jobs  int     // concurrent downloads
	cores int     // archives decoded at once
}

// choose returns the index of the offer to fetch for each artifact, so that all of
// them are unpacked soonest. Between choices that hardly differ it prefers the one
// that fetches less. Without a rate, only bytes count.
//
// It tries several prices of a second of decoding, in bytes, each the same for all
// artifacts. Then it looks at each artifact by itself (improve).
func choose(artifacts [][]offer, p throughput) []int {
	chosen := cheapest(artifacts, 0)
	if p.rate <= 0 {
		return chosen
	}
	least := cost(artifacts, chosen, p)
	for _, price := range bytePrices(p.rate) {
		other := cheapest(artifacts, price)
		if slices.Equal(other, chosen) {
			continue
		}
		if b := cost(artifacts, other, p); b < least*(1-minGain) {
			chosen, least = other, b
		}
	}
	return improve(artifacts, chosen, least, p)
}

// improve changes one choice at a time, as long as that helps. A common price
// misses cases where archives differ in more than bytes and work.
func improve(artifacts [][]offer, chosen []int, least float64, p throughput) []int {
	for better, rounds := true, 0; better && rounds < maxRounds; rounds++ {
		better = false
		for i := range artifacts {
			for j := range artifacts[i] {
				other := slices.Clone(chosen)
				other[i] = j
				if b := cost(artifacts, other, p); b < least*(1-minGain) {
					chosen, least, better = other, b, true
				}
			}
		}
	}
	return chosen
}

// bytePrices returns the prices of a second of decoding, in bytes, to try: from a
// small part to a large multiple of the bytes that arrive in a second, and infinity.
func bytePrices(rate float64) (list []float64) {
	for price := rate / maxPriceFactor; price <= rate*maxPriceFactor; price *= priceStep {
		list = append(list, price)
	}
	return append(list, math.MaxInt64)
}

// cost returns the cost of a choice in seconds: the time it takes, and a share of
// all decoding except the longest, even if the forecast has idle cores. The
// forecast does not know all the work: unpacked files must also be written.
func cost(artifacts [][]offer, chosen []int, p throughput) float64 {
	var all, longest float64
	for i, j := range chosen {
		if len(artifacts[i]) > 0 {
			work := artifacts[i][j].work
			all, longest = all+work, max(longest, work)
		}
	}
	return forecast(artifacts, chosen, p) + loadShare*(all-longest)/float64(max(p.cores, 2))
}

// Parameters of choose. The shares were found by experiment with the model of
// choose_test.go, where they work for one to four cores and for 10 to 1000 Mbit/s.
const (
	maxPriceFactor = 1 << 7 // highest price of a second, as a multiple of the bytes that arrive in one
	priceStep      = 1.25
	maxRounds      = 4    // of improve, over all artifacts
	minGain        = 0.01 // share of the time that fetching more bytes must save
	minSwitchGain  = 0.02 // share of the time that starting over with another archive must save
	loadShare      = 2    // weight of all work except the longest, compared with time
	steadyShare    = 0.1  // growth between two measurements up to which the rate is steady
)

// cheapest returns for each artifact the offer that costs least if a second of
// decoding costs price bytes.
func cheapest(artifacts [][]offer, price float64) []int {
	chosen := make([]int, len(artifacts))
	for i, offers := range artifacts {
		least := math.Inf(1)
		for j, o := range offers {
			if bytes := o.bytes + o.work*price; bytes < least {
				chosen[i], least = j, bytes
			}
		}
	}
	return chosen
}

// forecast returns the seconds until all artifacts are unpacked. Downloads that have
// begun come first, then the others, longest to decode first. Concurrent downloads
// share the rate.
func forecast(artifacts [][]offer, chosen []int, p throughput) (end float64) {
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
		begun, come float64 // seconds at which the download begins and ends
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
	free := make([]float64, max(p.cores, 1)) // seconds at which each core becomes free
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
