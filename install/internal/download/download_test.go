package download

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func TestFetchUsesTheCache(t *testing.T) {
	data := archive(t, 300<<10)
	kinds := map[string]verify.Kind{"sha256": verify.ByDigest, "sha512": verify.ByDigest, "signature": verify.ByDetached, "tree": verify.ByTree}
	for kind, in := range integrities(t, data) {
		for _, size := range []int{0, len(data)} {
			c, f := setup(t, honest(data))
			a := artifact(in, size)
			a.Refs = []string{"https://user:secret@example.org/tool.zip"}
			f.at[a.Refs[0]] = honest(data)
			blob := fetch(t, c, a, data)
			if blob.Evidence.Kind != kinds[kind] {
				t.Errorf("%s: evidence %+v", kind, blob.Evidence)
			}
			want := "blob known"
			if kind == "sha256" {
				want = "blob"
			}
			if got := files(t, c); got != want {
				t.Errorf("%s: the cache holds %q, want %q", kind, got, want)
			}
			c.Transport = &fakeServer{}
			again := fetch(t, c, a, data)
			if fmt.Sprint(again.Evidence) != fmt.Sprint(blob.Evidence) {
				t.Errorf("%s: from the cache: evidence %+v", kind, again.Evidence)
			}
		}
	}
}

func TestWrongContentIsRefused(t *testing.T) {
	data := archive(t, 300<<10)
	another := archive(t, 200<<10)
	for kind, in := range integrities(t, data) {
		for name, c := range map[string]struct {
			server handler
			size   int
		}{
			"tampered":                  {honest(flipped(data)), len(data)},
			"tampered, size unknown":    {honest(flipped(data)), 0},
			"another file":              {honest(another), 0},
			"truncated":                 {honest(data[:len(data)-1]), len(data)},
			"truncated, size unknown":   {honest(data[:len(data)-1]), 0},
			"truncated, not announced":  {unsized(honest(data[:len(data)-1])), len(data)},
			"empty":                     {honest(nil), len(data)},
			"empty, size unknown":       {honest(nil), 0},
			"longer":                    {honest(append(bytes.Clone(data), 0)), len(data)},
			"longer, not announced":     {unsized(honest(append(bytes.Clone(data), 0))), len(data)},
			"endless":                   {endless(-1), len(data)},
			"endless, announced right":  {endless(int64(len(data))), len(data)},
			"endless, size unknown":     {endless(-1), 0},
			"announced over every size": {endless(manifests.MaxArtifact + 1), 0},
			"stated size is wrong":      {honest(data), len(data) - 1},
		} {
			cache, f := setup(t, c.server)
			cache.ceiling = 1 << 20
			err := refuse(t, cache, artifact(in, c.size), verify.ErrUntrusted)
			if got := files(t, cache); got != "" {
				t.Errorf("%s, %s: %v leaves %q", kind, name, err, got)
			}
			want := 1
			if name == "truncated, not announced" { // for the rest, which is not there, and all of it once more
				want = 4
			}
			if len(f.asked) != want {
				t.Errorf("%s, %s: asked %v", kind, name, f.asked)
			}
		}
		cache, _ := setup(t, honest(data))
		cache.ceiling = int64(len(data)) // an honest artifact at the ceiling
		fetch(t, cache, artifact(in, 0), data)
	}
}

// An answer that announces a wrong size is refused unread, except for the beginning,
// which shows whether it is a web page.
func TestWrongAnnouncedSizeIsRefusedUnread(t *testing.T) {
	data := noise(1000)
	for _, c := range []struct {
		stated    int
		announced int64
	}{{1000, 999}, {1000, 1001}, {0, 4097}, {0, manifests.MaxArtifact + 1}} {
		cache, _ := setup(t, func(int64) (io.ReadCloser, int64, error) { return &unread{t: t}, c.announced, nil })
		cache.ceiling = 4096
		refuse(t, cache, artifact(bySHA256(data), c.stated), verify.ErrUntrusted)
	}
}

type unread struct {
	t    *testing.T
	read int
}

func (u *unread) Read(p []byte) (int, error) {
	if u.read += len(p); u.read > 512 {
		u.t.Error("the body was read")
	}
	return len(p), nil
}
func (u *unread) Close() error { return nil }

