package rootfs_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kist-tools/kist/manifests/rootfs"
)

func TestLockExcludes(t *testing.T) {
	root, dir := openTemp(t)
	first, err := rootfs.TryLock(root, "lock", "kist install go")
	must(t, err)
	_, err = rootfs.TryLock(root, "lock", "second")
	var busy *rootfs.BusyError
	if want := fmt.Sprintf("%d kist install go", os.Getpid()); !errors.As(err, &busy) || busy.Holder != want {
		t.Fatalf("second lock: %v, want a BusyError that says %q", err, want)
	}
	must(t, first.Unlock())
	if _, err := os.Stat(dir + "/lock"); err != nil {
		t.Errorf("the lock file went with the lock: %v", err)
	}
	second, err := rootfs.TryLock(root, "lock", "x")
	must(t, err)
	must(t, second.Unlock())
	if data, err := os.ReadFile(dir + "/lock"); err != nil || len(data) > 0 {
		t.Errorf("given back, the lock file holds %q, %v", data, err)
	}
}

func TestLockRemove(t *testing.T) {
	root, dir := openTemp(t)
	l, err := rootfs.TryLock(root, "stage"+rootfs.LockSuffix, "x")
	must(t, err)
	must(t, l.Remove())
	if got := names(t, dir); got != nil {
		t.Errorf("left %q", got)
	}
	l, err = rootfs.TryLock(root, "stage"+rootfs.LockSuffix, "x")
	must(t, err)
	must(t, l.Unlock())
}

// A lock on a file that no longer has its name guards nothing.
func TestIsNameOfDetectsRemovedFile(t *testing.T) {
	root, _ := openTemp(t)
	f, err := rootfs.OpenRegularAt(root, "lock", os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	defer f.Close()
	if same, err := rootfs.IsNameOf(root, "lock", f); !same || err != nil {
		t.Errorf("isNameOf = %v, %v", same, err)
	}
	must(t, root.Remove("lock"))
	if same, err := rootfs.IsNameOf(root, "lock", f); same || err != nil {
		t.Errorf("after the removal: isNameOf = %v, %v", same, err)
	}
	must(t, rootfs.WriteFile(root, "lock", nil, 0o600))
	if same, err := rootfs.IsNameOf(root, "lock", f); same || err != nil {
		t.Errorf("with another file in its place: isNameOf = %v, %v", same, err)
	}
}

func TestHolderHasNoControlCharacters(t *testing.T) {
	root, _ := openTemp(t)
	l, err := rootfs.TryLock(root, "lock", "a\x1b[31mb\u202ec"+strings.Repeat("z", 2*rootfs.MaxHolder)+"\nsecond line")
	must(t, err)
	defer l.Unlock()
	_, err = rootfs.TryLock(root, "lock", "")
	var busy *rootfs.BusyError
	if !errors.As(err, &busy) || strings.ContainsAny(busy.Holder, "\x1b\u202e\n") || len(busy.Holder) > rootfs.MaxHolder || !strings.Contains(busy.Holder, "a[31mbc") {
		t.Errorf("got %q", busy.Holder)
	}
}

func TestWaitLock(t *testing.T) {
	root, _ := openTemp(t)
	held, err := rootfs.TryLock(root, "lock", "holder")
	must(t, err)
	wait := func(ctx context.Context, wait time.Duration) (l *rootfs.Lock, calls int, took time.Duration, err error) {
		start := time.Now()
		l, err = rootfs.WaitLock(ctx, root, "lock", "waiter", wait, func(*rootfs.BusyError) { calls++ })
		return l, calls, time.Since(start), err
	}
	synctest.Test(t, func(t *testing.T) {
		var busy *rootfs.BusyError
		_, calls, took, err := wait(t.Context(), 3*time.Second)
		if !errors.As(err, &busy) || calls != 1 || took != 3*time.Second {
			t.Errorf("ran out after %v, %d calls: %v", took, calls, err)
		}
		if _, calls, took, err = wait(t.Context(), 0); !errors.As(err, &busy) || calls != 0 || took != 0 {
			t.Errorf("without waiting: after %v, %d calls: %v", took, calls, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, took, err = wait(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("interrupted after %v: %v", took, err)
		}
		time.AfterFunc(time.Second, func() { held.Unlock() })
		l, _, took, err := wait(t.Context(), time.Hour)
		if err != nil || took < time.Second || took > 2*time.Second {
			t.Fatalf("got it after %v: %v", took, err)
		}
		if err := l.Unlock(); err != nil {
			t.Error(err)
		}
	})
}

func TestLockNeedsARegularFile(t *testing.T) {
	root, _ := openTemp(t)
	must(t, root.Mkdir("lock", 0o700))
	if _, err := rootfs.TryLock(root, "lock", "x"); err == nil {
		t.Error("a directory was locked")
	}
	if _, err := rootfs.TryLock(root, "missing/lock", "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a missing directory: %v", err)
	}
}

// A lock ends with its process, even if the process is killed.
func TestLockOfAnotherProcess(t *testing.T) {
	if dir := os.Getenv("ROOTFS_TEST_HOLD"); dir != "" {
		root, err := os.OpenRoot(dir)
		must(t, err)
		_, err = rootfs.TryLock(root, "lock", "child")
		must(t, err)
		fmt.Println("held")
		time.Sleep(time.Minute)
		return
	}
	root, dir := openTemp(t)
	child := exec.Command(os.Args[0], "-test.run=^TestLockOfAnotherProcess$")
	child.Env = append(os.Environ(), "ROOTFS_TEST_HOLD="+dir)
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	_, err = rootfs.TryLock(root, "lock", "parent")
	var busy *rootfs.BusyError
	if want := fmt.Sprintf("%d child", child.Process.Pid); !errors.As(err, &busy) || busy.Holder != want {
		t.Errorf("while the child lives: %v, want a BusyError that says %q", err, want)
	}
	must(t, child.Process.Kill())
	child.Wait()
	l, err := rootfs.TryLock(root, "lock", "parent")
	must(t, err)
	must(t, l.Unlock())
}
