package download

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

const chunk = verify.ChunkSize

// threeChunks returns a file of a little more than two chunks, and its artifact.
func threeChunks() ([]byte, manifests.Artifact) { return chunked(2*chunk + 100<<10) }

// twoChunks returns a file of a little more than one chunk, and its artifact.
func twoChunks() ([]byte, manifests.Artifact) { return chunked(chunk + 100<<10) }

// chunked returns a file of n bytes, and its artifact.
func chunked(n int) ([]byte, manifests.Artifact) {
	data := noise(n)
	a := artifact(bySHA256(data), len(data))
	c := verify.NewChunker()
	c.Write(data)
	a.Chunks = c.Chunks()
	return data, a
}

// offsets returns the requested offsets, sorted.
func offsets(f *fakeServer) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := slices.Clone(f.asked)
	slices.Sort(asked)
	return strings.ReplaceAll(strings.Join(asked, " "), main, "")
}

// asked compares offsets. "…" in want matches any rest.
func asked(got, want string) bool {
	start, open := strings.CutSuffix(want, "…")
	return got == start || open && strings.HasPrefix(got, start)
}

// readAll reads a stream, and checks that all bytes are those of data.
func readAll(t testing.TB, s *Stream, data []byte) error {
	t.Helper()
	var got bytes.Buffer
	_, err := io.Copy(&got, s)
	if !bytes.HasPrefix(data, got.Bytes()) {
		t.Fatalf("read %d bytes that are not the beginning of the data", got.Len())
	}
	if err == nil && got.Len() != len(data) {
		t.Fatalf("the stream ended after %d of %d bytes", got.Len(), len(data))
	}
	return err
}

