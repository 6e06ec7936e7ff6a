package fetch_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/internal/fetch"
	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A world is a transport with files, and a cache for them.
type world struct {
	t     *testing.T
	cache download.Cache

	mu    sync.Mutex
	files map[string][]byte // by ref
	says  map[string]int64  // sizes that are announced instead of the true ones
	asked []string          // names whose size was requested
}

func newWorld(t *testing.T) *world {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	w := &world{t: t, files: map[string][]byte{}}
	w.cache = download.Cache{Root: root, Transport: w}
	return w
}

func (w *world) Open(_ context.Context, ref string, offset int64) (io.ReadCloser, int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	data, ok := w.files[ref]
	if !ok {
		return nil, 0, fmt.Errorf("%s: %w", ref, manifests.ErrNotFound)
	}
	return io.NopCloser(bytes.NewReader(data[offset:])), int64(len(data)), nil
}

func (w *world) OpenRange(ctx context.Context, ref string, offset, n int64) (io.ReadCloser, int64, error) {
	body, size, err := w.Open(ctx, ref, offset)
	if err != nil {
		return nil, 0, err
	}
	return manifests.Part(body, n), size, nil
}

func (w *world) Size(_ context.Context, ref string) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, strings.TrimPrefix(ref, "https://example.org/"))
	if size, ok := w.says[ref]; ok {
		return size, nil
	}
	if data, ok := w.files[ref]; ok {
		return int64(len(data)), nil
	}
	return 0, manifests.ErrNotFound
}

// artifact returns an artifact of this size.
func (w *world) artifact(name, format string, size int) manifests.Artifact {
	data := []byte(name + strings.Repeat("x", size-len(name)))
	ref := "https://example.org/" + name
	w.files[ref] = data
	return manifests.Artifact{Name: name, Component: name, Refs: []string{ref}, Size: int64(size),
		Integrity: manifests.Integrity{Digest: verify.DigestOf(data)}, Layout: manifests.Layout{Format: format}}
}

// prepare prepares artifacts, with a choice between archives.
func (w *world) prepare(artifacts ...manifests.Artifact) *fetch.Batch {
	return fetch.Prepare(w.t.Context(), fetch.Options{Cache: w.cache, Jobs: 4, Clock: time.Now, OnChoice: func(string) {}}, artifacts)
}

// unpack fetches artifacts, each from upstream's first archive if it is available.
func (w *world) unpack(ctx context.Context, into fetch.Unpacker, artifacts ...manifests.Artifact) ([]fetch.Artifact, error) {
	return fetch.Prepare(w.t.Context(), fetch.Options{Cache: w.cache, Jobs: 4}, artifacts).Unpack(ctx, into, func() {})
}

