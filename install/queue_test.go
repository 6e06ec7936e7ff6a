package install

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A teller is a world that also announces sizes: those it is given, else the true ones.
type teller struct {
	*world
	mu    sync.Mutex
	says  map[string]int64
	asked []string
}

func (s *teller) Size(_ context.Context, ref string) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, strings.TrimPrefix(ref, "https://example.org/"))
	if size, ok := s.says[ref]; ok {
		return size, nil
	}
	if data, ok := s.files[ref]; ok {
		return int64(len(data)), nil
	}
	return 0, manifests.ErrNotFound
}

func (s *teller) OpenRange(ctx context.Context, ref string, offset, n int64) (io.ReadCloser, int64, error) {
	body, size, err := s.world.Open(ctx, ref, offset)
	if err != nil {
		return nil, 0, err
	}
	return manifests.Part(body, n), size, nil
}

// pair returns an artifact as .gz and, as its alternative, as .xz, of these sizes.
func (w *world) pair(name string, gz, xz int) manifests.Artifact {
	a := w.artifact(name+".tar.gz", "tar.gz", gz)
	a.Component = name
	other := w.artifact(name+".tar.xz", "tar.xz", xz)
	other.Component = name
	a.Size, other.Size = 0, 0
	a.Alternatives = []manifests.Artifact{other}
	return a
}

func at(rate float64) func() float64 { return func() float64 { return rate } }

// names runs a queue to its end and returns what it fetches, in order.
func (q *queue) names(t *testing.T) (names []string) {
	t.Helper()
	for {
		n, ok := q.next(t.Context())
		if !ok {
			return names
		}
		p := q.parts[n]
		names = append(names, p.archives[p.chosen].Name)
		q.setState(n, unpacked)
	}
}

