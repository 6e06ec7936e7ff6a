package install_test

import (
	"testing"
	"time"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/plan"
)

// TestRemember checks that an answer is stored for the generation that it was made for, and
// not while a file of the project may still be changing.
func TestRemember(t *testing.T) {
	w := newWorld(t)
	w.do(installs("zig 1.0"))
	a := install.Answer{Dir: "/home/me/shop", Files: []string{"/home/me/shop/kist.toml"}}
	remember := func(what string, age time.Duration, stale, want bool) {
		t.Helper()
		i := w.kist()
		defer i.Close()
		s, err := i.State()
		if err != nil {
			t.Fatal(err)
		}
		if stale {
			s.Current.Number--
		}
		if stored, err := i.Remember(t.Context(), s.Current, a, []time.Time{i.Opened().Now.Add(-age)}); err != nil || stored != want {
			t.Errorf("%s: stored %v, want %v (%v)", what, stored, want, err)
		}
	}
	remember("without launchers", time.Hour, false, false)
	w.do(func(w *world) error { return w.try(plan.Change{ShimsOn: []string{"zig"}}) })
	remember("a file that has just changed", time.Second, false, false)
	remember("an earlier generation", time.Hour, true, false)
	remember("an older file", time.Hour, false, true)
}