func TestErrorsNameTheCause(t *testing.T) {
	data := archive(t, 1000)
	for name, c := range map[string]struct {
		server handler
		in     manifests.Integrity
		size   int
		want   any
		text   string
	}{
		"digest":    {honest(flipped(data)), bySHA256(data), len(data), new(*verify.DigestError), "content does not match"},
		"short":     {unsized(honest(data[:9])), bySHA256(data), len(data), new(*verify.SizeError), "only 9 of the"},
		"long":      {endless(-1), bySHA256(data), len(data), new(*verify.SizeError), "longer than the"},
		"signature": {honest(flipped(data)), bySignature(t, data), len(data), new(*verify.SignatureError), "no acceptable signature"},
		"tree":      {honest(archive(t, 999)), byTree(t, data), 0, new(*verify.TreeError), "checksum database sum.example.org: tool.zip: its content hash is h1:"},
		"too large": {endless(-1), bySHA256(data), 0, new(*manifests.TooLargeError), "larger than the limit of 4096 bytes"},
	} {
		cache, _ := setup(t, c.server)
		cache.ceiling = 4096
		err := refuse(t, cache, artifact(c.in, c.size), verify.ErrUntrusted)
		if !errors.As(err, c.want) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), "tool.zip") {
			t.Errorf("%s: %v, want %T with %q", name, err, c.want, c.text)
		}
	}
}

func TestArtifactNeedsExactlyOneIntegrity(t *testing.T) {
	data := noise(100)
	for name, a := range map[string]manifests.Artifact{
		"none":          artifact(manifests.Integrity{}, 100),
		"two":           artifact(manifests.Integrity{Digest: verify.DigestOf(data), Tree: &manifests.TreeHash{H1: "h1:x"}}, 100),
		"no location":   {Name: "x", Integrity: bySHA256(data)},
		"negative size": artifact(bySHA256(data), -1),
	} {
		cache, f := setup(t, honest(data))
		refuse(t, cache, a, verify.ErrUntrusted)
		if len(f.asked) > 0 {
			t.Errorf("%s: asked %v", name, f.asked)
		}
	}
}

func TestMirrors(t *testing.T) {
	data := archive(t, 1000)
	down := failing(fmt.Errorf("down: %w", manifests.ErrUnreachable))
	missing := failing(fmt.Errorf("gone: %w", manifests.ErrNotFound))
	good, bad := honest(data), honest(flipped(data))
	for name, c := range map[string]struct {
		mirrors []handler
		pinned  error // result with a digest
		signed  error // result with a signature or content hash
		asked   int   // requests with the latter
	}{
		"good":                      {[]handler{good, bad}, nil, nil, 1},
		"down, good":                {[]handler{down, good}, nil, nil, 2},
		"missing, down, good":       {[]handler{missing, down, good}, nil, nil, 3},
		"bad, good":                 {[]handler{bad, good}, nil, verify.ErrUntrusted, 1},
		"down, bad, good":           {[]handler{down, bad, good}, nil, verify.ErrUntrusted, 2},
		"bad, down":                 {[]handler{bad, down}, verify.ErrUntrusted, verify.ErrUntrusted, 1},
		"down, missing":             {[]handler{down, missing}, manifests.ErrUnreachable, manifests.ErrUnreachable, 2},
		"missing, missing":          {[]handler{missing, missing}, manifests.ErrNotFound, manifests.ErrNotFound, 2},
		"breaks, then good":         {[]handler{breaking(good, 10), good}, nil, nil, 4},
		"bad and breaks, then good": {[]handler{breaking(bad, int64(len(data)/2+1)), good}, nil, nil, 5},
	} {
		for kind, in := range integrities(t, data) {
			cache, f := setup(t, nil)
			a := artifact(in, 0)
			a.Refs = nil
			for i, h := range c.mirrors {
				ref := fmt.Sprintf("https://mirror%d.example.org/tool.zip", i)
				a.Refs, f.at[ref] = append(a.Refs, ref), h
			}
			want := c.pinned
			if kind == "signature" || kind == "tree" {
				want = c.signed
			}
			if want == nil {
				fetch(t, cache, a, data)
			} else {
				refuse(t, cache, a, want)
				if got := files(t, cache); got != "" {
					t.Errorf("%s, %s: leaves %q", name, kind, got)
				}
			}
			if (kind == "signature" || kind == "tree") && !strings.Contains(name, "breaks") && len(f.asked) != c.asked {
				t.Errorf("%s, %s: asked %v, want %d requests", name, kind, f.asked, c.asked)
			}
		}
	}
}

