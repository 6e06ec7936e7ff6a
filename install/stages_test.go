package install_test

import (
	"crypto/rand"
	"errors"
	"os"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/record"
)

// A process that ends at once removes its stages, even while they are being filled;
// published releases stay.
func TestStagesRemoveDuringUnpack(t *testing.T) {
	w := newWorld(t)
	w.install(w.release("zig", "1.0", "bin/zig"))
	i := w.kist()
	stages := &install.Stages{}
	publish := func(stage *store.Stage, id record.ID) error {
		r, err := i.Receipt(w.state().Installed()[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		r.ID = id
		return i.Store().Publish(stage, r)
	}
	made := func() *store.Stage {
		stage, err := i.Store().NewStage(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := stage.Root().WriteFile("half", []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		return stage
	}
	published, half := made(), made()
	stages.Add(published.Revoke)
	if err := publish(published, "acme-zig-2-00000001"); err != nil {
		t.Fatal(err)
	}
	stopped := 0
	stages.Add(half.Revoke)
	half.FilledBy(func() { stopped++ })

	for range 2 { // the second time there is nothing left to do
		if err := stages.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	late := made()
	stages.Add(late.Revoke)
	late.FilledBy(func() { stopped++ })
	if stopped != 2 {
		t.Errorf("what fills the stages was stopped %d times", stopped)
	}
	for _, stage := range []*store.Stage{half, late} {
		if err := publish(stage, "acme-zig-2-00000002"); !errors.Is(err, store.ErrRevoked) {
			t.Errorf("a revoked stage was published: %v", err)
		}
		if err := stage.Discard(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(w.path(".local/share/kist/stage")); err != nil || len(left) > 0 {
		t.Errorf("left in stage: %v, %v", left, err)
	}
	if prefixes, err := os.ReadDir(w.path(".local/share/kist/prefixes")); err != nil || len(prefixes) != 2 {
		t.Errorf("prefixes: %v, %v", prefixes, err)
	}

	var none *install.Stages
	none.Add(late.Revoke)
	if err := none.Remove(); err != nil {
		t.Error(err)
	}
}