func TestOrder(t *testing.T) {
	w := newWorld(t)
	_, cache := w.cache()
	stated := func(name, format string, size int) manifests.Artifact {
		return w.artifact(name+"."+format, format, size)
	}
	artifacts := []manifests.Artifact{w.pair("small", 1500, 1000), stated("plain", "tar", 900), w.pair("large", 15000, 10000), stated("middle", "tar.gz", 4000)}
	for name, test := range map[string]struct {
		rate func() float64
		want string
	}{
		"no rate at all": {nil, "middle.tar.gz plain.tar small.tar.gz large.tar.gz"},
		"nothing known":  {at(0), "plain.tar small.tar.gz middle.tar.gz large.tar.gz"},
		"slow":           {at(1e3), "large.tar.xz small.tar.xz middle.tar.gz plain.tar"},
		"fast":           {at(1e9), "large.tar.gz middle.tar.gz small.tar.gz plain.tar"},
	} {
		q := newQueue(cache, artifacts, test.rate, 4, 2, func(ArchiveChoice) {})
		q.measure(t.Context(), &teller{world: w})
		if got := strings.Join(q.names(t), " "); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// What a server announces decides what is tried first, and nothing else.
func TestAnnouncedSizesOnlyAffectOrder(t *testing.T) {
	w := newWorld(t)
	i, cache := w.cache()
	ref := func(name string) string { return "https://example.org/" + name }
	for name, test := range map[string]struct {
		says map[string]int64
		want string
	}{
		"the truth":         {nil, "one.tar.xz"},
		"a small .gz":       {map[string]int64{ref("one.tar.gz"): 10}, "one.tar.gz"},
		"a huge .xz":        {map[string]int64{ref("one.tar.xz"): manifests.MaxArtifact}, "one.tar.gz"},
		"over every size":   {map[string]int64{ref("one.tar.xz"): manifests.MaxArtifact + 1}, "one.tar.gz"},
		"negative":          {map[string]int64{ref("one.tar.xz"): -5}, "one.tar.gz"},
		"nothing":           {map[string]int64{ref("one.tar.xz"): 0, ref("one.tar.gz"): -1}, "one.tar.gz"},
		"only of the other": {map[string]int64{ref("one.tar.gz"): -1}, "one.tar.xz"},
	} {
		s := &teller{world: w, says: test.says}
		one, sized := w.pair("one", 3000, 2000), w.pair("sized", 3000, 2000)
		sized.Size, sized.Alternatives[0].Size = 3000, 2000
		alone := w.artifact("alone", "tar", 100)
		alone.Size = 0
		q := newQueue(cache, []manifests.Artifact{one, sized, alone}, at(1e3), 4, 2, func(ArchiveChoice) {})
		q.measure(t.Context(), s)
		slices.Sort(s.asked)
		if want := []string{"one.tar.gz", "one.tar.xz"}; !slices.Equal(s.asked, want) {
			t.Errorf("%s: asked for the sizes of %q, want %q", name, s.asked, want)
		}
		if got := q.names(t); !slices.Contains(got, test.want) || !slices.Contains(got, "sized.tar.xz") {
			t.Errorf("%s: %q, want %s", name, got, test.want)
		}
		cache.Transport = s
		b := newBench()
		b.goOn = make(chan struct{}, 3)
		for range 3 {
			b.goOn <- struct{}{}
		}
		if _, err := i.fetchAll(t.Context(), cache, newQueueOf(q), b, &decodeGate{free: 2}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		cache.Root.RemoveAll("blobs")
	}
}

// newQueueOf returns a copy of q at its start, with the sizes it has learned.
func newQueueOf(q *queue) *queue {
	for _, p := range q.parts {
		p.state, p.chosen = pending, 0
	}
	return q
}

func TestSizeRequestsAreLimited(t *testing.T) {
	w := newWorld(t)
	_, cache := w.cache()
	var many []manifests.Artifact
	for n := range 100 {
		many = append(many, w.pair(fmt.Sprint("part", n), 30, 20))
	}
	s := &teller{world: w}
	newQueue(cache, many, at(0), 4, 2, func(ArchiveChoice) {}).measure(t.Context(), s)
	if len(s.asked) != maxSizeRequests {
		t.Errorf("asked %d times, want %d", len(s.asked), maxSizeRequests)
	}
}

// While the rate is not known, the next choice waits for the first bytes, which arrive
// faster and faster at the beginning.
func TestChoiceWaitsForRate(t *testing.T) {
	w := newWorld(t)
	_, cache := w.cache()
	artifacts := []manifests.Artifact{w.pair("one", 3<<20, 2<<20), w.pair("two", 6<<20, 4<<20)}
	for name, end := range map[string]func(q *queue, rate *atomic.Int64, cancel func()) (goesOn bool){
		"bytes come steadily": func(q *queue, rate *atomic.Int64, _ func()) bool {
			q.arrived(0, 4*reviewBytes)
			return true
		},
		"the first has come": func(q *queue, _ *atomic.Int64, _ func()) bool { q.setState(0, fetched); return true },
		"canceled":           func(_ *queue, _ *atomic.Int64, cancel func()) bool { cancel(); return false },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var rate atomic.Int64
			q := newQueue(cache, artifacts, func() float64 { return float64(rate.Load()) }, 4, 2, func(ArchiveChoice) {})
			q.measure(ctx, &teller{world: w})
			if n, ok := q.next(ctx); n != 0 || !ok {
				t.Fatalf("first comes %d", n)
			}
			second := make(chan bool, 1)
			go func() {
				_, ok := q.next(ctx)
				second <- ok
			}()
			for fast := int64(1); fast <= 3; fast++ { // ever faster: nothing is known yet
				rate.Store(fast * 1e5)
				q.arrived(0, fast*reviewBytes)
			}
			select {
			case <-second:
				t.Error("it did not wait")
			case <-time.After(20 * time.Millisecond):
				if goesOn := end(q, &rate, cancel); <-second != goesOn {
					t.Errorf("it went on: %v", !goesOn)
				}
			}
		})
	}
}

// An archive that turns out to be the wrong choice is replaced by the other.
func TestDownloadSwitchesToBetterArchive(t *testing.T) {
	for name, test := range map[string]struct {
		before, after float64 // rate
		want          string
	}{
		"slow at first sight": {2e5, 1e9, "one.tar.gz"},
		"fast at first sight": {1e9, 2e5, "one.tar.xz"},
		"as expected":         {1e9, 1e9, "one.tar.gz"},
	} {
		w := newWorld(t)
		i, cache := w.cache()
		a := w.pair("one", 12<<20, 8<<20)
		come := 0
		rate := func() float64 {
			if come++; come < 4 {
				return test.before
			}
			return test.after
		}
		var told []ArchiveChoice
		q := newQueue(cache, []manifests.Artifact{a}, rate, 4, 2, func(c ArchiveChoice) { told = append(told, c) })
		q.measure(t.Context(), &teller{world: w})
		b := newBench()
		b.goOn <- struct{}{}
		all, err := i.fetchAll(t.Context(), cache, q, b, &decodeGate{free: 1})
		if err != nil {
			t.Fatal(err)
		}
		if got := all[0].record.Name; got != test.want {
			t.Errorf("%s: %s, want %s; told %+v", name, got, test.want, told)
		}
		last := told[len(told)-1]
		if again := test.before != test.after; last.Again != again || "one."+last.Candidates[0].Format != test.want || len(last.Candidates) != 2 {
			t.Errorf("%s: told %+v", name, told)
		}
		if left, err := cache.Root.Open("partial"); err != nil {
			t.Error(err)
		} else if names, err := left.Readdirnames(-1); err != nil || len(names) > 0 {
			t.Errorf("%s: partial holds %q, %v", name, names, err)
		}
	}
}

// An archive that lies in the cache needs no choice and no network.
func TestCachedArchiveIsChosen(t *testing.T) {
	w := newWorld(t)
	i, cache := w.cache()
	a := w.pair("one", 3000, 2000)
	blob, err := cache.Fetch(t.Context(), a.Alternatives[0])
	if err != nil {
		t.Fatal(err)
	}
	blob.Close()
	s := &teller{world: w}
	cache.Transport = s
	before := w.asked
	q := newQueue(cache, []manifests.Artifact{a}, at(1e9), 4, 2, func(c ArchiveChoice) { t.Errorf("told %+v", c) })
	q.measure(t.Context(), s)
	b := newBench()
	b.goOn <- struct{}{}
	all, err := i.fetchAll(t.Context(), cache, q, b, &decodeGate{free: 1})
	if err != nil || all[0].record.Name != "one.tar.xz" || w.asked != before || len(s.asked) > 0 {
		t.Errorf("%+v, %v, after %d requests", all, err, w.asked-before+len(s.asked))
	}
}

// chunked is a release of one tar over several chunks, which states them.
func (w *world) chunked(tool string) (manifests.Release, []byte) {
	r := w.release(tool, "1.0", "bin/"+tool)
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for name, size := range map[string]int{"bin/" + tool: 10, "lib/large": 9 << 20} {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg, Size: int64(size)}); err != nil {
			w.t.Fatal(err)
		}
		tw.Write(bytes.Repeat([]byte("x"), size))
	}
	if err := tw.Close(); err != nil {
		w.t.Fatal(err)
	}
	chunker := verify.NewChunker()
	chunker.Write(b.Bytes())
	a := &r.Artifacts[0]
	a.Size, a.Integrity.Digest, a.Chunks = int64(b.Len()), verify.DigestOf(b.Bytes()), chunker.Chunks()
	w.files[a.Refs[0]] = b.Bytes()
	return r, b.Bytes()
}

