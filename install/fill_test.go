package install

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kist-tools/kist/install/download"
	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A bench is the unpacker of a test: it records which archives are being unpacked, and
// each of them blocks until the test lets it continue.
type bench struct {
	mu     sync.Mutex
	order  []string
	atWork int
	most   int
	begun  chan string
	goOn   chan struct{}
	fails  map[string]error
	last   map[string]<-chan struct{} // these wait before they fail

	streamed []byte
}

func newBench() *bench {
	return &bench{begun: make(chan string, 64), goOn: make(chan struct{}, 64), fails: map[string]error{}}
}

func (b *bench) Add(ctx context.Context, src *os.File, a unpack.Archive) error {
	b.mu.Lock()
	b.order = append(b.order, a.Name)
	b.atWork++
	b.most = max(b.most, b.atWork)
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		b.atWork--
		b.mu.Unlock()
	}()
	b.begun <- a.Name
	if err := b.fails[a.Name]; err != nil {
		if wait := b.last[a.Name]; wait != nil {
			select {
			case <-wait:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return err
	}
	select {
	case <-b.goOn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AddStream reads all of r, and signals when the first chunk has arrived.
func (b *bench) AddStream(ctx context.Context, r io.Reader, size int64, a unpack.Archive) error {
	first, err := io.ReadAll(io.LimitReader(r, verify.ChunkSize))
	if err != nil {
		return err
	}
	b.begun <- a.Name
	rest, err := io.ReadAll(r)
	b.streamed = append(first, rest...)
	return err
}

// A gate blocks everything after the first chunk until it is opened.
type gate struct {
	manifests.Transport
	open chan struct{}
}

func (g gate) Open(ctx context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	body, size, err := g.Transport.Open(ctx, ref, offset)
	return &gatedBody{body, offset, g.open}, size, err
}

type gatedBody struct {
	io.ReadCloser
	at   int64
	open chan struct{}
}

func (b *gatedBody) Read(p []byte) (int, error) {
	if b.at >= verify.ChunkSize {
		<-b.open
	} else {
		p = p[:min(int64(len(p)), verify.ChunkSize-b.at)]
	}
	n, err := b.ReadCloser.Read(p)
	b.at += int64(n)
	return n, err
}

// A tar with chunk digests is unpacked while it downloads, also if it has an
// alternative; a zip only when it is complete.
func TestChunkedTarIsUnpackedWhileDownloading(t *testing.T) {
	for name, change := range map[string]func(*manifests.Artifact){
		"a tar": func(*manifests.Artifact) {},
		"a zip": func(a *manifests.Artifact) { a.Layout.Format = "zip" },
		"a tar with alternatives": func(a *manifests.Artifact) {
			other := *a
			other.Name = "other"
			a.Alternatives = []manifests.Artifact{other}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a := w.artifact("one", "tar.gz", 2*verify.ChunkSize+1)
			chunker := verify.NewChunker()
			if _, err := chunker.Write(w.files[a.Refs[0]]); err != nil {
				t.Fatal(err)
			}
			a.Chunks = chunker.Chunks()
			change(&a)
			i, cache := w.cache()
			closed := gate{cache.Transport, make(chan struct{})}
			cache.Transport = closed
			b, streamed := newBench(), name != "a zip"
			b.goOn <- struct{}{}
			if streamed {
				go func() { <-b.begun; close(closed.open) }() // the rest comes only once the beginning was read
			} else {
				close(closed.open)
			}
			all, err := i.fetchAll(t.Context(), cache, i.queue(cache, []manifests.Artifact{a}), b, &decodeGate{free: 1})
			if err != nil || all[0].record.Digest != a.Integrity.Digest {
				t.Fatalf("%+v, %v", all, err)
			}
			if added := len(b.order) == 1; added == streamed {
				t.Errorf("given whole: %v", added)
			}
			if streamed && !bytes.Equal(b.streamed, w.files[a.Refs[0]]) {
				t.Errorf("the unpacker was given %d other bytes", len(b.streamed))
			}
		})
	}
}

// artifact returns an artifact whose name states how much it has to decode.
func (w *world) artifact(name, format string, size int) manifests.Artifact {
	data := []byte(name + strings.Repeat("x", size-len(name)))
	ref := "https://example.org/" + name
	w.files[ref] = data
	return manifests.Artifact{Name: name, Component: name, Refs: []string{ref}, Size: int64(size),
		Integrity: manifests.Integrity{Digest: verify.DigestOf(data)}, Layout: manifests.Layout{Format: format}}
}

// cache returns the cache of w, with its origin.
func (w *world) cache() (*Installer, download.Cache) {
	w.t.Helper()
	i := w.kist()
	root, err := i.roots.Create(roots.Cache)
	if err != nil {
		w.t.Fatal(err)
	}
	return i, download.Cache{Root: root, Transport: w, Progress: i.progress(nil)}
}

// As many archives are unpacked at once as the gate admits, the longest to decode
// first, while the others are fetched; the result is in the order of the artifacts.
func TestArchivesAreUnpackedConcurrently(t *testing.T) {
	w, b := newWorld(t), newBench()
	artifacts := []manifests.Artifact{w.artifact("plain", "tar", 4000), w.artifact("gz", "tar.gz", 2000), w.artifact("xz", "tar.xz", 1000),
		w.artifact("zst", "tar.zst", 1000), w.artifact("small-xz", "tar.xz", 100), w.artifact("zip", "zip", 50)}
	i, cache := w.cache()
	decoding := &decodeGate{free: 2}
	type outcome struct {
		all []fetchedArtifact
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		all, err := i.fetchAll(t.Context(), cache, i.queue(cache, artifacts), b, decoding)
		done <- outcome{all, err}
	}()
	<-b.begun
	<-b.begun // two are at work, and stay
	for decoding.length() < len(artifacts)-2 {
		time.Sleep(time.Millisecond) // meanwhile the others are fetched, and stand in line
	}
	var order []string
	for range len(artifacts) - 2 {
		b.goOn <- struct{}{} // one ends its work, and lets the next one through
		order = append(order, <-b.begun)
	}
	b.goOn <- struct{}{}
	b.goOn <- struct{}{}
	o := <-done
	if o.err != nil {
		t.Fatal(o.err)
	}
	var names []string
	for _, one := range o.all {
		names = append(names, one.record.Name)
	}
	if want := []string{"plain", "gz", "xz", "zst", "small-xz", "zip"}; !slices.Equal(names, want) {
		t.Errorf("the result is in the order %q, want %q", names, want)
	}
	if b.most != 2 {
		t.Errorf("%d were unpacked at once, want 2", b.most)
	}
	// Which two come first depends on what is fetched first; the others waited.
	rest := slices.DeleteFunc([]string{"xz", "zst", "gz", "small-xz", "plain", "zip"}, func(name string) bool { return slices.Contains(b.order[:2], name) })
	if !slices.Equal(order, rest) {
		t.Errorf("after %q came %q, want %q", b.order[:2], order, rest)
	}
}

// One refused archive stops the work on all, and its error is returned.
func TestFirstFailureStopsOthers(t *testing.T) {
	refused := &unpack.EntryError{Archive: "bad", Rule: unpack.RuleEnd}
	for name, fail := range map[string]func(w *world, b *bench) (manifests.Artifact, error){
		"an archive": func(w *world, b *bench) (manifests.Artifact, error) {
			b.fails["bad"] = refused
			return w.artifact("bad", "tar", 100), refused
		},
		"a download": func(w *world, b *bench) (manifests.Artifact, error) {
			a := w.artifact("bad", "tar", 100)
			w.files[a.Refs[0]] = make([]byte, 100)
			return a, verify.ErrUntrusted
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, b := newWorld(t), newBench()
			artifacts := []manifests.Artifact{w.artifact("one", "tar.xz", 100), w.artifact("two", "tar", 100)}
			bad, want := fail(w, b)
			i, cache := w.cache()
			_, err := i.fetchAll(t.Context(), cache, i.queue(cache, append(artifacts, bad)), b, &decodeGate{free: 3})
			if !errors.Is(err, want) || errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "bad") {
				t.Errorf("got: %v", err)
			}
			if b.atWork != 0 {
				t.Errorf("%d still at work", b.atWork)
			}
		})
	}
}

