package rootfs_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"testing"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// Dirs reaches any number of directories while it keeps few of them open, and none
// through a link.
func TestDirs(t *testing.T) {
	root, dir := openTemp(t)
	top, err := rootfs.OpenDir(root)
	must(t, err)
	d := rootfs.NewDirs(top)
	idle := 0
	d.WaitIdle = func() error { idle++; return nil }
	for n := range 3 * rootfs.MaxOpenDirs {
		name := fmt.Sprintf("a/%d", n)
		must(t, os.MkdirAll(path.Join(dir, name), 0o700))
		must(t, os.WriteFile(path.Join(dir, name, fmt.Sprint(n)), nil, 0o600))
		sub, err := d.Get(name)
		must(t, err)
		if _, err := sub.Lstat(fmt.Sprint(n)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d.Open() > rootfs.MaxOpenDirs {
			t.Fatalf("%d directories are open", d.Open())
		}
	}
	if idle < 2 {
		t.Errorf("WaitIdle was called %d times", idle)
	}
	if _, err := d.Get("missing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
	if err := os.Symlink("a", path.Join(dir, "link")); err == nil {
		if _, err := d.Get("link/1"); !errors.Is(err, rootfs.ErrNotDir) {
			t.Errorf("a link: %v", err)
		}
	}
	d.Drop("a/1")
	must(t, errors.Join(os.RemoveAll(path.Join(dir, "a/1")), os.Mkdir(path.Join(dir, "a/1"), 0o700)))
	sub, err := d.Get("a/1")
	must(t, err)
	if found, err := sub.AllNames(); err != nil || len(found) > 0 {
		t.Errorf("the new directory holds %v, %v", found, err)
	}
	failed := errors.New("failed")
	d.WaitIdle = func() error { return failed }
	for n := range 2 * rootfs.MaxOpenDirs {
		if _, err = d.Get(fmt.Sprintf("a/%d", n)); err != nil {
			break
		}
	}
	if err != failed {
		t.Errorf("the error of WaitIdle: %v", err)
	}
	must(t, d.Close())
}
