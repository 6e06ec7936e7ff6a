package fetch_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/fetch"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// pair returns an artifact as .gz and, as its alternative, as .xz, of these sizes, which
// no document states.
func (w *world) pair(name string, gz, xz int) manifests.Artifact {
	a, other := w.artifact(name+".tar.gz", "tar.gz", gz), w.artifact(name+".tar.xz", "tar.xz", xz)
	a.Component, other.Component, a.Size, other.Size = name, name, 0, 0
	a.Alternatives = []manifests.Artifact{other}
	return a
}

func chosenNames(b *fetch.Batch) (names []string) {
	archives, order := b.Chosen()
	for _, n := range order {
		names = append(names, archives[n].Name)
	}
	return names
}

// What a server announces decides what is tried first, and nothing else.
func TestAnnouncedSizesOnlyAffectTheChoice(t *testing.T) {
	ref := func(name string) string { return "https://example.org/" + name }
	for name, test := range map[string]struct {
		says map[string]int64
		want string
	}{
		"the truth":         {nil, "one.tar.gz"},
		"a small .xz":       {map[string]int64{ref("one.tar.xz"): 10}, "one.tar.xz"},
		"a huge .gz":        {map[string]int64{ref("one.tar.gz"): manifests.MaxArtifact}, "one.tar.xz"},
		"over every size":   {map[string]int64{ref("one.tar.gz"): manifests.MaxArtifact + 1}, "one.tar.gz"},
		"negative":          {map[string]int64{ref("one.tar.xz"): -5}, "one.tar.gz"},
		"nothing":           {map[string]int64{ref("one.tar.xz"): 0, ref("one.tar.gz"): -1}, "one.tar.gz"},
		"only of the other": {map[string]int64{ref("one.tar.gz"): -1}, "one.tar.gz"},
	} {
		w := newWorld(t)
		w.says = test.says
		sized := w.pair("sized", 3000, 2000)
		sized.Size, sized.Alternatives[0].Size = 3000, 2000
		artifacts := []manifests.Artifact{w.pair("one", 3000, 2000), sized}
		batch := w.prepare(artifacts...)
		slices.Sort(w.asked)
		if want := []string{"one.tar.gz", "one.tar.xz"}; !slices.Equal(w.asked, want) {
			t.Errorf("%s: asked for the sizes of %q, want %q", name, w.asked, want)
		}
		if got := chosenNames(batch); !slices.Contains(got, test.want) || !slices.Contains(got, "sized.tar.gz") {
			t.Errorf("%s: %q, want %s", name, got, test.want)
		}
		all, err := batch.Unpack(t.Context(), idle{}, func() {})
		if err != nil || all[0].Record.Name != test.want {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
	}
}

func TestSizeRequestsAreLimited(t *testing.T) {
	w := newWorld(t)
	var many []manifests.Artifact
	for n := range 100 {
		many = append(many, w.pair(fmt.Sprint("part", n), 30, 20))
	}
	w.prepare(many...)
	if len(w.asked) != fetch.MaxSizeRequests {
		t.Errorf("asked %d times, want %d", len(w.asked), fetch.MaxSizeRequests)
	}
}

// An archive that lies in the cache needs no choice and no network.
func TestCachedArchiveIsChosen(t *testing.T) {
	w := newWorld(t)
	a := w.pair("one", 3000, 2000)
	s, err := w.cache.Stream(t.Context(), a.Alternatives[0])
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Blob(); err != nil {
		t.Fatal(err)
	}
	clear(w.files)
	all, err := w.prepare(a).Unpack(t.Context(), idle{}, func() {})
	if err != nil || all[0].Record.Name != "one.tar.xz" || len(w.asked) > 0 {
		t.Errorf("%+v, %v, after %d requests", all, err, len(w.asked))
	}
}

// If the chosen archive is not available, the other one is fetched.
func TestOtherArchiveReplacesMissingChoice(t *testing.T) {
	w := newWorld(t)
	a := w.pair("one", 3000, 2000)
	batch := w.prepare(a)
	delete(w.files, a.Refs[0])
	all, err := batch.Unpack(t.Context(), idle{}, func() {})
	if err != nil || all[0].Record.Name != "one.tar.xz" {
		t.Errorf("%+v, %v", all, err)
	}
}

// Without a clock there is no measurement, and upstream's first archive is fetched.
func TestUpstreamsOrderHoldsWithoutClock(t *testing.T) {
	w := newWorld(t)
	small, large := w.pair("small", 1500, 20), w.pair("large", 15000, 20)
	batch := fetch.Prepare(t.Context(), fetch.Options{Cache: w.cache}, []manifests.Artifact{small, w.artifact("plain", "tar", 900), large})
	if got, want := chosenNames(batch), []string{"large.tar.gz", "small.tar.gz", "plain"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A stalled server sends nothing.
type stalled struct{ asked int64 }

func (s *stalled) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	return s.OpenRange(ctx, ref, offset, 1<<30)
}

func (s *stalled) OpenRange(ctx context.Context, _ string, _, n int64) (io.ReadCloser, int64, error) {
	s.asked = n
	return io.NopCloser(readerFunc(func([]byte) (int, error) { <-ctx.Done(); return 0, ctx.Err() })), 1 << 30, nil
}

func (s *stalled) Size(context.Context, string) (int64, error) { panic("every size is stated") }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// The measurement of the network is bounded in bytes and time. Without a result the choice
// is made all the same; TestChoiceIsNearTheBestFixedFormat has the networks that answer.
func TestMeasurementIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, server := newWorld(t), &stalled{}
		w.cache.Transport = server
		a := w.pair("one", 3000, 2000)
		a.Size, a.Alternatives[0].Size = 150<<20, 100<<20
		start, why := time.Now(), ""
		fetch.Prepare(t.Context(), fetch.Options{Cache: w.cache, Clock: time.Now, OnChoice: func(s string) { why = s }}, []manifests.Artifact{a})
		if took := time.Since(start); took > 2*time.Second || server.asked > 4<<20 {
			t.Errorf("it took %v and asked for %d bytes", took, server.asked)
		}
		if want := "one: tar.gz (157.3 MB, 0.9 s to decode) chosen over tar.xz (104.9 MB, 8.9 s to decode), at 25.0 MB/s (assumed)"; why != want {
			t.Errorf("told %q, want %q", why, want)
		}
	})
}

