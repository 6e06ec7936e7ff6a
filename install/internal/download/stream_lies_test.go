package download

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"path"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// spoiled returns data with one bit of chunk i flipped.
func spoiled(data []byte, i int) []byte {
	data = bytes.Clone(data)
	data[i*chunk+1000] ^= 1
	return data
}

func TestWrongChunks(t *testing.T) {
	data, a := twoChunks()
	mirror := "https://mirror.example.org/tool.zip"
	for name, c := range map[string]struct {
		first, second handler
		asked         string
		wrong         string // the chunk that is refused; empty: none
	}{
		"once wrong": {first: byOffset(map[int64]handler{chunk: once(honest(spoiled(data, 1)), honest(data))}, honest(data)),
			asked: "@0 @4194304 @4194304"},
		"always wrong":            {first: honest(spoiled(data, 1)), second: failing(manifests.ErrNotFound), wrong: "tool.zip, chunk 2"},
		"wrong here, right there": {first: honest(spoiled(data, 1)), second: honest(data)},
		"wrong everywhere":        {first: honest(spoiled(data, 0)), second: honest(spoiled(data, 0)), wrong: "tool.zip, chunk 1"},
		"each has its own right":  {first: honest(spoiled(data, 1)), second: honest(spoiled(data, 0))},
		"no ranges, wrong once": {first: rangeless(once(honest(spoiled(data, 1)), once(honest(spoiled(data, 1)), honest(data)))),
			asked: "@0 @0 @0 @4194304"},
		"no ranges, always wrong": {first: rangeless(honest(spoiled(data, 1))), second: failing(manifests.ErrNotFound), wrong: "tool.zip, chunk 2"},
		"no ranges, then right":   {first: rangeless(honest(spoiled(data, 0))), second: honest(data)},
		"another size":            {first: honest(append(bytes.Clone(data), 0)), second: honest(data)},
		"another size everywhere": {first: honest(data[:len(data)-1]), second: honest(data[:chunk]), wrong: "tool.zip"},
		"endless":                 {first: endless(-1), second: endless(a.Size), wrong: "tool.zip, chunk 1"},
		"down, then right":        {first: failing(manifests.ErrUnreachable), second: honest(data)},
	} {
		cache, f := setup(t, c.first)
		a := a
		if c.second != nil {
			a.Refs = []string{main, mirror}
			f.at[mirror] = c.second
		}
		s, err := cache.Stream(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		err = readAll(t, s, data)
		if c.wrong == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := offsets(f); c.asked != "" && !asked(got, c.asked) {
				t.Errorf("%s: asked %s, want %s", name, got, c.asked)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if got := files(t, cache); got != "blob" {
				t.Errorf("%s: the cache holds %q", name, got)
			}
			continue
		}
		if !errors.Is(err, verify.ErrUntrusted) || !strings.Contains(err.Error(), c.wrong+":") {
			t.Errorf("%s: %v, want one about %s", name, err, c.wrong)
		}
		if blob, again := s.Blob(); blob.File != nil || !errors.Is(again, verify.ErrUntrusted) {
			t.Errorf("%s: blob %+v, %v", name, blob, again)
		}
		s.Close()
		if got := files(t, cache); got != "" {
			t.Errorf("%s: leaves %q", name, got)
		}
		refuse(t, cache, a, verify.ErrUntrusted)
	}
}

// byOffset answers requests for the offsets in own by those handlers, and others by other.
func byOffset(own map[int64]handler, other handler) handler {
	return func(offset int64) (io.ReadCloser, int64, error) {
		if h, ok := own[offset]; ok {
			return h(offset)
		}
		return other(offset)
	}
}

// Right chunks do not replace the digest of the whole.
func TestRightChunksDoNotProveTheWhole(t *testing.T) {
	data, a := twoChunks()
	a.Integrity = bySHA256([]byte("something else"))
	for name, far := range map[string]handler{"ranges": honest(data), "no ranges": rangeless(honest(data))} {
		cache, _ := setup(t, far)
		s, err := cache.Stream(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		var digest *verify.DigestError
		if err := readAll(t, s, data); !errors.As(err, &digest) || digest.Name != "tool.zip" {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
		if got := files(t, cache); got != "" {
			t.Errorf("%s: leaves %q", name, got)
		}
	}
}

func TestPartialChunksAreNotTrusted(t *testing.T) {
	data, a := twoChunks()
	key, err := Key(a)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		partial []byte
		asked   string
	}{
		"one chunk":              {data[:chunk], "@4194304"},
		"the first wrong":        {spoiled(data, 0), "@0"},
		"the first missing":      {append(make([]byte, chunk), data[chunk:]...), "@0"},
		"a chunk and a half":     {data[:len(data)-1000], "@4194304"},
		"all of it":              {data, ""},
		"too long":               {append(bytes.Clone(data), 0), "@0 @4194304"},
		"the start of something": {noise(1000), "@0 @4194304"},
	} {
		cache, f := setup(t, honest(data))
		plant(t, cache, path.Join(partialDir, key), c.partial)
		fetch(t, cache, a, data)
		if got := offsets(f); got != c.asked {
			t.Errorf("%s: asked %s, want %s", name, got, c.asked)
		}
		if got := files(t, cache); got != "blob" {
			t.Errorf("%s: the cache holds %q", name, got)
		}
		// The next attempt may find the file with holes and know no chunk digests.
		plain := a
		plain.Chunks = verify.Chunks{}
		cache, _ = setup(t, honest(data))
		plant(t, cache, path.Join(partialDir, key), c.partial)
		fetch(t, cache, plain, data)
	}
}

// Whatever mirrors send, a stream returns only the content, and ends only when the whole
// is proved.
func TestStreamReturnsOnlyTheContent(t *testing.T) {
	data, a := twoChunks()
	contents := [][]byte{data, data, data, spoiled(data, 0), spoiled(data, 1), data[:chunk+5], append(bytes.Clone(data), 1)}
	for range 16 {
		var drawn []int
		draw := func(n int) int {
			drawn = append(drawn, rand.IntN(n))
			return drawn[len(drawn)-1]
		}
		mirror := func() handler {
			h := honest(contents[draw(len(contents))])
			if draw(2) == 0 {
				h = breaking(h, []int64{0, 1, minGain, chunk / 2, chunk, 3 * chunk}[draw(6)])
			}
			if draw(2) == 0 {
				h = unsized(h)
			}
			if draw(2) == 0 {
				h = rangeless(h)
			}
			return h
		}
		cache, f := setup(t, alternating(mirror(), mirror()))
		a := a
		a.Refs = []string{main, "mirror"}
		f.at["mirror"] = mirror()
		s, err := cache.Stream(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		err = readAll(t, s, data)
		s.Close()
		if err != nil && severity(err) == 0 || len(f.asked) > 100 {
			t.Errorf("%v after %d requests, with %v", err, len(f.asked), drawn)
		}
		if got := files(t, cache); err == nil && got != "blob" || err != nil && strings.Contains(got, "blob") {
			t.Errorf("%v: the cache holds %q, with %v", err, got, drawn)
		}
		f.at[main] = honest(data)
		fetch(t, cache, a, data)
	}
}

// alternating answers by one and other in turn.
func alternating(one, other handler) handler {
	var n atomic.Int64
	return func(offset int64) (io.ReadCloser, int64, error) {
		if n.Add(1)%2 == 1 {
			return one(offset)
		}
		return other(offset)
	}
}
