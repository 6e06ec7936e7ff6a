package download

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func TestResumeWithinAnAttempt(t *testing.T) {
	data := noise(3 << 20)
	const step = 300 << 10
	for name, c := range map[string]struct {
		server handler
		asked  []string
	}{
		"broken once": {once(breaking(honest(data), step), honest(data)), []string{"@0", "@307200"}},
		"no ranges":   {once(breaking(honest(data), step), rangeless(honest(data))), []string{"@0", "@307200", "@0"}},
		"broken often": {breaking(honest(data), step), []string{"@0", "@307200", "@614400", "@921600", "@1228800", "@1536000", "@1843200",
			"@2150400", "@2457600", "@2764800", "@3072000"}},
		"ended early":            {once(unsized(honest(data[:step])), honest(data)), []string{"@0", "@307200"}},
		"ended early, no ranges": {once(unsized(honest(data[:step])), rangeless(honest(data))), []string{"@0", "@307200", "@0"}},
		"broken after the end":   {breaking(honest(data), int64(len(data))), []string{"@0"}},
	} {
		cache, f := setup(t, c.server)
		fetch(t, cache, artifact(bySHA256(data), len(data)), data)
		if got := strings.ReplaceAll(fmt.Sprint(f.asked), main, ""); got != fmt.Sprint(c.asked) {
			t.Errorf("%s: asked %s, want %s", name, got, c.asked)
		}
		if got := files(t, cache); got != "blob" {
			t.Errorf("%s: the cache holds %q", name, got)
		}
	}
}

// A server that breaks every answer cannot keep kist busy forever.
func TestEndlessBreaksEndTheAttempt(t *testing.T) {
	data := noise(1 << 20)
	for name, c := range map[string]struct {
		server handler
		asked  int
	}{
		"without a byte":         {breaking(honest(data), 0), 3},
		"after each byte":        {breaking(honest(data), 1), 3},
		"without ranges":         {rangeless(breaking(honest(data), 512<<10)), 7},
		"nothing but ErrNoRange": {failing(manifests.ErrNoRange), 1},
	} {
		cache, f := setup(t, c.server)
		refuse(t, cache, artifact(bySHA256(data), len(data)), manifests.ErrUnreachable)
		if len(f.asked) != c.asked {
			t.Errorf("%s: asked %v, want %d requests", name, f.asked, c.asked)
		}
	}
}

func TestResumeAcrossAttempts(t *testing.T) {
	data := noise(1 << 20)
	for name, size := range map[string]int{"size known": len(data), "size unknown": 0} {
		cache, f := setup(t, once(breaking(honest(data), 700<<10), failing(manifests.ErrUnreachable)))
		a := artifact(bySHA256(data), size)
		refuse(t, cache, a, manifests.ErrUnreachable)
		if got := files(t, cache); got != "partial" {
			t.Fatalf("%s: the cache holds %q, want the partial file", name, got)
		}
		f.at[main], f.asked = honest(data), nil
		fetch(t, cache, a, data)
		if want := fmt.Sprintf("[%s@%d]", main, 700<<10); fmt.Sprint(f.asked) != want {
			t.Errorf("%s: asked %v, want %v", name, f.asked, want)
		}
		if got := files(t, cache); got != "blob" {
			t.Errorf("%s: the cache holds %q", name, got)
		}
	}
}

// A file in partial/ can only save time. It never makes kist blame an honest server, and
// never becomes a blob without proof.
func TestPartialFilesAreNotTrusted(t *testing.T) {
	data := archive(t, 100<<10)
	for kind, in := range integrities(t, data) {
		a := artifact(in, len(data))
		key, err := Key(a)
		if err != nil {
			t.Fatal(err)
		}
		name := path.Join(partialDir, key)
		for what, c := range map[string]struct {
			partial []byte
			asked   int
		}{
			"beginning":        {data[:5000], 1},
			"other beginning":  {flipped(data[:5000]), 2},
			"all of it":        {data, 0},
			"all, but changed": {flipped(data), 1},
			"too long":         {append(data[:len(data):len(data)], 0), 1},
			"nothing":          {nil, 1},
		} {
			cache, f := setup(t, honest(data))
			plant(t, cache, name, c.partial)
			fetch(t, cache, a, data)
			if len(f.asked) != c.asked {
				t.Errorf("%s, %s: asked %v, want %d requests", kind, what, f.asked, c.asked)
			}
			cache, _ = setup(t, honest(flipped(data)))
			plant(t, cache, name, c.partial)
			if what != "all of it" {
				refuse(t, cache, a, verify.ErrUntrusted)
				if got := files(t, cache); got != "" {
					t.Errorf("%s, %s: leaves %q", kind, what, got)
				}
			}
		}
	}
}