// The error of work that was stopped may come first, but the cause is returned: the
// archive that broke a rule, or the disk that is full.
func TestCauseIsReportedBeforeConsequences(t *testing.T) {
	ended := fmt.Errorf("two: %w", unpack.ErrEnded)
	for name, cause := range map[string]error{
		"an archive": &unpack.EntryError{Archive: "bad", Rule: unpack.RuleEnd},
		"the disk":   &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC},
	} {
		t.Run(name, func(t *testing.T) {
			w, b := newWorld(t), newBench()
			b.fails["two"] = ended
			told := make(chan struct{})
			b.last = map[string]<-chan struct{}{"bad": told}
			b.fails["bad"] = cause
			i, cache := w.cache()
			q := i.queue(cache, []manifests.Artifact{w.artifact("bad", "tar", 100), w.artifact("two", "tar", 100)})
			go func() {
				for {
					q.mu.Lock()
					done := q.parts[1].state == unpacked
					q.mu.Unlock()
					if done {
						break
					}
					time.Sleep(time.Millisecond)
				}
				time.Sleep(10 * time.Millisecond)
				close(told)
			}()
			if _, err := i.fetchAll(t.Context(), cache, q, b, &decodeGate{free: 2}); !errors.Is(err, cause) {
				t.Errorf("got: %v", err)
			}
		})
	}
}