// A toolchain is what a release consists of: megabytes and seconds to decode, by format,
// and seconds to write the content.
type toolchain []component

type component struct {
	name  string
	packs map[string]pack
	write float64
}

type pack struct{ megabytes, decode float64 }

// Measured with Rust 1.95.0, Node.js and Go, except the .xz of Node.js.
var (
	rustDefault = toolchain{
		{"rustc", map[string]pack{"tar.zst": {111.1, 1.3}, "tar.gz": {135.6, 0.79}, "tar.xz": {92.4, 7.6}}, 0.45},
		{"rust-std", map[string]pack{"tar.zst": {38.6, 0.8}, "tar.gz": {49.3, 0.29}, "tar.xz": {29.6, 2.9}}, 0.2},
		{"rust-docs", map[string]pack{"tar.zst": {30.4, 0.9}, "tar.gz": {75.7, 0.43}, "tar.xz": {28.7, 2.95}}, 2.2},
		{"cargo", map[string]pack{"tar.zst": {13.1, 0.13}, "tar.gz": {15.4, 0.09}, "tar.xz": {11.0, 1.05}}, 0.05},
		{"clippy", map[string]pack{"tar.zst": {5.9, 0.06}, "tar.gz": {7.0, 0.04}, "tar.xz": {4.7, 0.45}}, 0.03},
		{"rustfmt", map[string]pack{"tar.zst": {2.6, 0.02}, "tar.gz": {3.0, 0.02}, "tar.xz": {2.4, 0.22}}, 0.02},
	}
	rustMinimal = toolchain{rustDefault[0], rustDefault[1], rustDefault[3]}
	nodeJS      = toolchain{{"node", map[string]pack{"tar.gz": {63.1, 0.4}, "tar.xz": {33.0, 2.9}}, 0.6}}
	golang      = toolchain{{"go", map[string]pack{"tar.gz": {66.0, 0.5}}, 0.9}}
)

// A network sends zeros at a given speed, in the time of a synctest bubble. Like TCP, it
// begins with ten packets in each round trip, and doubles that until it is at its speed.
type network struct {
	line  float64       // bytes per second
	trip  time.Duration // there and back; 0: it is at its speed at once
	sizes map[string]int64

	mu    sync.Mutex
	begun time.Time
}

func (n *network) Size(context.Context, string) (int64, error) { panic("every size is stated") }

func (n *network) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	return n.OpenRange(ctx, ref, offset, n.sizes[ref]-offset)
}

func (n *network) OpenRange(_ context.Context, ref string, _, length int64) (io.ReadCloser, int64, error) {
	time.Sleep(n.trip)
	n.begun = time.Now()
	return manifests.Part(io.NopCloser(n), length), n.sizes[ref], nil
}

// speed returns the bytes per second after some time.
func (n *network) speed(after time.Duration) float64 {
	if n.trip == 0 {
		return n.line
	}
	return min(n.line, 14_600/n.trip.Seconds()*math.Pow(2, min(after.Seconds()/n.trip.Seconds(), 50)))
}

func (n *network) Read(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p = p[:min(len(p), 16<<10)]
	time.Sleep(time.Duration(float64(len(p)) / n.speed(time.Since(n.begun)) * float64(time.Second)))
	return len(p), nil
}