func TestLocalFailureEndsTheAttempt(t *testing.T) {
	data := noise(1000)
	cache, f := setup(t, honest(data))
	f.at["https://mirror.example.org/"] = honest(data)
	a := artifact(bySHA256(data), len(data))
	a.Refs = append(a.Refs, "https://mirror.example.org/")
	if err := cache.Root.MkdirAll(blobDir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := cache.openSpool(t.Context(), "spool", a)
	if err != nil {
		t.Fatal(err)
	}
	s.file.Close()
	if s.file, err = cache.Root.Open("spool"); err != nil { // for reading only: writing fails
		t.Fatal(err)
	}
	err = cache.tryRefs(t.Context(), a, func(ref string) error {
		_, err := cache.fetchFrom(t.Context(), a, ref, s)
		return err
	})
	var path *os.PathError
	if !errors.As(err, &path) || severity(err) != 0 || len(f.asked) != 1 {
		t.Errorf("%v after asking %v", err, f.asked)
	}
}

func TestSpace(t *testing.T) {
	data := noise(1000)
	for name, c := range map[string]struct {
		server   handler
		size     int
		free     int64
		unknown  error
		need     int64
		honestly bool
	}{
		"stated size":        {server: unsized(honest(data)), size: 1000, free: 999, need: 1000},
		"announced size":     {server: honest(data), free: 999, need: 1000},
		"just enough":        {server: honest(data), size: 1000, free: 1000, honestly: true},
		"no size":            {server: unsized(honest(data)), free: 0, honestly: true},
		"free space unknown": {server: honest(data), size: 1000, unknown: errors.ErrUnsupported, honestly: true},
		"no space":           {server: honest(data), size: 1000, free: 0, need: 1000},
	} {
		cache, _ := setup(t, c.server)
		cache.space = func(*os.Root) (int64, error) { return c.free, c.unknown }
		a := artifact(bySHA256(data), c.size)
		if c.honestly {
			fetch(t, cache, a, data)
			continue
		}
		_, err := cache.Fetch(t.Context(), a)
		var space *SpaceError
		if !errors.As(err, &space) || space.Need != c.need || space.Free != c.free || space.Path != cache.Root.Name() {
			t.Errorf("%s: %v", name, err)
		}
		if got := files(t, cache); got != "" {
			t.Errorf("%s: leaves %q", name, got)
		}
	}
}

func TestConcurrentFetchesDownloadOnce(t *testing.T) {
	data := noise(2 << 20)
	cache, f := setup(t, honest(data))
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			root, err := os.OpenRoot(cache.Root.Name()) // as another process would
			if err != nil {
				t.Error(err)
				return
			}
			defer root.Close()
			blob, err := Cache{Root: root, Transport: f, LockWait: time.Minute}.Fetch(t.Context(), artifact(bySHA512(t, data), len(data)))
			if err != nil {
				t.Error(err)
				return
			}
			blob.Close()
			if blob.Digest != verify.DigestOf(data) {
				t.Errorf("got %s", blob.Digest)
			}
		})
	}
	wait.Wait()
	if len(f.asked) != 1 {
		t.Errorf("asked %v, want one download", f.asked)
	}
	if got := files(t, cache); got != "blob known" {
		t.Errorf("the cache holds %q", got)
	}
}

func TestCancel(t *testing.T) {
	data := noise(1 << 20)
	ctx, cancel := context.WithCancel(t.Context())
	cache, f := setup(t, func(offset int64) (io.ReadCloser, int64, error) {
		body, size, err := honest(data)(offset)
		return io.NopCloser(io.MultiReader(io.LimitReader(body, 300<<10), &canceler{cancel}, body)), size, err
	})
	a := artifact(bySHA256(data), len(data))
	_, err := cache.Fetch(ctx, a)
	if !errors.Is(err, context.Canceled) || errors.Is(err, manifests.ErrUnreachable) {
		t.Fatalf("got %v", err)
	}
	if got := files(t, cache); got != "partial" {
		t.Errorf("the cache holds %q, want the partial file", got)
	}
	f.at[main] = honest(data)
	fetch(t, cache, a, data)
	if want := fmt.Sprintf("%s@%d", main, 300<<10); f.asked[1] != want {
		t.Errorf("asked %v, want %s", f.asked, want)
	}
	if _, err := cache.Fetch(ctx, a); !errors.Is(err, context.Canceled) {
		t.Errorf("out of the cache: %v", err)
	}
}

