package install_test

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// Each test makes only the first steps of a change, as a killed process would, and lets
// the next writer repair the rest.

// cut does the steps of installing r up to and without the one named.
func (w *world) cut(r record.Receipt, stage *store.Stage, before string) {
	w.t.Helper()
	i := w.kist()
	defer i.Close()
	s, err := i.State()
	if err != nil {
		w.t.Fatal(err)
	}
	p := plan.Plan{Install: []plan.Install{{Default: true}}}
	next, err := plan.Next(s, p, []record.Head{r.Head}, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	next.Number = s.Current.Number + 1
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"publish", func() error { return i.Store().Publish(stage, r) }},
		{"prepare", func() error { return i.Store().Prepare(next, nil) }},
		{"switch", func() error { return i.Store().Switch(next.Number) }},
		{"confirm", func() error { return i.Store().Confirm(next.Number) }},
	} {
		if step.name == before {
			return
		}
		if err := step.do(); err != nil {
			w.t.Fatal(err)
		}
	}
}

func TestNextWriterRepairsInterruptedInstall(t *testing.T) {
	for _, test := range []struct {
		before    string
		installed bool
	}{{"publish", false}, {"prepare", false}, {"switch", false}, {"confirm", true}, {"links", true}} {
		t.Run(test.before, func(t *testing.T) {
			w := newWorld(t)
			w.install(w.release("first", "1.0", "bin/first"))
			i := w.kist()
			r, stage, err := i.Stage(t.Context(), plan.Install{Release: w.release("cut", "1.0", "bin/cut")})
			if err != nil {
				t.Fatal(err)
			}
			id := r.ID
			w.cut(r, stage, test.before)
			if test.before == "publish" {
				w.abandon(stage)
			}
			if got := w.command("first"); got != "bin/first 1.0" {
				t.Errorf("meanwhile the command first holds %q", got)
			}

			w.install(w.release("next", "1.0", "bin/next"))
			s, err := w.kist().State()
			if err != nil {
				t.Fatal(err)
			}
			_, received := s.Receipts[id]
			_, err = os.Lstat(w.kist().Prefix(id))
			if present := err == nil; present != test.installed || received != test.installed || s.Current.Has(id) != test.installed {
				t.Errorf("prefix there: %v, receipt: %v, in force: %v; want all %v", present, received, s.Current.Has(id), test.installed)
			}
			if got := w.command("cut"); test.installed != (got == "bin/cut 1.0") {
				t.Errorf("the command cut holds %q", got)
			}
			if left, err := os.ReadDir(w.path(".local/share/kist/stage")); err != nil || len(left) > 0 {
				t.Errorf("left in stage: %v, %v", left, err)
			}
			if _, err := w.kist().RemoveAll(t.Context(), true); err != nil {
				t.Fatal(err)
			}
			if left, err := os.ReadDir(w.home); err != nil || len(left) > 0 {
				t.Errorf("left in the home: %v, %v", left, err)
			}
		})
	}
}

// abandon leaves a stage as a killed writer does: filled, without a held lock.
func (w *world) abandon(stage *store.Stage) {
	w.t.Helper()
	if err := stage.Abandon(); err != nil {
		w.t.Fatal(err)
	}
}

func TestNextWriterFinishesRemoval(t *testing.T) {
	w := newWorld(t)
	r := w.install(w.release("zig", "1.0", "bin/zig", "lib/a", "lib/b"))
	i := w.kist()
	s, err := i.State()
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Make(s, plan.Change{Remove: []record.ID{r.ID}})
	if err != nil {
		t.Fatal(err)
	}
	next, err := plan.Next(s, p, nil, w.now)
	if err != nil {
		t.Fatal(err)
	}
	next.Number = s.Current.Number + 1
	if err := errors.Join(i.Store().Prepare(next, nil), i.Store().Switch(next.Number), os.Remove(filepath.Join(i.Prefix(r.ID), "lib/a"))); err != nil {
		t.Fatal(err)
	}
	i.Close()

	res := w.must(plan.Change{Remove: []record.ID{r.ID}}) // the user runs it again
	if len(res.Removed) != 1 || len(res.Leftovers) > 0 {
		t.Errorf("removed %v, kept %v", res.Removed, res.Leftovers)
	}
	if _, err := os.Lstat(w.kist().Prefix(r.ID)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the prefix is still there: %v", err)
	}
	if got := w.command("zig"); !strings.Contains(got, "no such file") {
		t.Errorf("the command is still there: %s", got)
	}
}

func TestEmptyInstallStillRepairs(t *testing.T) {
	w := newWorld(t)
	r := w.release("zig", "1.0", "bin/zig")
	w.install(r)
	if err := os.Remove(w.path(".local/bin/zig")); err != nil {
		t.Fatal(err)
	}
	asked := w.asked
	w.must(plan.Change{Install: nil})
	if got := w.command("zig"); got != "bin/zig 1.0" {
		t.Errorf("the command holds %q", got)
	}
	if w.asked != asked {
		t.Error("it used the network")
	}
}

func TestStageInUseIsKept(t *testing.T) {
	w := newWorld(t)
	w.install(w.release("zig", "1.0", "bin/zig"))
	i := w.kist()
	stage, err := i.Store().NewStage(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := stage.Root().WriteFile("half", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.install(w.release("other", "1.0", "bin/other"))
	if _, err := stage.Root().Stat("half"); err != nil {
		t.Errorf("another kist's sweep took it: %v", err)
	}
	if err := stage.Discard(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(w.path(".local/share/kist/stage")); err != nil || len(left) > 0 {
		t.Errorf("left in stage: %v, %v", left, err)
	}
}

// Stages are made while another kist removes the stages that a crash left.
func TestStagesDuringConcurrentSweep(t *testing.T) {
	w := newWorld(t)
	w.install(w.release("zig", "1.0", "bin/zig"))
	sweeping, done := w.kist().Store(), make(chan struct{})
	var sweeps sync.WaitGroup
	sweeps.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if stuck := sweeping.Sweep(); len(stuck) > 0 {
				t.Error(stuck[0])
				return
			}
		}
	})
	making := w.kist().Store()
	for range 2000 / short.Step(t, 20) {
		stage, err := making.NewStage(rand.Reader)
		if err != nil {
			t.Error(err)
			break
		}
		if _, err := stage.Root().Stat("."); err != nil {
			t.Errorf("it was swept: %v", err)
		}
		if err := stage.Discard(); err != nil {
			t.Error(err)
		}
	}
	close(done)
	sweeps.Wait()
}
