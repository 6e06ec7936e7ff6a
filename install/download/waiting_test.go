package download

import (
	"path"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/install/internal/rootfs"
)

// Who waits for what another process fetches says for whom.
func TestWaitingIsTold(t *testing.T) {
	data := noise(100)
	cache, _ := setup(t, honest(data))
	a := artifact(bySHA256(data), len(data))
	key, err := keyOf(a)
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
	var told []string
	cache.About, cache.LockWait = "kist test", time.Minute
	cache.Waiting = func(busy *rootfs.BusyError) {
		told = append(told, busy.Holder)
		if err := held.Unlock(); err != nil {
			t.Error(err)
		}
	}
	blob, err := cache.Fetch(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	blob.Close()
	if len(told) != 1 || !strings.HasSuffix(told[0], " kist install go, since 10:12") {
		t.Errorf("told %q", told)
	}
}
