package plan_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/plan"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// update plans the update of tool, keeping the last keep earlier releases.
func (m *machine) update(tool, from, to string, keep int) plan.Change {
	for id, r := range m.Receipts {
		if m.Current.Has(id) && r.Tool == tool && r.Version == from {
			return plan.Change{Update: []plan.Update{{id, release("acme", tool, to, tool)}}, Keep: &keep}
		}
	}
	return plan.Change{}
}

// earlier lists the releases that only older generations name, with their ranks.
func (m *machine) earlier() string {
	var out []string
	for id, rank := range m.Earlier() {
		out = append(out, fmt.Sprintf("%s@%s:%d", m.Receipts[id].Tool, m.Receipts[id].Version, rank))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestUpdateKeepsEarlierReleases(t *testing.T) {
	for keep, want := range []string{"", "a@4:1", "a@3:2 a@4:1", "a@2:3 a@3:2 a@4:1", "a@1:4 a@2:3 a@3:2 a@4:1"} {
		m := newMachine()
		m.mustApply(t, install(release("acme", "a", "1", "a")))
		for v := range 4 {
			m.mustApply(t, m.update("a", fmt.Sprint(v+1), fmt.Sprint(v+2), keep))
		}
		if got := m.earlier(); got != want {
			t.Errorf("keep %d: %q, want %q", keep, got, want)
		}
		for back := range keep {
			m.mustApply(t, plan.Change{Rollback: true})
			if want := fmt.Sprintf("acme/a@%d* a=%[1]d", 4-back); m.summary() != want {
				t.Errorf("keep %d: rolled back to %q, want %q", keep, m.summary(), want)
			}
		}
		if keep < 4 {
			if err := m.apply(plan.Change{Rollback: true}); !errors.Is(err, plan.ErrNoPrevious) {
				t.Errorf("keep %d: one more rollback: %v", keep, err)
			}
		}
	}
}

// Each tool keeps its own earlier releases, however often the other is updated. A
// generation that only holds one of them cannot be returned to.
func TestEachToolKeepsItsOwn(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(release("acme", "a", "1", "a")))
	m.mustApply(t, install(release("acme", "b", "1", "b")))
	m.mustApply(t, m.update("a", "1", "2", 1))
	for v := range 3 {
		m.mustApply(t, m.update("b", fmt.Sprint(v+1), fmt.Sprint(v+2), 1))
	}
	if got, want := m.earlier(), "a@1:1 b@3:1"; got != want {
		t.Fatalf("kept %q, want %q", got, want)
	}
	m.mustApply(t, plan.Change{Rollback: true})
	if got, want := m.summary(), "acme/a@2* acme/b@3* a=2 b=3"; got != want {
		t.Errorf("rolled back to %q, want %q", got, want)
	}
	if err := m.apply(plan.Change{Rollback: true}); !errors.Is(err, plan.ErrNoPrevious) {
		t.Errorf("a rollback to what was freed: %v", err)
	}

	// The same with another order: the parent of the current generation has lost a release.
	m = newMachine()
	m.mustApply(t, install(release("acme", "a", "1", "a"), release("acme", "b", "1", "b")))
	m.mustApply(t, plan.Change{Update: append(m.update("a", "1", "2", 1).Update, m.update("b", "1", "2", 1).Update...)})
	for id, r := range m.Receipts {
		if r.Ref() == "acme/b@1" {
			m.mustApply(t, plan.Change{Free: []record.ID{id}})
		}
	}
	if got, want := m.earlier(), "a@1:1"; got != want {
		t.Fatalf("kept %q, want %q", got, want)
	}
	err := m.apply(plan.Change{Rollback: true})
	if freed, ok := errors.AsType[*plan.FreedError](err); !ok || !slices.Equal(freed.Releases, []string{"acme/b@1"}) {
		t.Errorf("rollback to a generation that lost a release: %v", err)
	}
}

// What a rollback left stays until an update, and does not displace what rollback leads to.
func TestRollbackKeepsWhatItLeft(t *testing.T) {
	m := newMachine()
	keep := 1
	m.mustApply(t, install(release("acme", "a", "1", "a")))
	m.mustApply(t, m.update("a", "1", "2", keep))
	m.mustApply(t, plan.Change{Rollback: true, Keep: &keep})
	if got, want := m.earlier(), "a@2:1"; got != want {
		t.Errorf("after the rollback: %q, want %q", got, want)
	}
	m.mustApply(t, m.update("a", "1", "3", keep))
	if got, want := m.earlier(), "a@1:1"; got != want {
		t.Errorf("after an update: %q, want %q", got, want)
	}
	m.mustApply(t, plan.Change{Rollback: true, Keep: &keep})
	if got, want := m.summary(), "acme/a@1* a=1"; got != want {
		t.Errorf("rolled back to %q, want %q", got, want)
	}
}

// Several installed versions of a tool stay, and so does what is gone from the disk.
func TestNothingInForceIsFreed(t *testing.T) {
	m := newMachine()
	for _, v := range []string{"1", "2", "3"} {
		m.mustApply(t, install(release("acme", "a", v, "a")))
	}
	m.mustApply(t, m.update("a", "3", "4", 0))
	if got, want := m.summary(), "acme/a@4 acme/a@2 acme/a@1* a=1"; got != want {
		t.Errorf("installed: %q, want %q", got, want)
	}
	if got := m.earlier(); got != "" {
		t.Errorf("kept %q", got)
	}
	inForce := m.id(t, "acme/a@2")
	p, err := plan.Make(m.State, plan.Change{Free: []record.ID{inForce, "acme-a-9-00000000"}})
	if err != nil || !p.Empty() {
		t.Errorf("freeing what is in force or unknown: %+v, %v", p, err)
	}

	old := m.id(t, "acme/a@4")
	m.Gone = map[record.ID]bool{old: true}
	m.mustApply(t, m.update("a", "4", "5", 0))
	if _, ok := m.Receipts[old]; !ok {
		t.Error("a release that is gone from the disk was freed")
	}
}

// Any sequence of changes keeps what is in force and the last earlier releases of each
// tool, and nothing else. No receipt is without a generation.
func TestFreeingKeepsInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine()
		keep := rapid.IntRange(0, 2).Draw(t, "keep")
		for step := range rapid.IntRange(1, 15).Draw(t, "steps") {
			c := plan.Change{Keep: &keep}
			installed := m.Installed()
			switch kind := rapid.IntRange(0, 4).Draw(t, "kind"); {
			case kind == 0 || len(installed) == 0:
				c.Install = []manifests.Release{release("acme", rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "tool"), "1")}
			case kind == 1:
				c.Rollback = true
			case kind == 2:
				for id := range m.Earlier() {
					c.Free = append(c.Free, id)
				}
				slices.Sort(c.Free)
				c.Free = c.Free[:min(len(c.Free), 1)]
			default:
				r := rapid.SampledFrom(installed).Draw(t, "which")
				c.Update = []plan.Update{{r.ID, release("acme", r.Tool, fmt.Sprint(10+step))}}
			}
			before := m.Current
			err := m.apply(c)
			_, freed := errors.AsType[*plan.FreedError](err)
			if err != nil && !errors.Is(err, plan.ErrNoPrevious) && !freed {
				t.Fatal(err)
			}
			for id, rank := range m.Earlier() {
				if err == nil && (c.Rollback && before.Number != m.Current.Number || len(c.Update) > 0) && rank > keep {
					t.Fatalf("%s stays with rank %d", id, rank)
				}
			}
			for id := range m.Receipts {
				if !plan.IsNamed(m.Generations, id) {
					t.Fatalf("no generation names %s", id)
				}
			}
			for n, g := range m.Generations {
				for _, id := range g.Receipts {
					if _, ok := m.Receipts[id]; !ok {
						t.Fatalf("generation %d names %s, which is gone", n, id)
					}
				}
				for _, l := range g.Links {
					if !g.Has(l.ID) || g.Defaults[m.Receipts[l.ID].Key()] != l.ID {
						t.Fatalf("generation %d links %s to %s", n, l.Name, l.ID)
					}
				}
			}
			if len(m.Current.Freed) > 0 {
				t.Fatal("a generation that lost a release is in force")
			}
			if g, ok := m.Generations[m.Current.Parent]; keep > 0 && len(c.Update) > 0 && err == nil && (!ok || len(g.Freed) > 0) {
				t.Fatalf("an update cannot be rolled back: %+v", g)
			}
		}
	})
}

