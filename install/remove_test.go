package install_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// sealedLongAgo installs zig and edits its receipt: the files had not changed for an
// hour when it was sealed, as with a large toolchain.
func (w *world) sealedLongAgo(edit func(*record.Receipt)) record.Receipt {
	w.t.Helper()
	h := w.install(w.release("zig", "1.0", "bin/zig", "lib/a", "lib/b"))
	i := w.kist()
	defer i.Close()
	r, err := i.Receipt(h.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	if stamps := keepsStamps(w.t, i); r.StampsReadAt.IsZero() == stamps || r.Entries[1].Stamp.IsZero() == stamps {
		w.t.Errorf("the file system keeps stamps: %v; sealed %v, %+v", stamps, r.StampsReadAt, r.Entries[1])
	}
	r.StampsReadAt = r.StampsReadAt.Add(time.Hour)
	if edit != nil {
		edit(&r)
	}
	if err := i.Store().PutReceipt(r); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// A file that was touched in any way is read before it is removed, and kept if its
// content changed.
func TestRemovalKeepsChangedFiles(t *testing.T) {
	for name, touch := range map[string]func(file string, was os.FileInfo) error{
		"written, with size and time put back": func(file string, was os.FileInfo) error {
			return errors.Join(os.WriteFile(file, []byte(strings.Repeat("x", int(was.Size()))), 0), os.Chtimes(file, was.ModTime(), was.ModTime()))
		},
		"written through a link of its own": func(file string, was os.FileInfo) error {
			other := file + ".other"
			err := errors.Join(os.Link(file, other), os.WriteFile(other, []byte(strings.Repeat("x", int(was.Size()))), 0), os.Remove(other))
			return errors.Join(err, os.Chtimes(file, was.ModTime(), was.ModTime()))
		},
		"replaced, with the same size and time": func(file string, was os.FileInfo) error {
			other := file + ".other"
			err := errors.Join(os.WriteFile(other, []byte(strings.Repeat("x", int(was.Size()))), 0o755), os.Chtimes(other, was.ModTime(), was.ModTime()))
			return errors.Join(err, os.Rename(other, file))
		},
		"cut": func(file string, was os.FileInfo) error {
			return errors.Join(os.Truncate(file, was.Size()-1), os.Chtimes(file, was.ModTime(), was.ModTime()))
		},
		"replaced by a link": func(file string, _ os.FileInfo) error {
			return errors.Join(os.Rename(file, file+".moved"), os.Symlink(filepath.Base(file)+".moved", file))
		},
		"replaced by a directory": func(file string, _ os.FileInfo) error {
			return errors.Join(os.Remove(file), os.Mkdir(file, 0o755))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := w.sealedLongAgo(nil)
			file := filepath.Join(w.kist().Prefix(r.ID), "lib/a")
			was, err := os.Lstat(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := touch(file, was); err != nil {
				t.Fatal(err)
			}
			res := w.must(plan.Change{Remove: []record.ID{r.ID}})
			if !slices.ContainsFunc(res.Leftovers, func(d install.Drift) bool { return d.Path == file }) {
				t.Errorf("kept %+v, want %s", res.Leftovers, file)
			}
			if _, err := os.Lstat(file); err != nil {
				t.Errorf("it is gone: %v", err)
			}
			shrunk, err := w.kist().Receipt(r.ID)
			if err != nil || !shrunk.StampsReadAt.IsZero() || !shrunk.Entries[len(shrunk.Entries)-1].Stamp.IsZero() {
				t.Errorf("the receipt of what is kept still has stamps: %+v, %v", shrunk, err)
			}
		})
	}
}

// A file that was touched and has the same content is removed.
func TestRemovalDeletesTouchedButEqualFiles(t *testing.T) {
	w := newWorld(t)
	r := w.sealedLongAgo(nil)
	prefix := w.kist().Prefix(r.ID)
	err := errors.Join(os.Chmod(filepath.Join(prefix, "lib/a"), 0o644), os.Chtimes(filepath.Join(prefix, "lib/b"), w.now, w.now))
	if err != nil {
		t.Fatal(err)
	}
	if res := w.must(plan.Change{Remove: []record.ID{r.ID}}); len(res.Leftovers) > 0 {
		t.Errorf("kept %+v", res.Leftovers)
	}
}

// The receipt states other digests than the files have, so that code that reads the
// files finds them changed.
func TestRemovalReadsOnlyTouchedFiles(t *testing.T) {
	other := func(r *record.Receipt) {
		for n := range r.Entries {
			if r.Entries[n].Type == record.File {
				r.Entries[n].Digest = verify.DigestOf([]byte("other"))
			}
		}
	}
	for _, test := range []struct {
		name  string
		edit  func(*record.Receipt)
		reads bool
	}{
		{"sealed long after they were written", func(*record.Receipt) {}, false},
		{"sealed when they were just written", func(r *record.Receipt) { r.StampsReadAt = r.StampsReadAt.Add(-time.Hour) }, true},
		{"sealed before they were written", func(r *record.Receipt) { r.StampsReadAt = r.StampsReadAt.Add(-2 * time.Hour) }, true},
		{"of a receipt without a seal", func(r *record.Receipt) { r.StampsReadAt = time.Time{} }, true},
		{"of another inode", func(r *record.Receipt) {
			for n := range r.Entries {
				r.Entries[n].Stamp.Inode++
			}
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.sealedLongAgo(func(r *record.Receipt) {
				other(r)
				test.edit(r)
				for n, e := range r.Entries {
					if e.Type != record.File {
						r.Entries[n].Stamp = record.Stamp{}
					}
				}
			})
			i := w.kist()
			if _, drift, err := i.Verify(t.Context(), r.ID); err != nil || len(drift) != 3 {
				t.Errorf("verify reads every file, and found %v, %v", drift, err)
			}
			want := 0
			if test.reads || !keepsStamps(t, i) {
				want = 3
			}
			if res := w.must(plan.Change{Remove: []record.ID{r.ID}}); len(res.Leftovers) != want {
				t.Errorf("kept %+v, want %d", res.Leftovers, want)
			}
		})
	}
}

// keepsStamps reports whether the stamps of i's file system are reliable.
func keepsStamps(t *testing.T, i *install.Installer) bool {
	t.Helper()
	data, err := rootfs.OpenDir(i.Roots().Dir(roots.Data))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	return data.KeepsStamps()
}