// Signatures and content hashes need a second read, which takes a while on a slow
// machine. It ends with the context too, and reports progress.
func TestCancelWhileProving(t *testing.T) {
	data := archive(t, 1<<20)
	for kind, in := range map[string]manifests.Integrity{"signature": bySignature(t, data), "tree": byTree(t, data)} {
		t.Run(kind, func(t *testing.T) {
			cache, f := setup(t, honest(data))
			a := artifact(in, 0)
			interrupt := func(where string) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				cache.Progress = func(stage, _ string, _, _ int64) {
					if stage == "verify" {
						cancel()
					}
				}
				if _, err := cache.Fetch(ctx, a); !errors.Is(err, context.Canceled) || errors.Is(err, verify.ErrUntrusted) {
					t.Errorf("%s: got %v", where, err)
				}
				cache.Progress = nil
			}
			interrupt("after the download")
			if got := files(t, cache); got != "partial" {
				t.Errorf("the cache holds %q, want the partial file", got)
			}
			fetch(t, cache, a, data)
			asked := len(f.asked)
			interrupt("from the cache")
			fetch(t, cache, a, data)
			if len(f.asked) != asked {
				t.Errorf("asked %v: fetched again although it was in the cache", f.asked)
			}
		})
	}
}

type canceler struct{ cancel func() }

func (c *canceler) Read([]byte) (int, error) { c.cancel(); return 0, nil }

func TestProgress(t *testing.T) {
	data := noise(1 << 20)
	cache, _ := setup(t, honest(data))
	seen := map[string]int64{}
	cache.Progress = func(stage, name string, done, total int64) {
		if done < seen[stage] || total != int64(len(data)) || name != "tool.zip" {
			t.Errorf("%s of %s: %d of %d after %d", stage, name, done, total, seen[stage])
		}
		seen[stage] = done
	}
	a := artifact(bySHA256(data), 0)
	fetch(t, cache, a, data)
	if seen["download"] != int64(len(data)) || seen["verify"] != 0 {
		t.Errorf("after the download: %v", seen)
	}
	fetch(t, cache, a, data)
	if seen["verify"] != int64(len(data)) {
		t.Errorf("out of the cache: %v", seen)
	}
	cache, _ = setup(t, unsized(honest(data)))
	cache.Progress = func(_, _ string, _, total int64) {
		if total != -1 {
			t.Errorf("total %d, want -1", total)
		}
	}
	fetch(t, cache, a, data)
}

// Whatever mirrors send and earlier attempts left behind, Fetch returns only the
// content, and no other file ever becomes a blob.
func TestFetchReturnsOnlyTheContent(t *testing.T) {
	data := archive(t, 3000)
	kinds := integrities(t, data)
	contents := map[string][]byte{"right": data, "flipped": flipped(data), "short": data[:1000], "long": append(bytes.Clone(data), 1)}
	rapid.Check(t, func(r *rapid.T) {
		cache, f := setup(t, nil)
		draw := func(label string) handler {
			h := honest(contents[rapid.SampledFrom([]string{"right", "right", "flipped", "short", "long"}).Draw(r, label)])
			if rapid.Bool().Draw(r, label+" breaks") {
				h = breaking(h, int64(rapid.IntRange(0, 3500).Draw(r, label+" after")))
			}
			if rapid.Bool().Draw(r, label+" unsized") {
				h = unsized(h)
			}
			if rapid.Bool().Draw(r, label+" rangeless") {
				h = rangeless(h)
			}
			return h
		}
		kind := rapid.SampledFrom([]string{"sha256", "sha512", "signature", "tree"}).Draw(r, "kind")
		a := artifact(kinds[kind], rapid.SampledFrom([]int{0, len(data)}).Draw(r, "size"))
		if kind == "tree" {
			a.Size = int64(len(data)) // an h1 hash alone does not bind what follows the zip
		}
		f.at[main], f.at["mirror"] = once(draw("first"), draw("later")), draw("mirror")
		a.Refs = append(a.Refs, "mirror")
		for range 2 {
			blob, err := cache.Fetch(context.Background(), a)
			if err == nil {
				got, _ := io.ReadAll(blob.File)
				blob.Close()
				if !bytes.Equal(got, data) {
					r.Fatalf("got %d other bytes", len(got))
				}
			} else if severity(err) == 0 {
				r.Fatalf("%v", err)
			}
			if len(f.asked) > 40 {
				r.Fatalf("asked %d times", len(f.asked))
			}
			files(t, cache)
		}
		// With honest mirrors afterwards, the fetch succeeds.
		f.at[main], f.at["mirror"] = honest(data), honest(data)
		fetch(t, cache, a, data)
	})
}

// plant writes a file below the cache.
func plant(t *testing.T, c Cache, name string, data []byte) {
	t.Helper()
	file := filepath.Join(c.Root.Name(), name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
