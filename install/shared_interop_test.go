//go:build interop && unix

package install_test

import (
	"crypto/rand"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
)

// Another user can read what root installed, but not change it; root still can.
func TestAnotherUserReadsWhatRootInstalled(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can install for others")
	}
	w := newWorld(t)
	zig := w.install(w.release("zig", "1.0", "bin/zig"))
	before := w.snapshot()
	i, err := install.Open(t.Context(), install.Options{Dirs: w.dirs(), Host: install.Host{EUID: 4242, Caller: -1, PrivateGroup: -1}, Transport: w,
		Now: w.now, Version: "test", Random: rand.Reader, LockWait: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	s, err := i.State()
	if err != nil || len(s.Installed()) != 1 {
		t.Errorf("state: %v, %v", s.Installed(), err)
	}
	if _, drift, err := i.Verify(t.Context(), zig.ID); err != nil || len(drift) > 0 {
		t.Errorf("verify: %v, %v", drift, err)
	}
	if missing := i.Missing(zig); missing != nil {
		t.Error(missing)
	}
	refused := func(what string, err error) {
		t.Helper()
		if owner, ok := errors.AsType[*install.OwnerError](err); !ok || owner.EUID != 4242 || owner.Role != "data" {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("may change", i.MayChange())
	for what, c := range map[string]plan.Change{
		"install":   {Install: w.releases("zls", "1.0", "bin/zls")},
		"uninstall": {Remove: s.Current.Receipts},
	} {
		p, err := i.Plan(c)
		if err != nil {
			t.Fatal(err)
		}
		_, err = i.Apply(t.Context(), p)
		refused(what, err)
	}
	_, err = i.RemoveAll(t.Context(), true)
	refused("remove all", err)
	_, err = i.Lock(t.Context())
	refused("lock", err)
	for what, create := range map[string]func(bool) (*os.Root, error){"config": i.Config, "cache": i.Cache} {
		_, err := create(true)
		refused(what, err)
	}
	refused("writable", i.Writable())
	w.same(before)
	w.install(w.release("zls", "1.0", "bin/zls"))
}
