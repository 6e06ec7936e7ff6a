package download

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// rewrite changes a byte of every named file of the cache in place, as another program
// could at any time.
func rewrite(t testing.TB, c Cache) {
	t.Helper()
	err := fs.WalkDir(c.Root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(name, ".lock") {
			return err
		}
		f, err := os.OpenFile(filepath.Join(c.Root.Name(), name), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		one := []byte{0}
		info, err := f.Stat()
		if err != nil || info.Size() == 0 {
			return err
		}
		at := info.Size() / 2
		if _, err := f.ReadAt(one, at); err != nil {
			return err
		}
		one[0] ^= 0xff
		_, err = f.WriteAt(one, at)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// homes are the places for private copies.
var homes = map[string]*private.Budget{"in memory": private.NewBudget(1 << 30), "in part in memory": private.NewBudget(5 << 20), "on the disk": nil}

// Another program rewrites the files of the cache after each read or write by kist, and
// after the proof. kist uses the bytes that it proved.
func TestTheCacheIsRewritten(t *testing.T) {
	data := archive(t, 9<<20)
	for where, memory := range short.Rows(t, homes, 2) {
		for kind, in := range short.Rows(t, integrities(t, data), 3) {
			for _, size := range []int{0, len(data)} {
				a := artifact(in, size)
				key, err := Key(a)
				if err != nil {
					t.Fatal(err)
				}
				for path, begin := range map[string]func(c Cache, f *fakeServer){
					"fresh":   func(Cache, *fakeServer) {},
					"resumed": func(c Cache, _ *fakeServer) { plant(t, c, path.Join(partialDir, key), data[:5<<20]) },
					"cached":  func(c Cache, _ *fakeServer) { fetch(t, c, a, data) },
				} {
					cache, f := setup(t, honest(data))
					cache.Memory = memory
					begin(cache, f)
					checkRewritten(t, where+", "+kind+", "+path, cache, a, data)
				}
			}
		}
	}
}

// The same for a stream, whose proved chunks are read while others arrive.
func TestTheCacheIsRewrittenUnderAStream(t *testing.T) {
	data, a := threeChunks()
	key, err := Key(a)
	if err != nil {
		t.Fatal(err)
	}
	for where, memory := range short.Rows(t, homes, 2) {
		for path, begin := range map[string]func(c Cache){
			"fresh":   func(Cache) {},
			"resumed": func(c Cache) { plant(t, c, path.Join(partialDir, key), data[:5<<20]) },
			"cached":  func(c Cache) { fetch(t, c, a, data) },
		} {
			cache, _ := setup(t, honest(data))
			cache.Memory = memory
			begin(cache)
			checkRewritten(t, where+", "+path, cache, a, data)

			cache, _ = setup(t, honest(data))
			cache.Memory = memory
			begin(cache)
			cache.Progress = func(string, string, int64, int64) { rewrite(t, cache) }
			s, err := cache.Stream(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(s)
			if err != nil || string(got) != string(data) {
				t.Errorf("%s: a stream of %d bytes, %v", where, len(got), err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func checkRewritten(t *testing.T, name string, cache Cache, a manifests.Artifact, data []byte) {
	t.Helper()
	cache.Progress = func(string, string, int64, int64) { rewrite(t, cache) }
	cache.HashZip = func(_ context.Context, name string, zip *os.File, size int64, _ func(int64)) (string, error) {
		h1, err := verify.HashZip(name, zip, size)
		rewrite(t, cache)
		return h1, err
	}
	blob, err := cache.Fetch(t.Context(), a)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	rewrite(t, cache)
	if got, err := io.ReadAll(blob.File); err != nil || string(got) != string(data) {
		t.Errorf("%s: the %d bytes used are not those that were proved (%v)", name, len(got), err)
	}
	if err := blob.Close(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// A partial file that others can write to is not continued, but kist's own is.
func TestPartialFileOfOthersIsDropped(t *testing.T) {
	data := noise(1000)
	a := artifact(bySHA256(data), len(data))
	key, err := Key(a)
	if err != nil {
		t.Fatal(err)
	}
	name := path.Join(partialDir, key)
	cases := map[string]struct {
		change func(at, elsewhere string) error
		asked  string
	}{
		"our own":           {func(string, string) error { return nil }, main + "@400"},
		"others may write":  {func(at, _ string) error { return os.Chmod(at, 0o622) }, main + "@0"},
		"it has two names":  {func(at, elsewhere string) error { return os.Link(at, elsewhere) }, main + "@0"},
		"group may write":   {func(at, _ string) error { return os.Chmod(at, 0o620) }, main + "@0"},
		"others may read":   {func(at, _ string) error { return os.Chmod(at, 0o644) }, main + "@400"},
		"another's, by uid": {func(at, _ string) error { return os.Chown(at, 65534, -1) }, main + "@0"},
	}
	if os.Geteuid() != 0 {
		delete(cases, "another's, by uid") // only root can make such a file
	}
	for what, c := range cases {
		cache, f := setup(t, honest(data))
		plant(t, cache, name, data[:400])
		at := filepath.Join(cache.Root.Name(), filepath.FromSlash(name))
		if err := os.Chmod(at, 0o600); err != nil {
			t.Fatal(err)
		}
		elsewhere := filepath.Join(t.TempDir(), "victim")
		if err := c.change(at, elsewhere); err != nil {
			t.Fatal(err)
		}
		fetch(t, cache, a, data)
		if len(f.asked) != 1 || f.asked[0] != c.asked {
			t.Errorf("%s: asked %v, want %s", what, f.asked, c.asked)
		}
		if victim, err := os.ReadFile(elsewhere); err == nil && string(victim) != string(data[:400]) {
			t.Errorf("%s: the file was changed through its other name", what)
		}
	}
}

// A file in the cache that does not have the signed size is dropped unread, and one that
// is too large for the disk only costs a download.
func TestSizesInTheCacheDecideNothing(t *testing.T) {
	data := noise(1000)
	for _, size := range []int{0, len(data)} {
		a := artifact(bySHA256(data), size)
		for what, have := range map[string]int64{"huge": manifests.MaxArtifact, "more than huge": 100 << 30, "empty": 0, "short": 999} {
			cache, f := setup(t, honest(data))
			cache.space = func(*os.Root) (int64, error) { return 1 << 20, nil }
			plant(t, cache, path.Join(blobDir, verify.DigestOf(data).Hex()), nil)
			if err := os.Truncate(filepath.Join(cache.Root.Name(), blobDir, verify.DigestOf(data).Hex()), have); err != nil {
				t.Fatal(err)
			}
			if bytes, _ := cache.Cached(a); bytes > int64(size) {
				t.Errorf("%s, size %d: Have reports %d bytes", what, size, bytes)
			}
			fetch(t, cache, a, data)
			if len(f.asked) != 1 {
				t.Errorf("%s, size %d: asked %v", what, size, f.asked)
			}
		}
	}
}

// Open returns the archive or an error, and changes nothing in the cache.
func TestOpen(t *testing.T) {
	data := noise(1000)
	for where, memory := range homes {
		cache, _ := setup(t, honest(data))
		cache.Memory = memory
		if _, err := cache.Open(t.Context(), "tool", 1000, verify.DigestOf(data)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: without a blob: %v", where, err)
		}
		fetch(t, cache, artifact(bySHA256(data), 0), data)
		blob, err := cache.Open(t.Context(), "tool", 1000, verify.DigestOf(data))
		if err != nil {
			t.Fatal(err)
		}
		rewrite(t, cache)
		if got, err := io.ReadAll(blob.File); err != nil || string(got) != string(data) || blob.Size != 1000 {
			t.Errorf("%s: %d bytes, %v", where, len(got), err)
		}
		if err := blob.Close(); err != nil {
			t.Error(err)
		}
		before := allNames(t, cache)
		var size *verify.SizeError
		var digest *verify.DigestError
		if _, err := cache.Open(t.Context(), "tool", 1000, verify.DigestOf(data)); !errors.As(err, &digest) {
			t.Errorf("%s: changed: %v", where, err)
		}
		if _, err := cache.Open(t.Context(), "tool", 999, verify.DigestOf(data)); !errors.As(err, &size) {
			t.Errorf("%s: of another size: %v", where, err)
		}
		if after := allNames(t, cache); after != before {
			t.Errorf("%s: the cache holds %q, and held %q", where, after, before)
		}
	}
}

// allNames lists the names in the cache.
func allNames(t testing.TB, c Cache) string {
	t.Helper()
	var names []string
	if err := fs.WalkDir(c.Root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		names = append(names, name)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(names, " ")
}