// useCores makes a test run with n decoders.
func useCores(t *testing.T, n int) {
	before := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

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
			closed := gate{w, make(chan struct{})}
			w.cache.Transport = closed
			b, streamed := newBench(), name != "a zip"
			b.goOn <- struct{}{}
			if streamed {
				go func() { <-b.begun; close(closed.open) }() // the rest comes only once the beginning was read
			} else {
				close(closed.open)
			}
			all, err := w.unpack(t.Context(), b, a)
			if err != nil || all[0].Record.Digest != a.Integrity.Digest {
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

// One refused archive stops the work on all, and its error is returned.
func TestFirstFailureStopsOthers(t *testing.T) {
	useCores(t, 3) // the others are at work, too, and end only with their context
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
			_, err := w.unpack(t.Context(), b, append(artifacts, bad)...)
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
	useCores(t, 2)
	ended := fmt.Errorf("two: %w", unpack.ErrEnded)
	for name, cause := range map[string]error{
		"an archive": &unpack.EntryError{Archive: "bad", Rule: unpack.RuleEnd},
		"the disk":   &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, b := newWorld(t), newBench()
				b.fails["two"], b.fails["bad"] = ended, cause
				told := make(chan struct{})
				b.last = map[string]<-chan struct{}{"bad": told}
				go func() {
					synctest.Wait() // until the consequence has had its effect
					close(told)
				}()
				if _, err := w.unpack(t.Context(), b, w.artifact("bad", "tar", 100), w.artifact("two", "tar", 100)); !errors.Is(err, cause) {
					t.Errorf("got: %v", err)
				}
			})
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
		if got := fetch.FirstCause(c.ctx, c.errs); !errors.Is(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	// Nobody interrupted it, so it does not read like an interrupt.
	if got := fetch.FirstCause(t.Context(), []error{context.Canceled, ended}); got == nil || errors.Is(got, context.Canceled) {
		t.Errorf("consequences alone: %v", got)
	}
}

func TestInterruptWhileArchivesAreUnpacked(t *testing.T) {
	w, b := newWorld(t), newBench()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-b.begun
		cancel()
	}()
	_, err := w.unpack(ctx, b, w.artifact("one", "tar", 100), w.artifact("two", "tar", 100), w.artifact("three", "tar", 100))
	if !errors.Is(err, context.Canceled) || b.atWork != 0 {
		t.Errorf("got %v, %d still at work", err, b.atWork)
	}
}

// Never more archives are unpacked at once than there are decoders. The result is in the
// order of the artifacts.
func TestArchivesAreUnpackedConcurrently(t *testing.T) {
	useCores(t, 2)
	w, b := newWorld(t), newBench()
	var artifacts []manifests.Artifact
	for n := range 6 {
		artifacts = append(artifacts, w.artifact(fmt.Sprint("part-", n), "tar.gz", 1000+n))
	}
	done := make(chan []fetch.Artifact, 1)
	go func() {
		all, err := w.unpack(t.Context(), b, artifacts...)
		if err != nil {
			t.Error(err)
		}
		done <- all
	}()
	<-b.begun
	<-b.begun // two are at work at the same time
	for range artifacts {
		b.goOn <- struct{}{}
	}
	for n, one := range <-done {
		if one.Record.Name != artifacts[n].Name || one.Record.Digest != artifacts[n].Integrity.Digest {
			t.Errorf("artifact %d is %+v", n, one.Record)
		}
	}
	if b.most != 2 {
		t.Errorf("%d were unpacked at once, want 2", b.most)
	}
}

// idle is an unpacker that does nothing.
type idle struct{}

func (idle) Add(context.Context, *os.File, unpack.Archive) error               { return nil }
func (idle) AddStream(context.Context, io.Reader, int64, unpack.Archive) error { return nil }

// The early sync starts once, when there are many bytes.
func TestSyncStartsOnceAboveThreshold(t *testing.T) {
	for _, test := range []struct{ size, want int }{{5 << 20, 0}, {9 << 20, 1}} {
		w, begun := newWorld(t), 0
		artifacts := []manifests.Artifact{w.artifact("one", "tar", test.size), w.artifact("two", "tar", test.size), w.artifact("three", "tar", 100)}
		batch := fetch.Prepare(t.Context(), fetch.Options{Cache: w.cache, Jobs: 1}, artifacts)
		var mu sync.Mutex
		if _, err := batch.Unpack(t.Context(), idle{}, func() { mu.Lock(); begun++; mu.Unlock() }); err != nil {
			t.Fatal(err)
		}
		if begun != test.want {
			t.Errorf("three archives, two of %d bytes: begun %d times, want %d", test.size, begun, test.want)
		}
	}
}

// TestLocation: receipts name where a release says that a file is, without a password, and
// never where this machine asks for it.
func TestLocation(t *testing.T) {
	for _, c := range []struct {
		artifact manifests.Artifact
		want     string
	}{
		{manifests.Artifact{Refs: []string{"https://a.example/x", "https://b.example/x"}}, "https://a.example/x"},
		{manifests.Artifact{Refs: []string{"file:///srv/x", "http://b.example/x"}}, "http://b.example/x"},
		{manifests.Artifact{Refs: []string{"https://user:password@a.example/x"}}, "https://a.example/x"},
		{manifests.Artifact{Refs: []string{"file:///srv/x"}}, ""},
		{manifests.Artifact{}, ""},
		{manifests.Artifact{Refs: []string{"https://proxy.example/x"}, Integrity: manifests.Integrity{Tree: &manifests.TreeHash{}}}, ""},
	} {
		if got := fetch.Location(c.artifact); got != c.want {
			t.Errorf("%v: %q, want %q", c.artifact.Refs, got, c.want)
		}
	}
}
