//go:build interop && linux

package roots

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Real mounts, in a mount namespace of their own: the test runs itself there,
// as root, or as what a user namespace calls root.
func TestRealMounts(t *testing.T) {
	const inside = "KIST_TEST_IN_NAMESPACE"
	if os.Getenv(inside) == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestRealMounts$", "-test.v")
		child.Env = append(os.Environ(), inside+"=1")
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
		if got := strings.Count(string(out), "--- PASS: TestRealMounts/"); got != 10 {
			t.Errorf("%d of 10 cases ran:\n%s", got, out)
		}
		return
	}
	mount := func(t *testing.T, source, target, kind string, flags uintptr) {
		t.Helper()
		if err := unix.Mount(source, target, kind, flags, ""); err != nil {
			t.Fatalf("mount %s at %s: %v", source, target, err)
		}
		t.Cleanup(func() { unix.Unmount(target, unix.MNT_DETACH) })
	}
	const bind = unix.MS_BIND | unix.MS_REC
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		prepare func(t *testing.T, w *rootsWorld) (base string)
		want    string
	}{
		"of /usr/share": {func(t *testing.T, w *rootsWorld) string {
			at := w.mkdir(t, "data", 0o755)
			mount(t, "/usr/share", at, "", bind)
			return at
		}, "/usr"},
		"of a directory deep in /usr": {func(t *testing.T, w *rootsWorld) string {
			at := w.mkdir(t, "data", 0o755)
			mount(t, deepIn(t, "/usr"), at, "", bind)
			return at + "/new"
		}, "/usr"},
		"of a directory in /etc": {func(t *testing.T, w *rootsWorld) string {
			at := w.mkdir(t, "data", 0o755)
			mount(t, deepIn(t, "/etc"), at, "", bind)
			return at
		}, "/etc"},
		"of /": {func(t *testing.T, w *rootsWorld) string {
			at := w.mkdir(t, "root", 0o755)
			mount(t, "/", at, "", bind)
			return at + "/usr/local/share"
		}, "/usr"},
		"of / itself": {func(t *testing.T, w *rootsWorld) string {
			at := w.mkdir(t, "root", 0o755)
			mount(t, "/", at, "", bind)
			return at
		}, "/"},
		"of a tmpfs at /usr/local": {func(t *testing.T, w *rootsWorld) string {
			at := w.mkdir(t, "local", 0o755)
			mount(t, "tmpfs", "/usr/local", "tmpfs", 0)
			mount(t, "/usr/local", at, "", bind)
			return at + "/share"
		}, "/usr"},
		"of a part of that tmpfs": {func(t *testing.T, w *rootsWorld) string {
			at := w.mkdir(t, "local", 0o755)
			mount(t, "tmpfs", "/usr/local", "tmpfs", 0)
			if err := os.MkdirAll("/usr/local/a/b", 0o755); err != nil {
				t.Fatal(err)
			}
			mount(t, "/usr/local/a/b", at, "", bind)
			return at
		}, "/usr"},
		"hidden by another": {func(t *testing.T, w *rootsWorld) string {
			at := w.mkdir(t, "data", 0o755)
			mount(t, "/usr/share", at, "", bind)
			mount(t, "tmpfs", at, "tmpfs", 0)
			return at + "/own"
		}, "ok"},
		"of a directory of one's own": {func(t *testing.T, w *rootsWorld) string {
			at := w.mkdir(t, "data with blanks", 0o755)
			mount(t, w.mkdir(t, "real", 0o755), at, "", bind)
			return at
		}, "ok"},
		"of / and one's own in it": {func(t *testing.T, w *rootsWorld) string {
			at := w.mkdir(t, "root", 0o755)
			own := w.mkdir(t, "own", 0o755)
			mount(t, "/", at, "", bind)
			return at + own
		}, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newRootsWorld(t)
			w.dirs.Data = test.prepare(t, w)
			r, err := w.open()
			if got := verdict(err); got != test.want {
				table, _ := os.ReadFile("/proc/self/mountinfo")
				t.Fatalf("%s: %s, want %s\n%s", w.dirs.Data, got, test.want, table)
			}
			if err == nil {
				r.Close()
			}
		})
	}
}

// deepIn returns a directory at least two levels below top.
func deepIn(t *testing.T, top string) string {
	t.Helper()
	found, err := filepath.Glob(top + "/*/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		if info, err := os.Lstat(name); err == nil && info.IsDir() && unix.Access(name, unix.R_OK|unix.X_OK) == nil {
			return name
		}
	}
	t.Fatalf("no directory below %s", top)
	return ""
}