func TestFirstCause(t *testing.T) {
	verdict := &unpack.EntryError{Archive: "bad", Rule: unpack.RuleEnd}
	full, lost := &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}, fmt.Errorf("x: %w", manifests.ErrUnreachable)
	ended := fmt.Errorf("x: %w", unpack.ErrEnded)
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		errs []error
		want error
	}{
		"none":                          {t.Context(), []error{nil, nil}, nil},
		"a verdict":                     {t.Context(), []error{context.Canceled, ended, verdict, nil}, verdict},
		"a verdict and a full disk":     {t.Context(), []error{full, verdict}, verdict},
		"a verdict and an interrupt":    {interrupted, []error{context.Canceled, verdict}, verdict},
		"a full disk":                   {t.Context(), []error{ended, full, context.Canceled}, full},
		"a lost network":                {t.Context(), []error{context.Canceled, lost}, lost},
		"the first of two":              {t.Context(), []error{context.Canceled, lost, full}, lost},
		"an interrupt":                  {interrupted, []error{ended, lost, context.Canceled}, context.Canceled},
		"an interrupt after everything": {interrupted, []error{nil}, context.Canceled},
	} {
		if got := firstCause(c.ctx, c.errs); !errors.Is(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	// Nobody interrupted it, so it does not read like an interrupt.
	if got := firstCause(t.Context(), []error{context.Canceled, ended}); got == nil || errors.Is(got, context.Canceled) {
		t.Errorf("consequences alone: %v", got)
	}
}

func TestInterruptWhileArchivesAreUnpacked(t *testing.T) {
	w, b := newWorld(t), newBench()
	i, cache := w.cache()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-b.begun
		cancel()
	}()
	_, err := i.fetchAll(ctx, cache, i.queue(cache, []manifests.Artifact{w.artifact("one", "tar", 100), w.artifact("two", "tar", 100), w.artifact("three", "tar", 100)}), b, &decodeGate{free: 2})
	if !errors.Is(err, context.Canceled) || b.atWork != 0 {
		t.Errorf("got %v, %d still at work", err, b.atWork)
	}
}

