package plan_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// requestedRelease returns version of acme/a with the given Requested.
func requestedRelease(requested, version string) manifests.Release {
	r := release("acme", "a", version, "a")
	r.Requested = requested
	return r
}

func TestUpdateReplacesReleaseAndRollbackReturnsToIt(t *testing.T) {
	for _, test := range []struct {
		name      string
		installed []string // the first is the default
		from, to  string
		want      string
	}{
		{"the default", []string{"1"}, "1", "2", "acme/a@2* a=2"},
		{"a release that is not the default", []string{"1", "2"}, "2", "3", "acme/a@3 acme/a@1* a=1"},
		{"to an installed version", []string{"1", "2"}, "1", "2", "acme/a@2* a=2"},
		{"to the installed default", []string{"2", "1"}, "1", "2", "acme/a@2* a=2"},
		{"to an older version", []string{"2"}, "2", "1", "acme/a@1* a=1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine()
			for _, v := range test.installed {
				m.mustApply(t, install(release("acme", "a", v, "a")))
			}
			before, old := m.summary(), m.id(t, "acme/a@"+test.from)
			m.mustApply(t, plan.Change{Update: []plan.Update{{old, release("acme", "a", test.to, "a")}}})
			if got := m.summary(); got != test.want {
				t.Errorf("installed: %s, want %s", got, test.want)
			}
			if _, ok := m.Receipts[old]; !ok || m.Current.Has(old) {
				t.Error("the old release is still in the generation, or its receipt is lost")
			}
			m.mustApply(t, plan.Change{Rollback: true})
			if m.summary() != before {
				t.Errorf("after rollback: %s, want %s", m.summary(), before)
			}
		})
	}
}

func TestUpdateToSameVersionIsEmpty(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(release("acme", "a", "1", "a")))
	p, err := plan.Make(m.State, plan.Change{Update: []plan.Update{{m.id(t, "acme/a@1"), release("acme", "a", "1", "a")}}})
	if err != nil || !p.Empty() {
		t.Errorf("plan %+v, %v", p, err)
	}
}

func TestUpdateRefusesReleaseNotInstalled(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(release("acme", "a", "1", "a")))
	old := m.id(t, "acme/a@1")
	m.mustApply(t, plan.Change{Update: []plan.Update{{old, release("acme", "a", "2", "a")}}})
	for _, u := range []plan.Update{{old, release("acme", "a", "3", "a")}, {m.id(t, "acme/a@2"), release("acme", "b", "3", "b")}} {
		if _, err := plan.Make(m.State, plan.Change{Update: []plan.Update{u}}); !errors.Is(err, plan.ErrNotInstalled) {
			t.Errorf("%s to %s: %v", u.ID, u.Release.Tool, err)
		}
	}
}

// If one update ends at the version that another leaves, both releases remain, each
// with its own Requested. If two end at the same version, one release remains.
func TestUpdatesToOverlappingVersions(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(requestedRelease("stable", "2")))
	m.mustApply(t, install(requestedRelease("lts", "1")))
	m.mustApply(t, plan.Change{Update: []plan.Update{{m.id(t, "acme/a@1"), requestedRelease("lts", "2")}, {m.id(t, "acme/a@2"), requestedRelease("stable", "3")}}})
	if got, want := m.summary(), "acme/a@3* acme/a@2 a=3"; got != want {
		t.Errorf("installed: %s, want %s", got, want)
	}
	// The merged release is the default if either was.
	m.mustApply(t, plan.Change{Update: []plan.Update{{m.id(t, "acme/a@2"), requestedRelease("lts", "4")}, {m.id(t, "acme/a@3"), requestedRelease("stable", "4")}}})
	if got, want := m.summary(), "acme/a@4* a=4"; got != want {
		t.Errorf("installed: %s, want %s", got, want)
	}
}

func TestAddingComponentKeepsRequested(t *testing.T) {
	m := newMachine()
	m.mustApply(t, install(requestedRelease("lts", "1")))
	r := m.Receipts[m.id(t, "acme/a@1")]
	r.Requested = "lts"
	m.Receipts[r.ID] = r
	more := requestedRelease("1", "1")
	more.Components = append(more.Components, "docs")
	p, err := plan.Make(m.State, install(more))
	if err != nil || len(p.Install) != 1 || p.Install[0].Release.Requested != "lts" || !slices.Equal(p.Leave, []record.ID{r.ID}) {
		t.Errorf("plan %+v, %v", p, err)
	}
}

// For any set of updates: the number of defaults stays the same, each updated release
// has its new version, nothing is removed, and rollback undoes all updates.
func TestUpdateInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine()
		for _, v := range rapid.SliceOfNDistinct(rapid.IntRange(1, 4), 1, 4, rapid.ID).Draw(t, "installed") {
			m.mustApply(t, install(release("acme", "a", fmt.Sprint(v), "a")))
		}
		before, receipts, number := m.summary(), len(m.Receipts), m.Current.Number
		var c plan.Change
		moved := map[string]bool{}
		for _, r := range m.Installed() {
			to := r.Version
			if rapid.Bool().Draw(t, "update") {
				to = fmt.Sprint(rapid.IntRange(1, 5).Draw(t, "to"))
				c.Update = append(c.Update, plan.Update{r.ID, release("acme", "a", to, "a")})
			}
			moved[to] = true
		}
		m.mustApply(t, c)
		var got []string
		for _, r := range m.Installed() {
			if !moved[r.Version] {
				t.Errorf("%s is installed, but no release was updated to it", r.Ref())
			}
			got = append(got, r.Version)
		}
		if len(got) != len(moved) {
			t.Errorf("installed: %v, want %v", got, moved)
		}
		if len(m.Current.Defaults) != 1 || len(m.Current.Links) != 1 || len(m.Receipts) < receipts {
			t.Errorf("%d defaults, %d links, %d receipts of %d", len(m.Current.Defaults), len(m.Current.Links), len(m.Receipts), receipts)
		}
		if m.Current.Number != number {
			m.mustApply(t, plan.Change{Rollback: true})
		}
		if m.summary() != before {
			t.Errorf("after rollback: %s, want %s", m.summary(), before)
		}
	})
}
