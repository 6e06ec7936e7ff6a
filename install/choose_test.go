package install

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

const (
	mega   = 1e6
	single = 1
	both   = 2
)

// rustc and similar components, as archives of Rust 1.95.0: .gz, .xz.
var (
	rustc = []offer{{bytes: 135.6 * mega, work: 1.49}, {bytes: 92.4 * mega, work: 7.85}}
	std   = []offer{{bytes: 49.3 * mega, work: 0.54}, {bytes: 29.6 * mega, work: 2.52}}
	cargo = []offer{{bytes: 15.4 * mega, work: 0.17}, {bytes: 11.0 * mega, work: 0.94}}
)

func TestChoose(t *testing.T) {
	minimal := [][]offer{rustc, std, cargo}
	for name, test := range map[string]struct {
		artifacts [][]offer
		mbit      float64
		cores     int
		want      string // by artifact: g or x
	}{
		"nothing known":              {minimal, 0, both, "xxx"},
		"nothing at all":             {nil, 100, both, ""},
		"slow":                       {minimal, 10, both, "xxx"},
		"fast":                       {minimal, 1000, both, "ggg"},
		"the wire itself":            {minimal, 40_000, both, "ggg"},
		"one, at its crossover":      {[][]offer{rustc}, 50, both, "x"},
		"one, above its crossover":   {[][]offer{rustc}, 60, both, "g"},
		"one core":                   {minimal, 100, single, "gxg"},
		"no choice":                  {[][]offer{{rustc[0]}, {std[1]}}, 100, both, "gg"},
		"nothing known of one":       {[][]offer{rustc, nil, cargo}, 1000, both, "ggg"},
		"what has come costs least":  {[][]offer{{rustc[0], {bytes: 1 * mega, work: 7.85}}}, 50, both, "x"},
		"a stream hides its work":    {[][]offer{{rustc[0], {bytes: 92.4 * mega, work: 7.85, streams: true}}}, 60, both, "x"},
		"a stream of work":           {[][]offer{{rustc[0], {bytes: 92.4 * mega, work: 7.85, streams: true}}}, 1000, both, "g"},
		"hardly sooner is no reason": {[][]offer{{{bytes: 100 * mega, work: 1}, {bytes: 90 * mega, work: 1.805}}}, 100, both, "x"},
	} {
		chosen := choose(test.artifacts, throughput{test.mbit * mega / 8, 1, test.cores})
		var got strings.Builder
		for _, j := range chosen {
			got.WriteByte("gx"[j])
		}
		if got.String() != test.want {
			t.Errorf("%s: %s, want %s", name, got.String(), test.want)
		}
	}
}

func TestForecast(t *testing.T) {
	a, b := offer{bytes: 10, work: 5}, offer{bytes: 20, work: 1}
	for name, test := range map[string]struct {
		artifacts [][]offer
		cores     int
		want      float64 // at 10 bytes a second
	}{
		"one":                       {[][]offer{{a}}, single, 1 + 5},
		"two, the longer first":     {[][]offer{{b}, {a}}, both, 6},
		"two on one core":           {[][]offer{{b}, {a}}, single, 7},
		"what is coming goes first": {[][]offer{{{bytes: 20, work: 1, coming: true}}, {a}}, both, 8},
		"what is there":             {[][]offer{{{work: 3, coming: true}}}, both, 3},
		"stream":                    {[][]offer{{{bytes: 10, work: 5, streams: true}}}, both, 5},
		"stream of a slow network":  {[][]offer{{{bytes: 100, work: 5, streams: true}}}, both, 10},
		"no cores are one":          {[][]offer{{a}}, 0, 6},
		"nothing":                   {[][]offer{nil}, both, 0},
	} {
		chosen := make([]int, len(test.artifacts))
		if got := forecast(test.artifacts, chosen, throughput{10, 1, test.cores}); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%s: %v s, want %v", name, got, test.want)
		}
	}
}

