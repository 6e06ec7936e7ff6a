//go:build interop && linux

package install_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// TestReleasesShareBlocks installs releases of one tool on XFS: they share the blocks of
// equal files, and equal blocks of others. A change of one file reaches no other release,
// and removal leaves the others whole. It needs root, mkfs.xfs and loop devices.
func TestReleasesShareBlocks(t *testing.T) {
	dir := t.TempDir()
	image, home := filepath.Join(dir, "image"), filepath.Join(dir, "home")
	for _, command := range [][]string{
		{"truncate", "-s", "600M", image}, {"mkfs.xfs", "-q", "-m", "reflink=1", image}, {"mkdir", home}, {"mount", "-o", "loop", image, home},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", home).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, out)
		}
	})
	used := func() int64 {
		unix.Sync()
		var s unix.Statfs_t
		if err := unix.Statfs(home, &s); err != nil {
			t.Fatal(err)
		}
		return int64(s.Blocks-s.Bfree) * s.Bsize
	}
	w := worldIn(t, home)
	const size = 8 << 20
	random := rand.NewChaCha8([32]byte{1})
	same, program := make([]byte, size), make([]byte, size)
	random.Read(same)
	random.Read(program)
	release := func(version int) manifests.Release {
		random.Read(program[:4096]) // one block of the program differs
		var b bytes.Buffer
		tw := tar.NewWriter(&b)
		for name, data := range map[string][]byte{"bin/zig": program, "lib/same": same} {
			if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Typeflag: tar.TypeReg, Size: size}); err != nil {
				t.Fatal(err)
			}
			tw.Write(data)
		}
		if err := tw.Close(); err != nil {
			t.Fatal(err)
		}
		return w.offer("zig", fmt.Sprintf("%d.0", version), b.Bytes())
	}
	empty := used()
	old := w.install(release(1))
	one := used() - empty
	for version := 2; version <= 5; version++ {
		r, _ := w.find(fmt.Sprintf("zig %d.0", version-1))
		w.must(plan.Change{Update: []plan.Update{{ID: r.ID, Release: release(version)}}})
	}
	// The cache holds every archive, and shares nothing.
	if five := used() - empty; one < 2*size || five-4*2*size > one+one/5 {
		t.Errorf("five releases take %d bytes, one %d, the archives of four %d", five, one, 4*2*size)
	}

	s := w.state()
	if err := os.WriteFile(filepath.Join(w.kist().Prefix(old.ID), "lib/same"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	for id := range s.Receipts {
		_, drift, err := w.kist().Verify(t.Context(), id)
		if err != nil || (len(drift) > 0) != (id == old.ID) {
			t.Errorf("%s: %v, %v", id, drift, err)
		}
	}
	var c plan.Change
	for id := range s.Earlier() {
		c.Free = append(c.Free, id)
	}
	if res := w.must(c); len(res.Removed) != 4 || len(res.Leftovers) != 1 {
		t.Errorf("removed %d, left %v", len(res.Removed), res.Leftovers)
	}
	for _, id := range w.state().Current.Receipts {
		if _, drift, err := w.kist().Verify(t.Context(), record.ID(id)); err != nil || len(drift) > 0 {
			t.Errorf("the release in force: %v, %v", drift, err)
		}
	}
}