// An archive with chunks is unpacked while it arrives, and is accepted only if all of
// it is proved.
func TestChunkedArchiveIsVerifiedWhileUnpacking(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(w *world, a *manifests.Artifact, data []byte)
		want  error
	}{
		"honest":           {func(*world, *manifests.Artifact, []byte) {}, nil},
		"a wrong chunk":    {func(_ *world, _ *manifests.Artifact, data []byte) { data[verify.ChunkSize+5] ^= 1 }, verify.ErrUntrusted},
		"the last wrong":   {func(_ *world, _ *manifests.Artifact, data []byte) { data[len(data)-1] ^= 1 }, verify.ErrUntrusted},
		"another whole":    {func(_ *world, a *manifests.Artifact, _ []byte) { a.Integrity.Digest = verify.DigestOf(nil) }, verify.ErrUntrusted},
		"gone":             {func(w *world, a *manifests.Artifact, _ []byte) { delete(w.files, a.Refs[0]) }, manifests.ErrNotFound},
		"an alternative":   {alternative, nil},
		"chunks of nobody": {func(_ *world, a *manifests.Artifact, _ []byte) { a.Size++ }, verify.ErrUntrusted},
	} {
		w := newWorld(t)
		r, data := w.chunked("zig")
		test.spoil(w, &r.Artifacts[0], data)
		res, err := w.change(plan.Change{Install: []manifests.Release{r}})
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
			continue
		}
		if test.want != nil {
			prefixes, _ := os.ReadDir(w.path(".local/share/kist/prefixes"))
			if s, err := w.kist().State(); err != nil || len(s.Receipts)+len(prefixes) > 0 {
				t.Errorf("%s: it is installed: %v, %v, %v", name, s.Receipts, prefixes, err)
			}
			continue
		}
		if a := res.Installed[0].Artifacts[0]; a.Evidence.Kind != verify.ByDigest || a.Digest.IsZero() {
			t.Errorf("%s: the receipt says %+v", name, a)
		}
		if _, drift, err := w.kist().Verify(t.Context(), res.Installed[0].ID); err != nil || len(drift) > 0 {
			t.Errorf("%s: %v, %v", name, drift, err)
		}
		if got := w.command("zig"); !strings.HasPrefix(got, "xxx") && name == "honest" {
			t.Errorf("%s: the command holds %.20q", name, got)
		}
	}
}

// alternative removes the archive, and adds a small one as its alternative.
func alternative(w *world, a *manifests.Artifact, _ []byte) {
	delete(w.files, a.Refs[0])
	a.Alternatives = w.release("zig", "1.0-b", "bin/zig").Artifacts
	a.Alternatives[0].Component = a.Component
}