// A release with more artifacts than are ever processed or open at once.
func TestManyArtifacts(t *testing.T) {
	w := newWorld(t)
	r := w.release("many", "1.0", "bin/many")
	for n := range 3 * maxAhead {
		part := w.release(fmt.Sprint("part-", n), "1.0", fmt.Sprint("share/", n)).Artifacts[0]
		r.Artifacts = append(r.Artifacts, part)
		r.Components = append(r.Components, part.Component)
	}
	var mu sync.Mutex
	at := map[string]int64{}
	i := w.kist()
	i.o.Progress = func(p Progress) {
		if !mu.TryLock() {
			t.Error("told of progress twice at one time")
			return
		}
		defer mu.Unlock()
		key := string(p.Stage) + p.Name
		if p.Done < at[key] || p.Done > p.Total {
			t.Errorf("%s: %d of %d, after %d", key, p.Done, p.Total, at[key])
		}
		at[key] = p.Done
	}
	p, err := i.Plan(planOf(r))
	if err != nil {
		t.Fatal(err)
	}
	res, err := i.Apply(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := i.Receipt(res.Installed[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(receipt.Artifacts); n != len(r.Artifacts) {
		t.Errorf("the receipt names %d artifacts, want %d", n, len(r.Artifacts))
	}
	for n, a := range receipt.Artifacts {
		if a.Name != r.Artifacts[n].Name {
			t.Fatalf("artifact %d of the receipt is %s, want %s", n, a.Name, r.Artifacts[n].Name)
		}
	}
	if !slices.IsSortedFunc(receipt.Entries, func(a, b record.Entry) int { return strings.Compare(a.Path, b.Path) }) {
		t.Error("the entries are not in order")
	}
}

func (l *decodeGate) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

func TestDecodeGateAdmitsLongestFirst(t *testing.T) {
	l := &decodeGate{free: 1}
	if err := l.enter(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.enter(gone, 99); !errors.Is(err, context.Canceled) {
		t.Errorf("got in: %v", err)
	}
	order := make(chan int64, 3)
	var all sync.WaitGroup
	for _, work := range []int64{2, 9, 5} {
		all.Go(func() {
			if err := l.enter(t.Context(), work); err != nil {
				t.Error(err)
			}
			order <- work
			l.leave()
		})
	}
	for l.length() < 3 {
		time.Sleep(time.Millisecond)
	}
	l.leave()
	if got := []int64{<-order, <-order, <-order}; !slices.Equal(got, []int64{9, 5, 2}) {
		t.Errorf("in the order %v", got)
	}
	all.Wait()
	if l.free != 1 || len(l.waiting) != 0 {
		t.Errorf("%d free, %d waiting", l.free, len(l.waiting))
	}
}

func planOf(r manifests.Release) plan.Change { return plan.Change{Install: []manifests.Release{r}} }

// idle is an unpacker that does nothing.
type idle struct{}

func (idle) Add(context.Context, *os.File, unpack.Archive) error               { return nil }
func (idle) AddStream(context.Context, io.Reader, int64, unpack.Archive) error { return nil }

// The early sync starts once, as soon as the threshold is reached.
func TestSyncStartsOnceAboveThreshold(t *testing.T) {
	large, err := os.Create(filepath.Join(t.TempDir(), "large"))
	if err != nil {
		t.Fatal(err)
	}
	defer large.Close()
	if err := large.Truncate(syncThreshold - 1); err != nil {
		t.Fatal(err)
	}
	begun := 0
	e := &syncingUnpacker{unpacker: idle{}, startSync: func() { begun++ }}
	for step, want := range []int{0, 1, 1} {
		if step == 0 {
			err = e.Add(t.Context(), large, unpack.Archive{})
		} else {
			err = e.AddStream(t.Context(), nil, 1, unpack.Archive{})
		}
		if err != nil || begun != want {
			t.Errorf("step %d: begun %d times, want %d: %v", step, begun, want, err)
		}
	}
}