// By its own cost function, a choice is never worse than the smallest archive of each
// artifact, or the fastest, and not far from the best choice.
func TestChooseIsNearTheBest(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		positive := rapid.Float64Range(0.01, 300)
		artifacts := make([][]offer, rapid.IntRange(1, 4).Draw(r, "artifacts"))
		for i := range artifacts {
			mb := positive.Draw(r, "size")
			for _, codec := range []struct{ least, most, cost float64 }{{1, 1, 85e-9}, {1.3, 2.6, 6e-9}, {1, 1.5, 14e-9}}[:rapid.IntRange(1, 3).Draw(r, "codecs")] {
				bytes := mb * mega * rapid.Float64Range(codec.least, codec.most).Draw(r, "ratio")
				artifacts[i] = append(artifacts[i], offer{bytes: bytes, work: bytes * codec.cost, streams: rapid.Bool().Draw(r, "streams")})
			}
		}
		p := throughput{rapid.Float64Range(0.1, 1000).Draw(r, "rate") * mega, rapid.IntRange(1, 4).Draw(r, "jobs"), rapid.IntRange(1, 4).Draw(r, "cores")}
		got := cost(artifacts, choose(artifacts, p), p)
		for _, price := range []float64{0, math.MaxInt64} {
			if fixed := cost(artifacts, cheapest(artifacts, price), p); got > fixed/(1-minGain) {
				r.Fatalf("%.2f s, and a fixed choice %.2f s", got, fixed)
			}
		}
		best := math.Inf(1)
		for n := range 81 {
			any := make([]int, len(artifacts))
			for i := range any {
				any[i] = n % 3 % len(artifacts[i])
				n /= 3
			}
			best = min(best, cost(artifacts, any, p))
		}
		if got > best*1.5 {
			r.Fatalf("%.2f s, and the best choice %.2f s", got, best)
		}
	})
}

// A parcel is an artifact of the model: megabytes and seconds to decode, by format,
// and seconds to write its content.
type parcel struct {
	name  string
	packs map[string]pack
	write float64
}

type pack struct{ megabytes, decode float64 }

// Measured with Rust 1.95.0 and Node.js, except the .xz of Node.js.
var (
	rustDefault = []parcel{
		{"rustc", map[string]pack{"tar.zst": {111.1, 1.3}, "tar.gz": {135.6, 0.79}, "tar.xz": {92.4, 7.6}}, 0.45},
		{"rust-std", map[string]pack{"tar.zst": {38.6, 0.8}, "tar.gz": {49.3, 0.29}, "tar.xz": {29.6, 2.9}}, 0.2},
		{"rust-docs", map[string]pack{"tar.zst": {30.4, 0.9}, "tar.gz": {75.7, 0.43}, "tar.xz": {28.7, 2.95}}, 2.2},
		{"cargo", map[string]pack{"tar.zst": {13.1, 0.13}, "tar.gz": {15.4, 0.09}, "tar.xz": {11.0, 1.05}}, 0.05},
		{"clippy", map[string]pack{"tar.zst": {5.9, 0.06}, "tar.gz": {7.0, 0.04}, "tar.xz": {4.7, 0.45}}, 0.03},
		{"rustfmt", map[string]pack{"tar.zst": {2.6, 0.02}, "tar.gz": {3.0, 0.02}, "tar.xz": {2.4, 0.22}}, 0.02},
	}
	rustMinimal = []parcel{rustDefault[0], rustDefault[1], rustDefault[3]}
	nodeJS      = []parcel{{"node", map[string]pack{"tar.gz": {63.1, 0.4}, "tar.xz": {33.0, 2.9}}, 0.6}}
)

// A simulation is a pipeline on a model of network and machine, with its own clock:
// a real queue decides, and the rest is arithmetic.
type simulation struct {
	parcels []parcel
	formats []string
	line    float64 // bytes a second that the network brings
	trip    float64 // seconds there and back: what comes begins with 10 packets in each, and doubles
	known   float64 // rate that is known before: 0, or what was measured on something small
	cores   int
	cache   download.Cache // empty
	chosen  []ArchiveChoice
}

// A task is a parcel in progress.
type task struct {
	state
	have  float64 // bytes
	left  float64 // seconds of decoding and writing, of one core
	speed float64 // cores that are busy with it at once: one decodes while another writes
}

// run returns the seconds that the simulation takes.
func (s *simulation) run(t *testing.T) (now float64) {
	var artifacts []manifests.Artifact
	var bytes, work float64
	for _, p := range s.parcels {
		var all []manifests.Artifact
		for _, f := range s.formats {
			if packed, ok := p.packs[f]; ok {
				all = append(all, manifests.Artifact{Name: p.name + "." + f, Component: p.name, Refs: []string{"x"}, Size: int64(packed.megabytes * mega),
					Integrity: manifests.Integrity{Digest: verify.DigestOf([]byte(p.name + f))}, Layout: manifests.Layout{Format: f}})
				bytes, work = bytes+packed.megabytes*mega, work+packed.decode+p.write
			}
		}
		all[0].Alternatives = all[1:]
		artifacts = append(artifacts, all[0])
	}
	step := max(bytes/s.line, work/float64(s.cores)) / 500
	var measured, spent float64 // as a transport.Meter does
	rate := func() float64 {
		if measured < 256<<10 {
			return s.known
		}
		return measured / spent
	}
	q := newQueue(s.cache, artifacts, rate, defaultJobs, s.cores, func(c ArchiveChoice) { s.chosen = append(s.chosen, c) })
	tasks := make([]task, len(s.parcels))
	for n := range 1_000_000 {
		now = float64(n) * step
		coming, decoding, left, demand := 0, 0, 0, 0.0
		for i := range tasks {
			switch tasks[i].state {
			case fetching:
				coming++
			case fetched:
				if tasks[i].left > 0 {
					decoding++
					demand += tasks[i].speed
				}
			}
			if tasks[i].state != unpacked {
				left++
			}
		}
		if left == 0 {
			return now
		}
		for coming < defaultJobs && !q.rateUnknown() {
			n, ok := q.next(t.Context())
			if !ok {
				break
			}
			tasks[n].state = fetching
			coming++
		}
		speed := s.line
		if s.trip > 0 {
			speed = min(speed, 14_600/s.trip*math.Pow(2, min(now/s.trip, 50)))
		}
		if coming > 0 {
			measured, spent = measured+speed*step, spent+step
			if spent > 0.1 && measured > 512<<10 {
				measured, spent = measured/2, spent/2
			}
		}
		for i := range tasks {
			s.advance(q, i, &tasks[i], speed*step/float64(max(coming, 1)), step*min(1, float64(s.cores)/demand))
		}
		for ; decoding < s.cores; decoding++ {
			s.startLongest(q, tasks)
		}
	}
	t.Fatal("it does not end")
	return 0
}

