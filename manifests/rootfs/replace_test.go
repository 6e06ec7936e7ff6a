package rootfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/rootfs"
)

func openD(t *testing.T) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	if err := rootfs.Mkdir(root, "d", 0o700); err != nil {
		t.Fatal(err)
	}
	return root
}

func listD(t *testing.T, root *os.Root) string {
	t.Helper()
	entries, err := fs.ReadDir(root.FS(), "d")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestWriteReplacesWhole(t *testing.T) {
	root := openD(t)
	for _, text := range []string{"one", "a longer two", ""} {
		if err := rootfs.ReplaceFile(root, "d/f", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		data, err := rootfs.ReadFile(root, "d/f", 100)
		info, _ := root.Stat("d/f")
		if err != nil || string(data) != text || info.Mode() != 0o600 {
			t.Errorf("got %q, %v, %v", data, err, info.Mode())
		}
	}
	if got := listD(t, root); got != "f" {
		t.Errorf("left %q", got)
	}
}

// TestFailureLeavesTheOldContent checks failures before the rename.
func TestFailureLeavesTheOldContent(t *testing.T) {
	root := openD(t)
	if err := rootfs.ReplaceFile(root, "d/f", []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	data, err := root.ReadFile("d/f")
	if err != nil || string(data) != "old" || listD(t, root) != "f" {
		t.Errorf("got %q, %v, and %q", data, err, listD(t, root))
	}
	if err := root.Mkdir("d/g", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := root.WriteFile("d/g/x", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := rootfs.ReplaceFile(root, "d/g", []byte("new"), 0o600); err == nil || listD(t, root) != "f g" {
		t.Errorf("over a directory: %v, and %q", err, listD(t, root))
	}
	if err := rootfs.ReplaceFile(root, "../f", nil, 0o600); err == nil {
		t.Error("wrote outside")
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestWriteRemovesTemporaryFilesOfACrash(t *testing.T) {
	root := openD(t)
	f, g := ".f.tmp-AAAAAAAAAAAAAAAA"+rootfs.TempCheck("AAAAAAAAAAAAAAAA"), ".g.tmp-BBBBBBBBBBBBBBBB"+rootfs.TempCheck("BBBBBBBBBBBBBBBB")
	for _, name := range []string{"d/" + f, "d/" + g, "d/.f.other", "d/.f.tmp-AAAA", "d/.f.tmp-AAAAAAAAAAAAAAAAAAAAAAAAAA"} {
		if err := root.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := rootfs.ReplaceFile(root, "d/f", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := listD(t, root); got != ".f.other .f.tmp-AAAA .f.tmp-AAAAAAAAAAAAAAAAAAAAAAAAAA "+g+" f" {
		t.Errorf("left %q", got)
	}
	if !rootfs.IsNamedTemp(g) || rootfs.IsNamedTemp(".f.other") || rootfs.IsNamedTemp("f.tmp-x") || rootfs.IsNamedTemp(g[1:]) || rootfs.IsNamedTemp(g+"x") {
		t.Error("IsNamedTemp is wrong")
	}
}

func TestRemove(t *testing.T) {
	root := openD(t)
	if err := rootfs.ReplaceFile(root, "d/f", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := rootfs.Remove(root, "d/f"); err != nil {
			t.Error(err)
		}
	}
	if err := rootfs.Mkdir(root, "d", 0o700); err != nil {
		t.Errorf("making an existing directory: %v", err)
	}
}

// TestBatch checks that Commit gives all files their names, and that Discard leaves none.
func TestBatch(t *testing.T) {
	root := openD(t)
	if err := root.WriteFile("d/.f.tmp-AAAAAAAAAAAAAAAA"+rootfs.TempCheck("AAAAAAAAAAAAAAAA"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, keep := range []bool{false, true} {
		b := rootfs.NewBatch(root, 0o640)
		if err := errors.Join(b.Mkdir("d", 0o700), b.Mkdir("d/new", 0o700)); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"d/f", "d/g", "d/new/f"} {
			if n, err := b.Copy(name, strings.NewReader(name)); err != nil || n != int64(len(name)) {
				t.Fatal(n, err)
			}
			if _, err := root.Stat(name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s has its name before Commit: %v", name, err)
			}
		}
		if keep {
			if err := b.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Discard(); err != nil {
			t.Error(err)
		}
		want := "new"
		if keep {
			want = "f g new"
		}
		if got := listD(t, root); got != want {
			t.Errorf("keep %v: left %q, want %q", keep, got, want)
		}
	}
	data, err := root.ReadFile("d/new/f")
	if info, _ := root.Stat("d/new/f"); err != nil || string(data) != "d/new/f" || info.Mode() != 0o640 {
		t.Errorf("%q, %v, %v", data, err, info.Mode())
	}
	b := rootfs.NewBatch(root, 0o600)
	broken := errors.New("broken")
	if _, err := b.Copy("d/f", io.MultiReader(strings.NewReader("ne"), failing{broken})); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if err := b.Discard(); err != nil || listD(t, root) != "f g new" {
		t.Errorf("left %q, %v", listD(t, root), err)
	}
}
