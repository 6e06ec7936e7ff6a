package cache_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/cache"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

var day0 = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// A world is a cache directory.
type world struct {
	t    *testing.T
	root *os.Root
}

func newWorld(t *testing.T) world {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return world{t, root}
}

// write writes a file that is so many days old.
func (w world) write(name, text string, days int) {
	w.t.Helper()
	if err := w.root.MkdirAll(path.Dir(name), 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := w.root.WriteFile(name, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	at := day0.AddDate(0, 0, -days)
	if err := w.root.Chtimes(name, at, at); err != nil {
		w.t.Fatal(err)
	}
}

func hexOf(text string) string { return verify.DigestOf([]byte(text)).Hex() }

func blob(text string) string    { return "blobs/sha256/" + hexOf(text) }
func partial(text string) string { return "partial/" + hexOf(text) }

func (w world) fill() {
	w.write(blob("archive of 40 days, 30 bytes.."), "archive of 40 days, 30 bytes..", 40)
	w.write(blob("archive of 3 days"), "archive of 3 days", 3)
	w.write("known/"+hexOf("signature"), hexOf("archive of 3 days")+"\n", 3)
	w.write(partial("digest\nx"), "half", 5)
	w.write(partial("digest\nx")+".for", "digest\nx", 5)
	w.write("documents/acme/channel.toml", "manifest", 50)
	w.write("documents/acme/index.json", "index", 50)
}

// owns says that every document but one is kist's.
func owns(root *os.Root, name string) (bool, error) { return path.Base(name) != "mine", nil }

func (w world) list() []cache.Item {
	w.t.Helper()
	items, err := cache.List(w.root)
	if err != nil {
		w.t.Fatal(err)
	}
	return items
}

// files lists the files of the cache.
func (w world) files() string {
	names, err := filepath.Glob(w.root.Name() + "/*/*")
	if err != nil {
		w.t.Fatal(err)
	}
	deeper, err := filepath.Glob(w.root.Name() + "/*/*/*")
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for _, name := range append(names, deeper...) {
		if info, err := os.Lstat(name); err == nil && !info.IsDir() {
			out = append(out, strings.TrimPrefix(filepath.ToSlash(name), filepath.ToSlash(w.root.Name())+"/"))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

func (w world) remove(items []cache.Item) (removed, kept []cache.Item) {
	w.t.Helper()
	removed, kept, err := cache.Remove(w.t.Context(), w.root, items, owns, "kist test")
	if err != nil {
		w.t.Fatal(err)
	}
	return removed, kept
}

func TestListIsOldestFirstAndDocumentsLast(t *testing.T) {
	w := newWorld(t)
	if items := w.list(); len(items) > 0 {
		t.Errorf("an empty cache has %v", items)
	}
	w.fill()
	w.write("blobs/sha256/mine", "mine", 1)
	var got []string
	for _, item := range w.list() {
		got = append(got, fmt.Sprintf("%s %d %d", item.Kind, item.Size, int(day0.Sub(item.Modified).Hours()/24)))
	}
	if want := []string{"archive 30 40", "partial 4 5", "archive 17 3", "documents 13 50"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSelect(t *testing.T) {
	w := newWorld(t)
	w.fill()
	size := func(n int64) *int64 { return &n }
	for name, test := range map[string]struct {
		rule cache.Rule
		want string
	}{
		"everything that was downloaded": {cache.Rule{}, "30 4 17"},
		"with documents":                 {cache.Rule{Documents: true}, "30 4 17 13"},
		"by age":                         {cache.Rule{Documents: true, Before: day0.AddDate(0, 0, -30)}, "30 13"},
		"the oldest":                     {cache.Rule{MaxSize: size(60)}, "30"},
		"exactly so many":                {cache.Rule{MaxSize: size(64)}, ""},
		"all but the documents":          {cache.Rule{MaxSize: size(0)}, "30 4 17"},
		"documents too, last":            {cache.Rule{MaxSize: size(12), Documents: true}, "30 4 17 13"},
		"the old ones, as far as needed": {cache.Rule{MaxSize: size(60), Before: day0.AddDate(0, 0, -4)}, "30"},
	} {
		var got []string
		for _, item := range test.rule.Select(w.list()) {
			got = append(got, fmt.Sprint(item.Size))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

// A ceiling holds afterwards, whatever the cache has, and nothing newer goes before
// something older of the same kind.
func TestSelectKeepsCeiling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var items []cache.Item
		for n := range rapid.IntRange(0, 8).Draw(t, "items") {
			items = append(items, cache.Item{Kind: cache.Archive, Size: rapid.Int64Range(0, 9).Draw(t, "size"), Modified: day0.Add(time.Duration(n))})
		}
		most := rapid.Int64Range(0, 40).Draw(t, "most")
		selected := cache.Rule{MaxSize: &most}.Select(items)
		if left := cache.Size(items) - cache.Size(selected); left > most {
			t.Fatalf("%d bytes are left, of at most %d", left, most)
		}
		if !slices.Equal(selected, items[:len(selected)]) {
			t.Fatal("not the oldest")
		}
		if n := len(selected); n > 0 && cache.Size(items)-cache.Size(selected[:n-1]) <= most {
			t.Fatal("more than needed")
		}
	})
}

func TestRemove(t *testing.T) {
	w := newWorld(t)
	w.fill()
	removed, kept := w.remove(w.list())
	if len(removed) != 4 || len(kept) > 0 || w.files() != "" {
		t.Errorf("removed %v, kept %v, left %s", removed, kept, w.files())
	}
	removed, _ = w.remove(cache.Rule{}.Select(w.list()))
	if len(removed) > 0 {
		t.Errorf("removed %v of an empty cache", removed)
	}
}

// A file that kist did not write stays, and so does what a process fetches at present.
func TestRemoveKeepsForeignAndBusyFiles(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.write("blobs/sha256/"+hexOf("other"), "changed", 1)
	w.write("partial/"+hexOf("no record"), "mine", 1)
	w.write("documents/acme/mine", "mine", 1)
	for _, held := range []string{
		partial("digest\nsha256:" + hexOf("archive of 40 days, 30 bytes..")), // of an artifact that states this digest
		"partial/" + hexOf("signature"),                                      // of an artifact whose signature is known
		partial("digest\nx"),
	} {
		lock, err := rootfs.TryLock(w.root, held+rootfs.LockSuffix, "another kist")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { lock.Remove() })
	}
	before := w.files()
	removed, kept := w.remove(cache.Rule{}.Select(w.list()))
	if len(removed) > 0 || len(kept) != 5 || w.files() != before {
		t.Errorf("removed %v, kept %d, left\n%s\nwant\n%s", removed, len(kept), w.files(), before)
	}
	removed, kept = w.remove(w.list()[5:])
	if len(removed) > 0 || len(kept) != 1 || !strings.Contains(w.files(), "documents/acme/mine") || strings.Contains(w.files(), "channel.toml") {
		t.Errorf("documents: removed %v, kept %v, left\n%s", removed, kept, w.files())
	}
}
