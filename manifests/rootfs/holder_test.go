package rootfs_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// Holder tells who holds a lock, writes nothing, and does not keep the lock.
func TestHolder(t *testing.T) {
	root, dir := openTemp(t)
	if holder, held, err := rootfs.Holder(root, "lock"); held || err != nil {
		t.Errorf("a missing lock: %q, %v, %v", holder, held, err)
	}
	if _, err := os.Lstat(dir + "/lock"); err == nil {
		t.Error("it made the lock")
	}
	l, err := rootfs.TryLock(root, "lock", "kist install go")
	must(t, err)
	want := fmt.Sprintf("%d kist install go", os.Getpid())
	for range 2 {
		if holder, held, err := rootfs.Holder(root, "lock"); !held || holder != want || err != nil {
			t.Errorf("held: %q, %v, %v", holder, held, err)
		}
	}
	must(t, l.Unlock())
	if holder, held, err := rootfs.Holder(root, "lock"); held || err != nil {
		t.Errorf("released: %q, %v, %v", holder, held, err)
	}
	l, err = rootfs.TryLock(root, "lock", "again")
	must(t, err)
	must(t, l.Unlock())
	must(t, rootfs.WriteFile(root, "other", []byte("no lock"), 0o600))
	if _, held, err := rootfs.Holder(root, "other"); held || err != nil {
		t.Errorf("another file: %v, %v", held, err)
	}
}
