package plan_test

import (
	"testing"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
)

// TestReleaseOfAnotherStoreBecomesDefault checks that only the links of such a release are
// planned: it is never installed here, and so never removed.
func TestReleaseOfAnotherStoreBecomesDefault(t *testing.T) {
	const prefix = "/opt/kist/data/kist/prefixes/acme-a-9-09000000"
	outside := plan.Outside{Head: record.Head{ID: "acme-a-9-09000000", Channel: "acme", Tool: "a", Version: "9",
		Commands: []record.Command{{Name: "a", Path: "bin/a"}, {Name: "a9", Path: "bin/a9"}}}, Prefix: prefix}
	m := newMachine()
	choose := plan.Change{Outside: []plan.Outside{outside}}
	leads := func(when string, want ...record.CommandLink) {
		t.Helper()
		got := m.Current.Links
		if len(got) != len(want) {
			t.Fatalf("%s: links %v, want %v", when, got, want)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: link %v, want %v", when, got[i], want[i])
			}
		}
		if m.Current.Has(outside.ID) {
			t.Errorf("%s: it counts as installed here", when)
		}
	}
	links := []record.CommandLink{{Name: "a", ID: outside.ID, Target: "bin/a", Prefix: prefix}, {Name: "a9", ID: outside.ID, Target: "bin/a9", Prefix: prefix}}
	m.mustApply(t, choose)
	leads("chosen", links...)
	if p, err := plan.Make(m.State, choose); err != nil || !p.Empty() {
		t.Errorf("chosen again: %+v, %v", p, err)
	}
	m.mustApply(t, install(release("acme", "b", "1", "b")))
	leads("another tool", links[0], links[1], record.CommandLink{Name: "b", ID: m.id(t, "acme/b@1"), Target: "bin/b"})
	m.mustApply(t, plan.Change{Remove: []record.ID{m.id(t, "acme/b@1")}})
	leads("the other tool is gone", links...)

	m.mustApply(t, install(release("acme", "a", "1", "a")))
	own := record.CommandLink{Name: "a", ID: m.id(t, "acme/a@1"), Target: "bin/a"}
	leads("the first version here", own)
	p, err := plan.Make(m.State, choose)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.PredictDefaults(p, nil, []record.Head{outside.Head})["acme/a"]; got != "9" {
		t.Errorf("it would default to %q", got)
	}
	m.mustApply(t, choose)
	leads("chosen instead", links...)
	m.mustApply(t, plan.Change{Rollback: true})
	leads("rolled back", own)
	m.mustApply(t, choose)
	m.mustApply(t, plan.Change{Remove: []record.ID{m.id(t, "acme/a@1")}})
	leads("the version here is gone", links...)
}