// A release that is made again takes the place of the one that differs, which is freed: no
// older generation can bring it back. Its default, and what it follows, stay.
func TestRemakeReplacesAndFrees(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(release("acme", "a", "1", "a")))
	m.mustApply(t, install(release("acme", "b", "1", "b")))
	old := m.id(t, "acme/a@1")
	followed := m.Receipts[old]
	followed.Requested = "stable"
	m.Receipts[old] = followed
	m.mustApply(t, install(release("acme", "a", "2", "a2")))
	before := m.summary()

	m.mustApply(t, install(release("acme", "a", "1", "a"))) // honest twin: nothing is to be made again
	if id := m.id(t, "acme/a@1"); id != old || m.summary() != before {
		t.Fatalf("without Remake: %s, %s", id, m.summary())
	}
	p, err := plan.Make(m.State, plan.Change{Install: []manifests.Release{release("acme", "a", "1", "a")}, Remake: []record.ID{old}})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Install) != 1 || p.Install[0].Release.Requested != "stable" || !p.Install[0].Default || p.Install[0].Base != "" {
		t.Errorf("it installs %+v", p.Install)
	}
	if !slices.Equal(p.Free, []record.ID{old}) || !slices.Equal(p.Leave, []record.ID{old}) || len(p.Remove) > 0 {
		t.Errorf("it frees %v, lets go %v, removes %v", p.Free, p.Leave, p.Remove)
	}
	m.mustApply(t, plan.Change{Install: []manifests.Release{release("acme", "a", "1", "a")}, Remake: []record.ID{old}})
	if m.summary() != before {
		t.Errorf("afterwards %s, before %s", m.summary(), before)
	}
	for n, g := range m.Generations {
		if g.Has(old) {
			t.Errorf("generation %d still names %s", n, old)
		}
	}
}

// A release that is made again is no update: the earlier release stays, and rollback returns
// to it.
func TestRemakeKeepsEarlierReleases(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(release("acme", "a", "1", "a")))
	m.mustApply(t, m.update("a", "1", "2", 1))
	m.mustApply(t, install(release("acme", "b", "1", "b")))
	keep := 1
	m.mustApply(t, plan.Change{Install: []manifests.Release{release("acme", "a", "2", "a")}, Remake: []record.ID{m.id(t, "acme/a@2")}, Keep: &keep})
	if got := m.earlier(); got != "a@1:1" {
		t.Errorf("earlier: %q", got)
	}
	if got := m.summary(); got != "acme/a@2* acme/b@1* a=2 b=1" {
		t.Errorf("in force: %s", got)
	}
	m.mustApply(t, plan.Change{Rollback: true})
	if got := m.summary(); got != "acme/a@1* a=1" {
		t.Errorf("rolled back to %s", got)
	}
}
