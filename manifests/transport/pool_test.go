package transport

import (
	"bytes"
	"io/fs"
	"testing"

	"github.com/kist-tools/kist/manifests"
)

func TestPool(t *testing.T) {
	root := openRoot(t)
	const dir = "manifests/debian~indices"
	p := Pool{Root: root, Dir: dir}
	if p.Load("a", 10) != nil || p.Sweep() != nil {
		t.Error("an empty pool holds something, or cannot be swept")
	}
	for _, name := range []string{"a", "b"} {
		if err := p.Store(name, []byte("index "+name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Store("none", nil); err != nil {
		t.Fatal(err)
	}
	if got := p.Load("a", 10); string(got) != "index a" {
		t.Errorf("a holds %q", got)
	}
	if got := p.Load("none", 0); got == nil || len(got) != 0 {
		t.Errorf("an empty document is %q", got)
	}
	if p.Load("a", 6) != nil {
		t.Error("more than the limit was read")
	}
	if !p.Has("a", 7) || p.Has("a", 6) || p.Has("c", 7) || !p.Has("none", 0) {
		t.Error("it has what it has not, or the other way round")
	}
	next := Pool{Root: root, Dir: dir}
	next.Load("b", 100)
	next.Has("none", 0)
	if err := next.Store("c", bytes.Repeat([]byte("x"), 1<<16)); err != nil {
		t.Fatal(err)
	}
	if err := next.Sweep(); err != nil {
		t.Fatal(err)
	}
	entries, err := fs.ReadDir(root.FS(), dir)
	if err != nil || len(entries) != 3 || entries[0].Name() != "b" || entries[1].Name() != "c" || entries[2].Name() != "none" {
		t.Errorf("left %v, %v", entries, err)
	}
}

// What is skipped is brought, and not kept.
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
	if err != nil || len(entries) != 1 {
		t.Errorf("kept %v, %v", entries, err)
	}
}
