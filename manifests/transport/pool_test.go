package transport

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func TestPool(t *testing.T) {
	root := openRoot(t)
	const dir = "manifests/debian~indices"
	name := func(text string) verify.Digest { return verify.DigestOf([]byte(text)) }
	open := func(bool) (*os.Root, error) { return root, nil }
	failed := func(err error) { t.Error(err) }
	large := strings.Repeat("x", 1<<16)
	a, b, c, none := name("index a"), name("index b"), name(large), name("")
	p := Pool{Open: open, Dir: dir, Failed: failed}
	if p.Load(a, 10) != nil || p.Sweep() != nil {
		t.Error("an empty pool holds something, or cannot be swept")
	}
	for _, text := range []string{"index a", "index b", ""} {
		p.Store(name(text), []byte(text))
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
	next := Pool{Open: open, Dir: dir, Failed: failed}
	next.Load(b, 100)
	next.Has(none, 0)
	next.Store(c, []byte(large))
	readOnly := Pool{Open: open, Dir: dir, ReadOnly: true}
	readOnly.Store(name("index d"), []byte("index d"))
	if readOnly.Has(name("index d"), 7) || !readOnly.Has(c, 1<<16) {
		t.Error("a read-only pool was changed, or cannot be read")
	}
	// Foreign files stay, even with a name like that of an index.
	foreign := []string{"mine", name("something else").Hex()}
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
	want := append(foreign, b.Hex(), c.Hex(), none.Hex())
	slices.Sort(want)
	if err != nil || !slices.Equal(left, want) {
		t.Errorf("left %v, %v; want %v", left, err, want)
	}
}

// A pool whose directory does not exist, or cannot be made, is empty.
func TestPoolWithoutDirectory(t *testing.T) {
	var failures int
	p := Pool{Dir: "d", Failed: func(error) { failures++ }, Open: func(create bool) (*os.Root, error) {
		if create {
			return nil, fs.ErrPermission
		}
		return nil, nil
	}}
	d := verify.DigestOf([]byte("x"))
	p.Store(d, []byte("x"))
	if failures != 1 || p.Load(d, 1) != nil || p.Has(d, 1) || p.Sweep() != nil {
		t.Errorf("%d failures; or the pool holds something, or cannot be swept", failures)
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

func TestFind(t *testing.T) {
	root := openRoot(t)
	recorder := &Recorder{From: shelf{"https://example.org/a": []byte("recorded")}}
	if _, _, err := get(t, recorder, "https://example.org/a", 0); err != nil {
		t.Fatal(err)
	}
	if err := recorder.Save(root, "manifests/acme"); err != nil {
		t.Fatal(err)
	}
	pooled := verify.DigestOf([]byte("pooled"))
	if err := errors.Join(root.Mkdir("manifests/pool", 0o700), root.WriteFile("manifests/pool/"+pooled.Hex(), []byte("pooled"), 0o600),
		root.WriteFile("manifests/file", []byte("file"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for text, found := range map[string]bool{"recorded": true, "pooled": true, "file": false, "other": false} {
		name, ok := Find(root, "manifests", verify.DigestOf([]byte(text)))
		data, _ := root.ReadFile(name)
		if ok != found || ok && string(data) != text {
			t.Errorf("%s: %q, %v", text, name, ok)
		}
	}
	if name, ok := Find(root, "nothing", pooled); ok {
		t.Errorf("in a missing directory: %s", name)
	}
}