func TestPartialThatIsNotAFile(t *testing.T) {
	data := noise(1000)
	a := artifact(bySHA256(data), len(data))
	key, err := Key(a)
	if err != nil {
		t.Fatal(err)
	}
	for name, make := range map[string]func(name string) error{
		"directory": func(name string) error { return os.Mkdir(name, 0o700) },
		"link":      func(name string) error { return os.Symlink("../foreign", name) },
		"link out":  func(name string) error { return os.Symlink("/dev/zero", name) },
	} {
		cache, _ := setup(t, honest(data))
		plant(t, cache, "foreign", []byte("keep"))
		if err := os.Mkdir(filepath.Join(cache.Root.Name(), partialDir), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := make(filepath.Join(cache.Root.Name(), partialDir, key)); err != nil {
			t.Fatal(err)
		}
		fetch(t, cache, a, data)
		if got, err := cache.Root.ReadFile("foreign"); err != nil || string(got) != "keep" {
			t.Errorf("%s: the target of the link holds %q, %v", name, got, err)
		}
	}
}

func TestCacheIsNotTrusted(t *testing.T) {
	data := archive(t, 100<<10)
	blob := filepath.Join(blobDir, verify.DigestOf(data).Hex())
	for kind, in := range integrities(t, data) {
		a := artifact(in, len(data))
		key, err := Key(a)
		if err != nil {
			t.Fatal(err)
		}
		for what, damage := range map[string]func(cache Cache, at string) error{
			"changed":   func(c Cache, at string) error { plant(t, c, blob, flipped(data)); return nil },
			"cut":       func(c Cache, at string) error { return os.Truncate(at, 1000) },
			"longer":    func(c Cache, at string) error { return os.Truncate(at, int64(len(data)+1)) },
			"gone":      remove,
			"directory": func(c Cache, at string) error { os.Remove(at); return os.Mkdir(at, 0o700) },
			"link": func(c Cache, at string) error {
				plant(t, c, "foreign", data)
				os.Remove(at)
				return os.Symlink("../../foreign", at)
			},
		} {
			cache, f := setup(t, honest(data))
			fetch(t, cache, a, data)
			if err := damage(cache, filepath.Join(cache.Root.Name(), blob)); err != nil {
				t.Fatal(err)
			}
			fetch(t, cache, a, data)
			if len(f.asked) != 2 {
				t.Errorf("%s, %s: asked %v, want a second download", kind, what, f.asked)
			}
			if info, err := cache.Root.Lstat(blob); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s, %s: the blob is %v, %v", kind, what, info, err)
			}
		}
		if kind == "sha256" {
			continue
		}
		other := noise(5000)
		for what, note := range map[string]string{
			"to another blob": verify.DigestOf(other).Hex() + "\n",
			"to nothing":      verify.DigestOf([]byte("nothing")).Hex() + "\n",
			"out of blobs":    "../../foreign",
			"in upper case":   strings.ToUpper(verify.DigestOf(data).Hex()),
			"too long":        strings.Repeat("a", 1<<10),
			"empty":           "",
		} {
			cache, f := setup(t, honest(data))
			fetch(t, cache, a, data)
			plant(t, cache, path.Join(blobDir, verify.DigestOf(other).Hex()), other)
			plant(t, cache, path.Join(knownDir, key), []byte(note))
			fetch(t, cache, a, data)
			if len(f.asked) != 2 {
				t.Errorf("%s, note %s: asked %v, want a second download", kind, what, f.asked)
			}
			fetch(t, cache, a, data)
			if len(f.asked) != 2 {
				t.Errorf("%s, note %s: asked %v, want the note replaced", kind, what, f.asked)
			}
			if got, err := cache.Root.ReadFile(path.Join(blobDir, verify.DigestOf(other).Hex())); err != nil || len(got) != len(other) {
				t.Errorf("%s, note %s: the other blob is gone: %v", kind, what, err)
			}
		}
	}
}

func remove(_ Cache, at string) error { return os.Remove(at) }

// An h1 hash does not cover data after the zip, but the blob's name does.
func TestBlobNameCoversTrailingData(t *testing.T) {
	data := archive(t, 1000)
	cache, f := setup(t, honest(data))
	a := artifact(byTree(t, data), 0)
	fetch(t, cache, a, data)
	plant(t, cache, path.Join(blobDir, verify.DigestOf(data).Hex()), append(data[:len(data):len(data)], 0))
	fetch(t, cache, a, data)
	if len(f.asked) != 2 {
		t.Errorf("asked %v, want a second download", f.asked)
	}
}

// A note of a blob that was proved before does not replace the proof.
func TestNoteProvesNothing(t *testing.T) {
	data, forged := archive(t, 1000), archive(t, 999)
	for _, in := range integrities(t, data) {
		a := artifact(in, 0)
		key, err := Key(a)
		if err != nil {
			t.Fatal(err)
		}
		cache, _ := setup(t, failing(manifests.ErrOffline))
		digest := verify.DigestOf(forged).Hex()
		plant(t, cache, path.Join(blobDir, digest), forged)
		plant(t, cache, path.Join(knownDir, key), []byte(digest+"\n"))
		refuse(t, cache, a, manifests.ErrOffline)
	}
}

func TestBodyIsClosed(t *testing.T) {
	data := noise(1000)
	closed := 0
	cache, _ := setup(t, func(offset int64) (io.ReadCloser, int64, error) {
		body, size, err := breaking(honest(data), 400)(offset)
		return closer{body, &closed}, size, err
	})
	refuse(t, cache, artifact(bySHA256(data), len(data)), manifests.ErrUnreachable)
	if closed != 3 {
		t.Errorf("%d of 3 bodies closed", closed)
	}
}

type closer struct {
	io.Reader
	n *int
}

func (c closer) Close() error { *c.n++; return nil }
