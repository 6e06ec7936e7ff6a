package rootfs

import "testing"

// What fails while it is made durable ahead fails Sync, which would not hear of it
// again.
func TestSyncerRemembers(t *testing.T) {
	root, _ := openTemp(t)
	s, err := OpenSyncer(root)
	must(t, err)
	whole := s.dir
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
	s.dir = whole // by itself it can be
	if err := s.Sync(); err == nil {
		t.Error("what failed before is forgotten")
	}
}
