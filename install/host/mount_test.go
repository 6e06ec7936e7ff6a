package host_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/kist-tools/kist/install/host"
)

func TestReachOf(t *testing.T) {
	dir := t.TempDir()
	mount := host.MountOf(dir)
	if host.MountOf(mount) != mount || !host.OnOneDevice(dir, mount) {
		t.Fatalf("%s is on %s", dir, mount)
	}
	shop := filepath.Join(dir, "shop")
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if host.ReachOf(shop, mount) != host.Gone || host.ReachOf(filepath.Join(dir, "file", "shop"), mount) != host.Gone {
		t.Error("a deleted directory is not gone")
	}
	if err := os.Mkdir(shop, 0o700); err != nil {
		t.Fatal(err)
	}
	if host.ReachOf(shop, mount) != host.Present {
		t.Error("a directory that exists cannot be reached")
	}
	for name, mount := range map[string]string{
		"an unknown file system":      "",
		"a mount point that is gone":  filepath.Join(dir, "mnt"),
		"a mount point without mount": dir, // an empty directory is left when a disk is unmounted
	} {
		if host.ReachOf(filepath.Join(dir, "mnt", "shop"), mount) != host.OutOfReach {
			t.Errorf("%s: the directory counts as gone", name)
		}
	}
}
