package download

import (
	"path"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// Waiting is called with the process that fetches the same artifact.
func TestWaitingReportsTheHolder(t *testing.T) {
	data := noise(100)
	cache, _ := setup(t, honest(data))
	a := artifact(bySHA256(data), len(data))
	key, err := Key(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := cache.Root.Mkdir(partialDir, 0o700); err != nil {
		t.Fatal(err)
	}
	held, err := rootfs.TryLock(cache.Root, path.Join(partialDir, key+rootfs.LockSuffix), "kist install go, since 10:12")
	if err != nil {
		t.Fatal(err)
	}
	var holders []string
	cache.About, cache.LockWait = "kist test", time.Minute
	cache.Waiting = func(busy *rootfs.BusyError) {
		holders = append(holders, busy.Holder)
		if err := held.Unlock(); err != nil {
			t.Error(err)
		}
	}
	blob, err := cache.Fetch(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	blob.Close()
	if len(holders) != 1 || !strings.HasSuffix(holders[0], " kist install go, since 10:12") {
		t.Errorf("Waiting was called with %q", holders)
	}
}
