package rootfs

import (
	"os"
	"testing"
)

// An error of a background sync fails Sync, to which the kernel would not report it
// again.
func TestSyncReportsBackgroundErrors(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s, err := OpenSyncer(root)
	if err != nil {
		t.Fatal(err)
	}
	working := s.dir
	if s.dir, err = root.Open("."); err != nil {
		t.Fatal(err)
	}
	if err := s.dir.Close(); err != nil { // a descriptor that cannot be synced
		t.Fatal(err)
	}
	s.Ahead()
	failed := <-s.done
	s.done <- failed
	if failed == nil {
		t.Fatal("a closed descriptor was synced")
	}
	s.dir = working
	if err := s.Sync(); err == nil {
		t.Error("Sync forgot the error of the background sync")
	}
}
