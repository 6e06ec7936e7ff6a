package plan

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// asked is a release that was installed by what requested says.
func asked(requested, version string) manifests.Release {
	r := release("acme", "a", version, "a")
	r.Requested = requested
	return r
}

func TestUpdateTakesThePlaceAndKeepsTheOldForRollback(t *testing.T) {
	for _, test := range []struct {
		name      string
		installed []string // the first is the default
		from, to  string
		want      string
	}{
		{"the default", []string{"1"}, "1", "2", "acme/a@2* a=2"},
		{"beside the default", []string{"1", "2"}, "2", "3", "acme/a@3 acme/a@1* a=1"},
		{"to what is there", []string{"1", "2"}, "1", "2", "acme/a@2* a=2"},
		{"from beside to the default", []string{"2", "1"}, "1", "2", "acme/a@2* a=2"},
		{"back", []string{"2"}, "2", "1", "acme/a@1* a=1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine()
			for _, v := range test.installed {
				m.must(t, install(release("acme", "a", v, "a")))
			}
			before, old := m.force(), m.id(t, "acme/a@"+test.from)
			m.must(t, Change{Update: []Update{{old, release("acme", "a", test.to, "a")}}})
			if got := m.force(); got != test.want {
				t.Errorf("in force: %s, want %s", got, test.want)
			}
			if _, ok := m.Receipts[old]; !ok || m.Current.Has(old) {
				t.Error("the old release is still in force, or its receipt is lost")
			}
			m.must(t, Change{Rollback: true})
			if m.force() != before {
				t.Errorf("after rollback: %s, want %s", m.force(), before)
			}
		})
	}
}

func TestUpdateToTheSameVersionIsNothingToDo(t *testing.T) {
	m := newMachine()
	m.must(t, install(release("acme", "a", "1", "a")))
	p, err := Make(m.State, Change{Update: []Update{{m.id(t, "acme/a@1"), release("acme", "a", "1", "a")}}})
	if err != nil || !p.Empty() {
		t.Errorf("plan %+v, %v", p, err)
	}
}

func TestUpdateOfWhatIsNotInForce(t *testing.T) {
	m := newMachine()
	m.must(t, install(release("acme", "a", "1", "a")))
	old := m.id(t, "acme/a@1")
	m.must(t, Change{Update: []Update{{old, release("acme", "a", "2", "a")}}})
	var missing *NotInstalledError
	for _, u := range []Update{{old, release("acme", "a", "3", "a")}, {m.id(t, "acme/a@2"), release("acme", "b", "3", "b")}} {
		if _, err := Make(m.State, Change{Update: []Update{u}}); !errors.As(err, &missing) {
			t.Errorf("%s to %s: %v", u.ID, u.Release.Tool, err)
		}
	}
}

// One moves to what another moves away from: both places stay, each with what
// it was asked for.
func TestUpdatesThatMeet(t *testing.T) {
	m := newMachine()
	m.must(t, install(asked("stable", "2")))
	m.must(t, install(asked("lts", "1")))
	m.must(t, Change{Update: []Update{{m.id(t, "acme/a@1"), asked("lts", "2")}, {m.id(t, "acme/a@2"), asked("stable", "3")}}})
	if got, want := m.force(), "acme/a@3* acme/a@2 a=3"; got != want {
		t.Errorf("in force: %s, want %s", got, want)
	}
	// Two that come to the same version are one from then on, the default if either was.
	m.must(t, Change{Update: []Update{{m.id(t, "acme/a@2"), asked("lts", "4")}, {m.id(t, "acme/a@3"), asked("stable", "4")}}})
	if got, want := m.force(), "acme/a@4* a=4"; got != want {
		t.Errorf("in force: %s, want %s", got, want)
	}
}

func TestAddingAComponentKeepsWhatTheReleaseWasAskedFor(t *testing.T) {
	m := newMachine()
	m.must(t, install(asked("lts", "1")))
	r := m.Receipts[m.id(t, "acme/a@1")]
	r.Requested = "lts"
	m.Receipts[r.ID] = r
	more := asked("1", "1")
	more.Components = append(more.Components, "docs")
	p, err := Make(m.State, install(more))
	if err != nil || len(p.Install) != 1 || p.Install[0].Release.Requested != "lts" || !slices.Equal(p.Leave, []record.ID{r.ID}) {
		t.Errorf("plan %+v, %v", p, err)
	}
}

// Whatever is updated to whatever: the number of defaults stays, what was
// updated is at its version, nothing is removed, and rollback undoes all of it.
func TestUpdateInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine()
		for _, v := range rapid.SliceOfNDistinct(rapid.IntRange(1, 4), 1, 4, rapid.ID).Draw(t, "installed") {
			m.must(t, install(release("acme", "a", fmt.Sprint(v), "a")))
		}
		before, receipts, number := m.force(), len(m.Receipts), m.Current.Number
		var c Change
		moved := map[string]bool{}
		for _, r := range m.Installed() {
			to := r.Version
			if rapid.Bool().Draw(t, "update") {
				to = fmt.Sprint(rapid.IntRange(1, 5).Draw(t, "to"))
				c.Update = append(c.Update, Update{r.ID, release("acme", "a", to, "a")})
			}
			moved[to] = true
		}
		m.must(t, c)
		var got []string
		for _, r := range m.Installed() {
			if !moved[r.Version] {
				t.Errorf("%s is in force, and nothing should be at it", r.Ref())
			}
			got = append(got, r.Version)
		}
		if len(got) != len(moved) {
			t.Errorf("in force: %v, want %v", got, moved)
		}
		if len(m.Current.Defaults) != 1 || len(m.Current.Links) != 1 || len(m.Receipts) < receipts {
			t.Errorf("%d defaults, %d links, %d receipts of %d", len(m.Current.Defaults), len(m.Current.Links), len(m.Receipts), receipts)
		}
		if m.Current.Number != number {
			m.must(t, Change{Rollback: true})
		}
		if m.force() != before {
			t.Errorf("after rollback: %s, want %s", m.force(), before)
		}
	})
}