func TestStream(t *testing.T) {
	data, a := threeChunks()
	for name, c := range map[string]struct {
		server handler
		asked  string
	}{
		"ranges":              {honest(data), "@0 @4194304 @8388608"},
		"no ranges":           {rangeless(honest(data)), "@0 @0 @…"},
		"no ranges, no sizes": {unsized(rangeless(honest(data))), "@0 @0"},
		"breaks once":         {once(breaking(honest(data), 1<<20), honest(data)), "@0 @1048576 @4194304 @8388608"},
		"breaks often":        {breaking(honest(data), chunk/2), "@0 @2097152 @4194304 @6291456 @8388608"},
		"breaks, no ranges":   {rangeless(breaking(honest(data), chunk+1)), ""},
	} {
		cache, f := setup(t, c.server)
		s, err := cache.Stream(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		err = readAll(t, s, data)
		if name == "breaks, no ranges" { // it can never succeed
			if !errors.Is(err, manifests.ErrUnreachable) {
				t.Errorf("%s: %v", name, err)
			}
			s.Close()
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		blob, err := s.Blob()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(blob.File); err != nil || !bytes.Equal(got, data) ||
			blob.Size != a.Size || blob.Digest != verify.DigestOf(data) || blob.Evidence.Kind != verify.ByDigest {
			t.Errorf("%s: blob %+v, %v", name, blob, err)
		}
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
		if got := offsets(f); !asked(got, c.asked) {
			t.Errorf("%s: asked %s, want %s", name, got, c.asked)
		}
		if got := files(t, cache); got != "blob" {
			t.Errorf("%s: the cache holds %q", name, got)
		}
		// From the cache, and without reading.
		cache.Transport = &fakeServer{}
		if s, err = cache.Stream(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(readAll(t, s, data), s.Close()); err != nil {
			t.Errorf("%s: out of the cache: %v", name, err)
		}
		fetch(t, cache, a, data)
	}
}

// An artifact without chunks can be streamed too, once the whole is proved.
func TestStreamWithoutChunks(t *testing.T) {
	data := noise(1 << 20)
	cache, _ := setup(t, honest(data))
	s, err := cache.Stream(t.Context(), artifact(bySHA256(data), 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(readAll(t, s, data), s.Close()); err != nil {
		t.Error(err)
	}
	cache, _ = setup(t, honest(flipped(data)))
	if s, err := cache.Stream(t.Context(), artifact(bySHA256(data), 0)); s != nil || !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("%v, %v", s, err)
	}
}

// The first chunk can be read before the others arrive.
func TestStreamBeginsWithTheFirstChunk(t *testing.T) {
	data, a := threeChunks()
	gate := make(chan struct{})
	cache, _ := setup(t, func(offset int64) (io.ReadCloser, int64, error) {
		if offset >= chunk {
			<-gate
		}
		return honest(data)(offset)
	})
	s, err := cache.Stream(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	first := make([]byte, chunk)
	if _, err := io.ReadFull(s, first); err != nil || !bytes.Equal(first, data[:chunk]) {
		t.Fatalf("the first chunk: %v", err)
	}
	if got := files(t, cache); strings.Contains(got, "blob") {
		t.Errorf("the cache holds %q before the end", got)
	}
	close(gate)
	rest, err := io.ReadAll(s)
	if err != nil || !bytes.Equal(rest, data[chunk:]) {
		t.Errorf("the rest: %d bytes, %v", len(rest), err)
	}
}

func TestStreamResumes(t *testing.T) {
	data, a := threeChunks()
	down := failing(manifests.ErrUnreachable)
	cut := byOffset(map[int64]handler{chunk: down, 2 * chunk: down}, honest(data))
	cache, f := setup(t, cut)
	refuse(t, cache, a, manifests.ErrUnreachable)
	if got := files(t, cache); got != "partial" {
		t.Fatalf("the cache holds %q, want the partial file", got)
	}
	f.at[main], f.asked = honest(data), nil
	fetch(t, cache, a, data)
	if got := offsets(f); got != "@4194304 @8388608" {
		t.Errorf("asked %s, want the second and third chunk", got)
	}
}

func TestStreamGivenUp(t *testing.T) {
	data, a := twoChunks()
	stuck := byOffset(map[int64]handler{chunk: func(int64) (io.ReadCloser, int64, error) {
		return io.NopCloser(&slowly{data: data[chunk:]}), a.Size, nil
	}}, honest(data))
	for name, end := range map[string]func(s *Stream, cancel func()) error{
		"closed":   func(s *Stream, _ func()) error { return s.Close() },
		"canceled": func(_ *Stream, cancel func()) error { cancel(); return nil },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cache, f := setup(t, stuck)
		s, err := cache.Stream(ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(s, make([]byte, chunk)); err != nil {
			t.Fatal(err)
		}
		if err := end(s, cancel); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.Blob(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
		if got := files(t, cache); got != "partial" {
			t.Errorf("%s: the cache holds %q, want the partial file", name, got)
		}
		f.at[main], f.asked = honest(data), nil
		fetch(t, cache, a, data)
		if got := offsets(f); strings.Contains(got, "@0 ") || !strings.Contains(got, "@4194304") {
			t.Errorf("%s: asked %s afterwards", name, got)
		}
		cancel()
	}
}

// slowly returns data in small pieces.
type slowly struct{ data []byte }

func (s *slowly) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	n := copy(p[:min(len(p), 100)], s.data)
	s.data = s.data[n:]
	return n, nil
}

// A server that breaks every answer cannot keep a stream busy forever.
func TestEndlessBreaksEndTheStream(t *testing.T) {
	data, a := twoChunks()
	for name, c := range map[string]struct {
		server handler
		asked  int
	}{
		"without a byte":         {breaking(honest(data), 0), 3},
		"after each byte":        {breaking(honest(data), 1), 3},
		"without ranges":         {rangeless(breaking(honest(data), 1<<20)), 20},
		"nothing but ErrNoRange": {failing(manifests.ErrNoRange), 2},
	} {
		cache, f := setup(t, c.server)
		refuse(t, cache, a, manifests.ErrUnreachable)
		if len(f.asked) > c.asked {
			t.Errorf("%s: asked %v, want at most %d requests", name, f.asked, c.asked)
		}
	}
}

func TestSlots(t *testing.T) {
	data, a := threeChunks()
	small := noise(300 << 10)
	for _, limit := range []int{1, 2, 5} {
		var now, most atomic.Int64
		two := make(chan struct{}) // closed when two requests are running
		both := sync.OnceFunc(func() { close(two) })
		counting := func(h handler) handler {
			return func(offset int64) (io.ReadCloser, int64, error) {
				n := now.Add(1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				if n > 1 || limit == 1 {
					both()
				}
				<-two // the first one waits for the second
				body, size, err := h(offset)
				return &leaving{Reader: body, leave: func() { now.Add(-1) }}, size, err
			}
		}
		cache, f := setup(t, counting(honest(data)))
		cache.Slots = make(chan struct{}, limit)
		all := []manifests.Artifact{a}
		for i := range 5 {
			content := append(bytes.Clone(small), byte(i))
			one := artifact(bySHA256(content), len(content))
			one.Refs = []string{fmt.Sprint(i)}
			f.at[one.Refs[0]] = counting(honest(content))
			all = append(all, one)
		}
		var wait sync.WaitGroup
		for _, one := range all {
			wait.Go(func() {
				blob, err := cache.Fetch(t.Context(), one)
				if err != nil {
					t.Error(err)
					return
				}
				blob.Close()
			})
		}
		wait.Wait()
		if got := int(most.Load()); got > limit {
			t.Errorf("%d slots: %d requests at once", limit, got)
		}
	}
}

type leaving struct {
	io.Reader
	leave func()
}

func (l *leaving) Close() error { l.leave(); return nil }

func TestStreamSpaceAndProgress(t *testing.T) {
	data, a := twoChunks()
	cache, _ := setup(t, honest(data))
	free := a.Size - 1
	cache.space = spaceOf(&free)
	var space *SpaceError
	if _, err := cache.Stream(t.Context(), a); !errors.As(err, &space) || space.Need != a.Size || files(t, cache) != "" {
		t.Errorf("%v, leaves %q", err, files(t, cache))
	}
	key, err := Key(a)
	if err != nil {
		t.Fatal(err)
	}
	plant(t, cache, path.Join(partialDir, key), data[:chunk])
	free = a.Size - chunk
	var last int64
	cache.Progress = func(stage, name string, done, total int64) {
		if stage == "download" {
			if done < last || total != a.Size || name != a.Name {
				t.Errorf("%s: %d of %d after %d", name, done, total, last)
			}
			last = done
		}
	}
	fetch(t, cache, a, data)
	if last != a.Size {
		t.Errorf("%d of %d bytes in the end", last, a.Size)
	}
}
