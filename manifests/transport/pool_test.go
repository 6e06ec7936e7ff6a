package transport

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
)

func TestPool(t *testing.T) {
	root := openRoot(t)
	const dir = "manifests/debian~indices"
	name := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	}
	large := strings.Repeat("x", 1<<16)
	a, b, c, none := name("index a"), name("index b"), name(large), name("")
	p := Pool{Root: root, Dir: dir}
	if p.Load(a, 10) != nil || p.Sweep() != nil {
		t.Error("an empty pool holds something, or cannot be swept")
	}
	for _, text := range []string{"index a", "index b", ""} {
		if err := p.Store(name(text), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.Load(a, 10); string(got) != "index a" {
		t.Errorf("a holds %q", got)
	}
	if got := p.Load(none, 0); got == nil || len(got) != 0 {
		t.Errorf("an empty document is %q", got)
	}
	if p.Load(a, 6) != nil {
		t.Error("more than the limit was read")
	}
	if !p.Has(a, 7) || p.Has(a, 6) || p.Has(c, 7) || !p.Has(none, 0) {
		t.Error("Has is wrong")
	}
	next := Pool{Root: root, Dir: dir}
	next.Load(b, 100)
	next.Has(none, 0)
	if err := next.Store(c, []byte(large)); err != nil {
		t.Fatal(err)
	}
	// Foreign files stay, even with a name like that of an index.
	foreign := []string{"mine", name("something else")}
	for _, name := range foreign {
		write(t, filepath.Join(root.Name(), dir, name), "mine")
	}
	if err := next.Sweep(); err != nil {
		t.Fatal(err)
	}
	entries, err := fs.ReadDir(root.FS(), dir)
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	want := append(foreign, b, c, none)
	slices.Sort(want)
	if err != nil || !slices.Equal(left, want) {
		t.Errorf("left %v, %v; want %v", left, err, want)
	}
}

// TestRecorderSkips checks that skipped documents are served but not recorded.
func TestRecorderSkips(t *testing.T) {
	root := openRoot(t)
	far := shelf{"https://example.org/InRelease": []byte("signed"), "https://example.org/Packages.gz": []byte("large")}
	r := &Recorder{From: far, Skip: func(ref string) bool {
		return ref == "https://example.org/Packages.gz" || ref == "https://example.org/gone"
	}}
	for ref, want := range map[string]string{"https://example.org/InRelease": "signed", "https://example.org/Packages.gz": "large", "https://example.org/gone": ""} {
		if got, _ := manifests.ReadAll(t.Context(), r, ref, 100); string(got) != want {
			t.Errorf("%s holds %q", ref, got)
		}
	}
	if err := r.Save(root, "manifests/acme"); err != nil {
		t.Fatal(err)
	}
	entries, err := fs.ReadDir(root.FS(), "manifests/acme")
	if err != nil || len(entries) != 2 || entries[1].Name() != "index.json" {
		t.Errorf("recorded %v, %v", entries, err)
	}
}
