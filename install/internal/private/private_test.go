package private

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func open(t *testing.T) *os.Root {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func empty(t *testing.T, root *os.Root) {
	t.Helper()
	if names, err := filepath.Glob(filepath.Join(root.Name(), "*")); err != nil || len(names) > 0 {
		t.Errorf("it has names: %v, %v", names, err)
	}
	hidden, err := filepath.Glob(filepath.Join(root.Name(), ".*"))
	if err != nil || len(hidden) > 0 {
		t.Errorf("it has names: %v, %v", hidden, err)
	}
}

// What is sealed cannot be written to any more, wherever it lies, and has no name.
func TestSealed(t *testing.T) {
	data := bytes.Repeat([]byte("proved "), 1<<20)
	for name, c := range map[string]struct {
		size   int64
		budget *Budget
		memory bool
	}{
		"in memory":            {int64(len(data)), NewBudget(16 << 20), inMemory},
		"of unknown size":      {0, NewBudget(16 << 20), inMemory},
		"outgrows the budget":  {0, NewBudget(5 << 20), false},
		"larger than a budget": {int64(len(data)), NewBudget(1 << 20), false},
		"without a budget":     {int64(len(data)), nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			root := open(t)
			f, err := New(root, ".", c.size, c.budget)
			if err != nil {
				t.Fatal(err)
			}
			for at := 0; at < len(data); at += 1 << 20 {
				if _, err := f.WriteAt(data[at:min(at+1<<20, len(data))], int64(at)); err != nil {
					t.Fatal(err)
				}
			}
			if f.InMemory() != c.memory {
				t.Errorf("in memory: %v", f.InMemory())
			}
			if err := f.Seal(); err != nil {
				t.Fatal(err)
			}
			r := f.Reader()
			if _, err := r.WriteAt([]byte("forged"), 0); err == nil {
				t.Error("it was written to")
			}
			if err := r.Truncate(10); err == nil {
				t.Error("it was cut")
			}
			if got, err := io.ReadAll(io.NewSectionReader(r, 0, int64(len(data))+1)); err != nil || !bytes.Equal(got, data) {
				t.Errorf("it holds %d bytes, %v", len(got), err)
			}
			if runtime.GOOS != "windows" {
				empty(t, root)
			}
			if err := errors.Join(f.Close(), f.Close()); err != nil {
				t.Error(err)
			}
			empty(t, root)
			if b := c.budget; b != nil && !b.free.TryAcquire(b.bytes) {
				t.Error("its memory was not given back")
			}
		})
	}
}

// A Budget is shared.
func TestBudget(t *testing.T) {
	root, b := open(t), NewBudget(10)
	one, err := New(root, ".", 6, b)
	if err != nil {
		t.Fatal(err)
	}
	two, err := New(root, ".", 6, b)
	if err != nil {
		t.Fatal(err)
	}
	if one.InMemory() != inMemory || two.InMemory() {
		t.Errorf("in memory: %v and %v", one.InMemory(), two.InMemory())
	}
	if err := errors.Join(one.Close(), two.Close()); err != nil {
		t.Error(err)
	}
	if three, err := New(root, ".", 10, b); err != nil || three.InMemory() != inMemory || three.Close() != nil {
		t.Errorf("after that: %+v, %v", three, err)
	}
	if b.Fits(11) || b.Fits(10) != inMemory || (*Budget)(nil).Fits(0) {
		t.Error("what fits is not told")
	}
}

func TestCopyFrom(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 100_000)
	for name, b := range map[string]*Budget{"in memory": NewBudget(16 << 20), "on the disk": nil} {
		for _, size := range []int64{0, 1, 999_999, 1_000_000, 2_000_000} {
			root := open(t)
			if err := root.WriteFile("src", data, 0o600); err != nil {
				t.Fatal(err)
			}
			src, err := root.Open("src")
			if err != nil {
				t.Fatal(err)
			}
			f, err := New(root, ".", size, b)
			if err != nil {
				t.Fatal(err)
			}
			var told []byte
			n, err := f.CopyFrom(t.Context(), src, size, func(p []byte) { told = append(told, p...) })
			want := data[:min(size, int64(len(data)))]
			if err != nil || n != int64(len(want)) || !bytes.Equal(told, want) {
				t.Errorf("%s: %d of %d bytes, %d told, %v", name, n, size, len(told), err)
			}
			// What follows goes after it.
			if _, err := f.WriteAt([]byte("end"), n); err != nil {
				t.Error(err)
			}
			got, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<40))
			if err != nil || !bytes.Equal(got, append(want[:len(want):len(want)], "end"...)) {
				t.Errorf("%s: it holds %d bytes, %v", name, len(got), err)
			}
			if err := errors.Join(f.Close(), src.Close()); err != nil {
				t.Error(err)
			}
		}
	}
}
