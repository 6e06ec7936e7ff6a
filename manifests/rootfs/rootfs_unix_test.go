//go:build unix

package rootfs_test

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/manifests/rootfs"
)

func TestDirChmod(t *testing.T) {
	d, dir := openTempDir(t)
	for name, mode := range map[string]os.FileMode{"f": 0o640, "d": 0o750} {
		must(t, d.Chmod(name, mode))
		for _, link := range []string{"to-f", "to-d", "to-nothing"} {
			if err := d.Chmod(link, 0o777); !errors.Is(err, unix.ELOOP) {
				t.Errorf("%s: %v", link, err)
			}
		}
		if info, err := os.Stat(dir + "/" + name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// Without O_NONBLOCK, opening a pipe that has no writer would block forever.
func TestPipesDoNotBlock(t *testing.T) {
	root, dir := openTemp(t)
	must(t, unix.Mkfifo(dir+"/pipe", 0o600))
	if _, err := rootfs.ReadFile(root, "pipe", 10); !errors.Is(err, rootfs.ErrNotRegular) {
		t.Errorf("ReadFile: %v", err)
	}
	if _, err := rootfs.TryLock(root, "pipe", "x"); !errors.As(err, new(*rootfs.ObstacleError)) {
		t.Errorf("TryLock: %v", err)
	}
	d, err := rootfs.OpenDir(root)
	must(t, err)
	defer d.Close()
	if _, err := d.Open("pipe"); !errors.Is(err, rootfs.ErrNotRegular) {
		t.Errorf("Open: %v", err)
	}
	if _, err := d.Sub("pipe"); !errors.Is(err, rootfs.ErrNotDir) {
		t.Errorf("Sub: %v", err)
	}
	must(t, rootfs.WriteFile(root, "pipe", []byte("x"), 0o600))
	if info, err := os.Lstat(dir + "/pipe"); err != nil || !info.Mode().IsRegular() {
		t.Errorf("after WriteFile: %v", err)
	}
}