// chooses returns the format that Prepare chooses for each component, the order in which
// they are fetched, and how long Prepare takes.
func (tc toolchain) chooses(t *testing.T, n *network, formats ...string) (chosen []string, order []int, took time.Duration) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	n.sizes = map[string]int64{}
	var artifacts []manifests.Artifact
	for _, c := range tc {
		var all []manifests.Artifact
		for _, f := range formats {
			if packed, ok := c.packs[f]; ok {
				ref := "https://example.org/" + c.name + "." + f
				n.sizes[ref] = int64(packed.megabytes * 1e6)
				all = append(all, manifests.Artifact{Name: c.name + "." + f, Component: c.name, Refs: []string{ref}, Size: n.sizes[ref],
					Integrity: manifests.Integrity{Digest: verify.DigestOf([]byte(ref))}, Layout: manifests.Layout{Format: f}})
			}
		}
		all[0].Alternatives = all[1:]
		artifacts = append(artifacts, all[0])
	}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		batch := fetch.Prepare(t.Context(), fetch.Options{Cache: download.Cache{Root: root, Transport: n}, Clock: time.Now, OnChoice: func(string) {}}, artifacts)
		took = time.Since(start)
		var archives []manifests.Artifact
		archives, order = batch.Chosen()
		for _, a := range archives {
			chosen = append(chosen, a.Layout.Format)
		}
	})
	return chosen, order, took
}

// install returns the seconds that an install takes: four downloads share the line, cores
// decode what has arrived in that order, and write at the same time.
func (tc toolchain) install(n *network, cores int, chosen []string, order []int, start float64) float64 {
	type job struct{ bytes, work, speed float64 }
	var waiting, coming, arrived, decoding []job
	var bytes, work float64
	for _, i := range order {
		p := tc[i].packs[chosen[i]]
		all := p.decode + tc[i].write
		waiting = append(waiting, job{p.megabytes * 1e6, all, all / max(p.decode, tc[i].write)})
		bytes, work = bytes+p.megabytes*1e6, work+all
	}
	now, step := start, max(bytes/n.line, work/float64(cores))/2000
	for ; len(waiting)+len(coming)+len(arrived)+len(decoding) > 0; now += step {
		for len(waiting) > 0 && len(coming) < 4 {
			coming, waiting = append(coming, waiting[0]), waiting[1:]
		}
		share := n.speed(time.Duration(now*float64(time.Second))) * step / float64(max(len(coming), 1))
		still := coming[:0:0]
		for _, c := range coming {
			if c.bytes -= share; c.bytes > 0 {
				still = append(still, c)
			} else {
				arrived = append(arrived, c)
			}
		}
		coming = still
		for len(arrived) > 0 && len(decoding) < cores {
			decoding, arrived = append(decoding, arrived[0]), arrived[1:]
		}
		var demand float64
		for _, d := range decoding {
			demand += d.speed
		}
		still = decoding[:0:0]
		for _, d := range decoding {
			if d.work -= d.speed * step * min(1, float64(cores)/demand); d.work > 0 {
				still = append(still, d)
			}
		}
		decoding = still
	}
	return now
}

// The choice, with the time to measure the network, costs at most a tenth more than the
// best single format for everything, in a model of network and machine.
func TestChoiceIsNearTheBestFixedFormat(t *testing.T) {
	for _, test := range []struct {
		name    string
		tool    toolchain
		cores   int
		formats string
	}{
		{"Rust minimal", rustMinimal, 2, "tar.gz tar.xz"}, {"Rust minimal with zst", rustMinimal, 2, "tar.zst tar.gz tar.xz"},
		{"Rust default", rustDefault, 2, "tar.gz tar.xz"}, {"Rust default with zst", rustDefault, 2, "tar.zst tar.gz tar.xz"},
		{"Rust default on one core", rustDefault, 1, "tar.gz tar.xz"}, {"Rust default on four cores", rustDefault, 4, "tar.gz tar.xz"},
		{"node", nodeJS, 2, "tar.gz tar.xz"}, {"node on one core", nodeJS, 1, "tar.gz tar.xz"}, {"go", golang, 2, "tar.gz"},
	} {
		for _, mbit := range []float64{10, 50, 75, 100, 200, 400, 1000} {
			for _, trip := range []time.Duration{0, 30 * time.Millisecond} {
				n := &network{line: mbit * 1e6 / 8, trip: trip}
				formats := strings.Fields(test.formats)
				fixed := math.Inf(1)
				for _, f := range formats {
					chosen, order, took := test.tool.chooses(t, n, f)
					if took != 0 {
						t.Errorf("%s: %v were spent although there is no choice", test.name, took)
					}
					fixed = min(fixed, test.tool.install(n, test.cores, chosen, order, 0))
				}
				chosen, order, took := test.tool.chooses(t, n, formats...)
				if got := test.tool.install(n, test.cores, chosen, order, took.Seconds()); got > 1.1*fixed {
					t.Errorf("%s at %.0f Mbit/s, %v a trip: %v in %.1f s, and the best fixed format in %.1f s", test.name, mbit, trip, chosen, got, fixed)
				}
			}
		}
	}
}
