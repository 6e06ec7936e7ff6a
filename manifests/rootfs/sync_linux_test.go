package rootfs

import "testing"

// An error of a background sync fails Sync, to which the kernel would not report it
// again.
func TestSyncReportsBackgroundErrors(t *testing.T) {
	root, _ := openTemp(t)
	s, err := OpenSyncer(root)
	must(t, err)
	working := s.dir
	if s.dir, err = root.Open("."); err != nil {
		t.Fatal(err)
	}
	must(t, s.dir.Close()) // a descriptor that cannot be synced
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
