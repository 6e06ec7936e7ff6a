package install

import (
	"bytes"
	"context"
	"io"
	"math"
	"os"
	"path"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/transport"
	"github.com/kist-tools/kist/verify"
)

// A throttle is a network with a given speed for all downloads together, in the time
// of a synctest bubble. Every archive consists of zeros.
type throttle struct {
	sizes map[string]int64 // by ref
	rate  float64          // bytes a second
	trip  time.Duration    // until the first byte of an answer

	mu   sync.Mutex
	free time.Time // when all that was asked for has come
}

func (n *throttle) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	time.Sleep(n.trip)
	return &throttled{ctx, n, n.sizes[ref] - offset}, n.sizes[ref], nil
}

func (n *throttle) OpenRange(ctx context.Context, ref string, offset, length int64) (io.ReadCloser, int64, error) {
	time.Sleep(n.trip)
	return &throttled{ctx, n, min(length, n.sizes[ref]-offset)}, n.sizes[ref], nil
}

func (n *throttle) Size(_ context.Context, ref string) (int64, error) {
	time.Sleep(n.trip)
	return n.sizes[ref], nil
}

type throttled struct {
	ctx  context.Context
	from *throttle
	left int64
}

func (b *throttled) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), b.left, 64<<10)]
	b.from.mu.Lock()
	if now := time.Now(); b.from.free.Before(now) {
		b.from.free = now
	}
	b.from.free = b.from.free.Add(time.Duration(float64(len(p)) / b.from.rate * float64(time.Second)))
	until := b.from.free
	b.from.mu.Unlock()
	time.Sleep(time.Until(until))
	clear(p)
	b.left -= int64(len(p))
	return len(p), b.ctx.Err()
}

func (b *throttled) Close() error { return nil }

// cores unpack as long as the parcels say.
type cores map[string]parcel

func (c cores) Add(_ context.Context, _ *os.File, a unpack.Archive) error {
	p := c[a.Component]
	time.Sleep(time.Duration((p.packs[a.Layout.Format].decode + p.write) * float64(time.Second)))
	return nil
}

func (cores) AddStream(context.Context, io.Reader, int64, unpack.Archive) error {
	panic("none has chunks")
}

// Like TestQueueChoosesAsWellAsAFixedFormat, but with all the code that fetches and
// decides, and with the measured rate: only network and decoders are simulated.
func TestPipelineChoosesAsWellAsAFixedFormat(t *testing.T) {
	parcels := rustDefault[3:] // the small ones: all that comes is hashed and written
	formats := []string{"tar.gz", "tar.xz"}
	run := func(t *testing.T, mbit float64, formats ...string) (took time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			network := &throttle{sizes: map[string]int64{}, rate: mbit * mega / 8, trip: 20 * time.Millisecond}
			machine := cores{}
			var artifacts []manifests.Artifact
			for _, p := range parcels {
				machine[p.name] = p
				var all []manifests.Artifact
				for _, f := range formats {
					size := int64(p.packs[f].megabytes * mega)
					ref := "https://example.org/" + p.name + "." + f
					network.sizes[ref] = size
					all = append(all, manifests.Artifact{Name: path.Base(ref), Component: p.name, Refs: []string{ref},
						Integrity: manifests.Integrity{Digest: digestOfZeros(size)}, Layout: manifests.Layout{Format: f}})
				}
				all[0].Alternatives = all[1:]
				artifacts = append(artifacts, all[0])
			}
			i, cache := newWorld(t).cache()
			defer i.Close()
			meter := &transport.Meter{From: network, Now: time.Now}
			cache.Transport = meter
			start := time.Now()
			q := newQueue(cache, artifacts, meter.Rate, defaultJobs, 2, func(c ArchiveChoice) { t.Log(c) })
			q.measure(t.Context(), meter)
			if _, err := i.fetchAll(t.Context(), cache, q, machine, &decodeGate{free: 2}); err != nil {
				t.Fatal(err)
			}
			took = time.Since(start)
		})
		return took
	}
	for _, mbit := range []float64{50, 200, 1000} {
		fixed := time.Duration(math.MaxInt64)
		for _, f := range formats {
			fixed = min(fixed, run(t, mbit, f))
		}
		got := run(t, mbit, formats...)
		t.Logf("at %.0f Mbit/s: %v, and the best fixed choice %v", mbit, got, fixed)
		if float64(got) > 1.1*float64(fixed) {
			t.Errorf("at %.0f Mbit/s: %v, and the best fixed choice %v", mbit, got, fixed)
		}
	}
}

func digestOfZeros(size int64) verify.Digest {
	return verify.DigestOf(bytes.Repeat([]byte{0}, int(size)))
}