// advance makes one step of a task: share bytes, or step seconds.
func (s *simulation) advance(q *queue, n int, one *task, share, step float64) {
	switch {
	case one.state == fetching:
		one.have += share
		p := q.parts[n]
		if one.have >= float64(p.archives[p.chosen].Size) {
			one.state = fetched
			q.setState(n, fetched)
		} else if q.arrived(n, int64(one.have)) {
			one.have = 0
		}
	case one.state == fetched && one.left > 0:
		if one.left -= one.speed * step; one.left <= 0 {
			one.state = unpacked
			q.setState(n, unpacked)
		}
	}
}

// startLongest starts a core on the fetched task that takes longest.
func (s *simulation) startLongest(q *queue, tasks []task) {
	first, longest, speed := -1, 0.0, 0.0
	for i, one := range tasks {
		if one.state == fetched && one.left == 0 {
			p := q.parts[i]
			decode, write := s.parcels[i].packs[p.archives[p.chosen].Layout.Format].decode, s.parcels[i].write
			if cost := decode + write; cost > longest {
				first, longest = i, cost
				speed = cost / max(decode, write)
			}
		}
	}
	if first >= 0 {
		tasks[first].left, tasks[first].speed = longest, speed
	}
}

// For any network speed, known before or not, the choice costs at most a tenth more
// than the best single format for all. On one core it costs at most a seventh more:
// there, writing takes time that choose does not consider.
func TestQueueChoosesAsWellAsAFixedFormat(t *testing.T) {
	_, cache := newWorld(t).cache()
	sets := []struct {
		name    string
		parcels []parcel
		formats []string
		cores   int
	}{
		{"Rust minimal", rustMinimal, []string{"tar.gz", "tar.xz"}, 2}, {"Rust minimal with zst", rustMinimal, []string{"tar.zst", "tar.gz", "tar.xz"}, 2},
		{"Rust default", rustDefault, []string{"tar.gz", "tar.xz"}, 2}, {"Rust default with zst", rustDefault, []string{"tar.zst", "tar.gz", "tar.xz"}, 2},
		{"Rust default on one core", rustDefault, []string{"tar.gz", "tar.xz"}, 1}, {"Rust default on four cores", rustDefault, []string{"tar.gz", "tar.xz"}, 4},
		{"node", nodeJS, []string{"tar.gz", "tar.xz"}, 2}, {"node on one core", nodeJS, []string{"tar.gz", "tar.xz"}, 1},
	}
	for _, set := range sets {
		for _, mbit := range []float64{10, 50, 75, 100, 200, 400, 1000} {
			line := mbit * mega / 8
			for _, trip := range []float64{0, 0.03} {
				s := simulation{parcels: set.parcels, line: line, trip: trip, cores: set.cores, cache: cache}
				fixed := math.Inf(1)
				for _, f := range set.formats {
					s.formats = []string{f}
					fixed = min(fixed, s.run(t))
				}
				s.formats = set.formats
				most := 1.1
				if set.cores == 1 {
					most = 1.15
				}
				for how, known := range map[string]float64{"nothing known": 0, "known": line, "believed slow": line / 20, "believed fast": line * 20} {
					s.known, s.chosen = known, nil
					if got := s.run(t); got > most*fixed {
						t.Errorf("%s at %.0f Mbit/s, %v s a trip, %s: %.1f s, and fixed %.1f s (%.2f)\n%s", set.name, mbit, trip, how, got, fixed, got/fixed, told(s.chosen))
					}
				}
			}
		}
	}
}

func told(all []ArchiveChoice) string {
	var b strings.Builder
	for _, c := range all {
		fmt.Fprintf(&b, "\t%+v\n", c)
	}
	return b.String()
}
