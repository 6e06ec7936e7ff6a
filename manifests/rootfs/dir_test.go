package rootfs_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// openTempDir is openTemp with a Dir, which contains the file f, the directory d with the
// file g, links to both, and a dangling link.
func openTempDir(t *testing.T) (d rootfs.Dir, dir string) {
	t.Helper()
	root, dir := openTemp(t)
	must(t, os.WriteFile(dir+"/f", []byte("file"), 0o600))
	must(t, os.Mkdir(dir+"/d", 0o700))
	must(t, os.WriteFile(dir+"/d/g", []byte("below"), 0o600))
	for name, target := range map[string]string{"to-f": "f", "to-d": "d", "to-nothing": "nothing"} {
		must(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	d, err := rootfs.OpenDir(root)
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d, dir
}

// byName holds every operation of a Dir on one name.
var byName = map[string]func(d rootfs.Dir, name string) error{
	"Sub":        func(d rootfs.Dir, name string) error { _, err := d.Sub(name); return err },
	"Open":       func(d rootfs.Dir, name string) error { _, err := d.Open(name); return err },
	"OpenFile":   func(d rootfs.Dir, name string) error { _, err := d.OpenFile(name); return err },
	"Create":     func(d rootfs.Dir, name string) error { _, err := d.Create(name, 0o600); return err },
	"CreateFile": func(d rootfs.Dir, name string) error { _, err := d.CreateFile(name, 0o600); return err },
	"Chmod":      func(d rootfs.Dir, name string) error { return d.Chmod(name, 0o700) },
	"Mkdir":      func(d rootfs.Dir, name string) error { return d.Mkdir(name, 0o700) },
	"Symlink":    func(d rootfs.Dir, name string) error { return d.Symlink("f", name) },
	"Remove":     func(d rootfs.Dir, name string) error { return d.Remove(name) },
	"Lstat":      func(d rootfs.Dir, name string) error { _, err := d.Lstat(name); return err },
	"Readlink":   func(d rootfs.Dir, name string) error { _, err := d.Readlink(name); return err },
}

func TestDirAcceptsOnlyElements(t *testing.T) {
	d, dir := openTempDir(t)
	for what, call := range byName {
		for _, name := range []string{"", ".", "..", "/", "d/g", "../x", "d/", "to-d/g", dir, "f\x00"} {
			if err := call(d, name); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s of %q: %v", what, name, err)
			}
		}
	}
}

// No operation reaches the target of a link.
func TestDirFollowsNoLink(t *testing.T) {
	d, dir := openTempDir(t)
	for what, want := range map[string]error{"Sub": rootfs.ErrNotDir, "Open": rootfs.ErrNotRegular, "OpenFile": rootfs.ErrNotRegular, "Create": fs.ErrExist, "CreateFile": fs.ErrExist,
		"Mkdir": fs.ErrExist, "Symlink": fs.ErrExist, "Lstat": nil, "Readlink": nil} {
		for _, name := range []string{"to-f", "to-d", "to-nothing"} {
			if err := byName[what](d, name); !errors.Is(err, want) {
				t.Errorf("%s of %s: %v, want %v", what, name, err, want)
			}
		}
	}
	for _, name := range []string{"to-f", "to-d", "to-nothing"} {
		if info, err := d.Lstat(name); err != nil || info.Mode.Type() != fs.ModeSymlink {
			t.Errorf("Lstat of %s: %v, %v", name, info.Mode, err)
		}
		must(t, d.Remove(name))
	}
	names, err := d.AllNames()
	if slices.Sort(names); err != nil || !slices.Equal(names, []string{"d", "f"}) {
		t.Errorf("left: %v, %v", names, err)
	}
	if data, err := os.ReadFile(dir + "/d/g"); err != nil || string(data) != "below" {
		t.Errorf("behind the link: %q, %v", data, err)
	}
}

func TestDir(t *testing.T) {
	d, dir := openTempDir(t)
	sub, err := d.Sub("d")
	must(t, err)
	defer sub.Close()
	for range 2 {
		if names, err := sub.AllNames(); err != nil || !slices.Equal(names, []string{"g"}) {
			t.Errorf("AllNames: %v, %v", names, err)
		}
	}
	for name, want := range map[string]error{"f": rootfs.ErrNotDir, "nothing": fs.ErrNotExist} {
		if _, err := d.Sub(name); !errors.Is(err, want) {
			t.Errorf("Sub of %s: %v", name, err)
		}
	}
	for name, want := range map[string]error{"d": rootfs.ErrNotRegular, "nothing": fs.ErrNotExist} {
		if _, err := d.Open(name); !errors.Is(err, want) {
			t.Errorf("Open of %s: %v", name, err)
		}
	}
	if err := d.Remove("d"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Remove of a directory that is not empty: %v", err)
	}
	must(t, sub.Remove("g"))
	must(t, sub.Close())
	must(t, d.Remove("d"))
	must(t, d.Remove("f"))
	if err := d.Remove("f"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Remove of nothing: %v", err)
	}

	must(t, d.Mkdir("e", 0o700))
	out, err := d.Create("new", 0o600)
	must(t, err)
	_, err = out.Write([]byte("content"))
	must(t, errors.Join(err, out.Close()))
	in, err := d.Open("new")
	must(t, err)
	defer in.Close()
	if data, err := io.ReadAll(in); err != nil || string(data) != "content" {
		t.Errorf("Open: %q, %v", data, err)
	}
	seekable, err := d.OpenFile("new")
	must(t, err)
	defer seekable.Close()
	if data, err := io.ReadAll(io.NewSectionReader(seekable, 3, 10)); err != nil || string(data) != "tent" {
		t.Errorf("OpenFile: %q, %v", data, err)
	}
	if info, err := d.Lstat("new"); err != nil || !info.Mode.IsRegular() || info.Size != 7 {
		t.Errorf("Lstat: %+v, %v", info, err)
	}
	both, err := d.CreateFile("both", 0o600)
	must(t, err)
	defer both.Close()
	_, err = both.WriteString("xyz")
	must(t, err)
	if _, err := both.Seek(0, io.SeekStart); err != nil {
		t.Error(err)
	}
	if data, err := io.ReadAll(both); err != nil || string(data) != "xyz" {
		t.Errorf("CreateFile: %q, %v", data, err)
	}
	for _, target := range []string{"x", strings.Repeat("y", 255), strings.Repeat("z", 256), strings.Repeat("long/", 200)} {
		must(t, d.Symlink(target, "link"))
		if got, err := d.Readlink("link"); err != nil || filepath.ToSlash(got) != target {
			t.Errorf("Readlink: %q, %v", got, err)
		}
		must(t, d.Remove("link"))
	}
	if info, err := os.Stat(dir + "/e"); err != nil || !info.IsDir() {
		t.Errorf("Mkdir: %v", err)
	}
}
