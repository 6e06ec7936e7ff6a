//go:build interop && linux

package rootfs_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// TestRealDisks fills disks and makes them read-only, in its own mount namespace: as
// root, or as root of a user namespace.
func TestRealDisks(t *testing.T) {
	const variable = "ROOTFS_TEST_IN_NAMESPACE"
	if os.Getenv(variable) == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestRealDisks$", "-test.v")
		child.Env = append(os.Environ(), variable+"=1")
		child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
		if os.Geteuid() != 0 {
			child.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
			child.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
			child.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
		}
		out, err := child.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if got := strings.Count(string(out), "--- PASS: TestRealDisks/"); got != 2 {
			t.Errorf("%d of 2 cases ran:\n%s", got, out)
		}
		return
	}
	must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	small := func(t *testing.T) (*os.Root, string) {
		dir := t.TempDir()
		must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,nr_inodes=8"))
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
		root, err := os.OpenRoot(dir)
		must(t, err)
		t.Cleanup(func() { root.Close() })
		must(t, rootfs.WriteFile(root, "f", []byte("old"), 0o600))
		return root, dir
	}
	unchanged := func(t *testing.T, root *os.Root, dir string) {
		t.Helper()
		if data, err := rootfs.ReadFile(root, "f", 10); string(data) != "old" {
			t.Errorf("f holds %q, %v", data, err)
		}
		if got := names(t, dir); !slices.Equal(got, []string{"f"}) {
			t.Errorf("left %q", got)
		}
	}
	t.Run("full", func(t *testing.T) {
		root, dir := small(t)
		if free, inodes, err := rootfs.Space(root); free <= 0 || free > 64<<10 || inodes <= 0 || inodes > 8 || err != nil {
			t.Errorf("Space = %d bytes, %d inodes, %v", free, inodes, err)
		}
		above, err := os.OpenRoot(filepath.Dir(dir))
		must(t, err)
		defer above.Close()
		outer, err := rootfs.Volume(above)
		must(t, err)
		if inner, err := rootfs.Volume(root); inner == outer || err != nil {
			t.Errorf("Volume = %d as above the mount, %v", inner, err)
		}
		if err := rootfs.WriteFile(root, "f", bytes.Repeat([]byte("x"), 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
			t.Errorf("WriteFile: %v", err)
		}
		unchanged(t, root, dir)
	})
	t.Run("read-only", func(t *testing.T) {
		root, dir := small(t)
		must(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""))
		for what, err := range map[string]error{
			"WriteFile":       rootfs.WriteFile(root, "f", []byte("new"), 0o600),
			"SwapLink":        rootfs.ReplaceLink(root, "x", "f"),
			"RenameNoReplace": rootfs.RenameNoReplace(root, "f", "g"),
			"TryLock":         func() error { _, err := rootfs.TryLock(root, "lock", "x"); return err }(),
			"MkdirAll":        func() error { _, err := rootfs.MkdirAll(root, "d", 0o700); return err }(),
		} {
			if !errors.Is(err, unix.EROFS) {
				t.Errorf("%s: %v", what, err)
			}
		}
		unchanged(t, root, dir)
	})
}

// A crash can keep a rename and lose data that was not synced before it, so the order
// of the system calls matters.
func TestSyncBeforeAndAfterRename(t *testing.T) {
	const variable = "ROOTFS_TEST_TRACED"
	if dir := os.Getenv(variable); dir != "" {
		root, err := os.OpenRoot(dir)
		must(t, err)
		must(t, rootfs.WriteFile(root, "file", []byte("x"), 0o600))
		must(t, rootfs.ReplaceLink(root, "file", "link"))
		_, err = rootfs.MkdirAll(root, "made", 0o700)
		must(t, err)
		return
	}
	dir := t.TempDir()
	child := exec.Command("strace", "-f", "-y", "-qq", "-e", "signal=none", "-e", "trace=fsync,renameat,renameat2,mkdirat",
		os.Args[0], "-test.run=^TestSyncBeforeAndAfterRename$")
	child.Env = append(os.Environ(), variable+"="+dir)
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var got []string
	for line := range strings.Lines(string(out)) {
		_, call, ok := strings.Cut(line, "] ")
		if !ok {
			call = line
		}
		switch {
		case strings.HasPrefix(call, "fsync(") && strings.Contains(call, rootfs.TempSuffix+">"):
			got = append(got, "sync the temporary file")
		case strings.HasPrefix(call, "fsync(") && strings.Contains(call, "<"+dir+">"):
			got = append(got, "sync the directory")
		case strings.HasPrefix(call, "rename") && strings.Contains(call, `"file"`):
			got = append(got, "rename to file")
		case strings.HasPrefix(call, "rename") && strings.Contains(call, `"link"`):
			got = append(got, "rename to link")
		case strings.HasPrefix(call, "mkdirat(") && strings.Contains(call, `"made"`):
			got = append(got, "make the directory")
		}
	}
	want := []string{
		"sync the temporary file", "rename to file", "sync the directory",
		"rename to link", "sync the directory",
		"make the directory", "sync the directory",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\n%s", got, out)
	}
}
