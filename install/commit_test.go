package install_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// A kist that waits is told for which process, for which command, and since when.
func TestWaitNamesLockHolder(t *testing.T) {
	w := newWorld(t)
	holder, other := w.kist(), w.kist()
	unlock, err := holder.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other.Opened().LockWait = time.Millisecond
	_, err = other.Lock(t.Context())
	busy, ok := errors.AsType[*rootfs.BusyError](err)
	if want := fmt.Sprintf("%d kist test, since 10:00:00", os.Getpid()); !ok || busy.Holder != want {
		t.Fatalf("got %v, want the holder %q", err, want)
	}
	if len(w.warned) != 1 || !strings.Contains(w.warned[0], busy.Holder) {
		t.Errorf("it waited and said %q", w.warned)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = other.Lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
}

// The error after a change is in force always reports that the change was made.
func TestFailureAfterCommitIsUnfinishedError(t *testing.T) {
	w := newWorld(t)
	w.install(w.release("zig", "1.0", "bin/zig"))
	var damaged string
	whole := []byte(nil)
	w.checkpoint = func(step string) {
		if step == "switched" {
			damaged = filepath.Join(w.path(".local/share/kist/current"), "generation.json")
			whole, _ = os.ReadFile(damaged)
			os.WriteFile(damaged, nil, 0o600)
		}
	}
	_, err := w.change(plan.Change{Install: w.releases("zls", "1.0", "bin/zls")})
	if _, done := errors.AsType[*install.UnfinishedError](err); !done {
		t.Fatalf("got %v, want an *UnfinishedError", err)
	}
	if err := os.WriteFile(damaged, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	w.checkpoint = nil
	w.must(plan.Change{})
	if got := w.command("zls"); got != "bin/zls 1.0" {
		t.Errorf("the command holds %q", got)
	}
}

// If another kist has uninstalled itself and removed the lock, a writer creates the
// lock again.
func TestLockAfterAnotherKistUninstalledItself(t *testing.T) {
	w := newWorld(t)
	w.do(func(w *world) error { return w.see(2) })
	i := w.kist()
	w.do(uninstallAll(true))
	if left, err := os.ReadDir(w.home); err != nil || len(left) > 0 {
		t.Errorf("left in the home: %v, %v", left, err)
	}
	if _, err := i.Catalog(t.Context(), w, manifests.Channel{Name: "acme", Source: counter(3)}, manifests.Request{}); err != nil {
		t.Fatal(err)
	}
	if got := w.serial(); got != 3 {
		t.Errorf("the mark has serial %d, want 3", got)
	}
	w.do(uninstallAll(true))
	if left, err := os.ReadDir(w.home); err != nil || len(left) > 0 {
		t.Errorf("left in the home: %v, %v", left, err)
	}
}

// Readers take no lock, and see a consistent state during any change.
func TestReadersWorkDuringWrites(t *testing.T) {
	w := newWorld(t)
	zig := w.release("zig", "1.0", "bin/zig", "lib/a")
	w.install(w.release("first", "1.0", "bin/first"))
	i := w.kist()
	done := make(chan error)
	go func() {
		reader := w.kist()
		for {
			select {
			case done <- nil:
				return
			default:
			}
			if s, err := reader.State(); err != nil || s.Current.Number == 0 || len(s.Damaged) > 0 {
				done <- fmt.Errorf("in force: %d, damaged: %v, %w", s.Current.Number, s.Damaged, err)
				return
			}
		}
	}()
	write := func(c plan.Change) install.Result {
		p, err := i.Plan(c)
		if err == nil {
			var res install.Result
			if res, err = i.Apply(t.Context(), p); err == nil {
				return res
			}
		}
		t.Fatal(err)
		return install.Result{}
	}
	for range 10 {
		id := write(plan.Change{Install: []manifests.Release{zig}}).Installed[0].ID
		write(plan.Change{Remove: []record.ID{id}})
	}
	if err := <-done; err != nil {
		t.Errorf("a reader: %v", err)
	}
}

// A receipt that cannot be read is not a missing one: its release was not removed.
func TestDamagedReceiptIsNotARemovedRelease(t *testing.T) {
	w := newWorld(t)
	r := w.install(w.release("zig", "1.0", "bin/zig"))
	i := w.kist()
	p, err := i.Plan(plan.Change{Remove: []record.ID{r.ID}})
	if err != nil {
		t.Fatal(err)
	}
	w.write(".local/state/kist/receipts/"+string(r.ID)+".json", "{")
	_, err = i.Apply(t.Context(), p)
	if damaged, ok := errors.AsType[*install.ReceiptError](err); !ok || damaged.ID != r.ID {
		t.Errorf("got %v, want a *ReceiptError of %s", err, r.ID)
	}
	if got := w.command("zig"); got != "bin/zig 1.0" {
		t.Errorf("its command holds %q", got)
	}
}
