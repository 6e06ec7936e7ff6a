package plan_test

import (
	"maps"
	"testing"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

func TestPredictDefaults(t *testing.T) {
	m := newMachine()
	install := func(version string, links plan.Links) plan.Change {
		return plan.Change{Install: []manifests.Release{release("go", "go", version, "go")}, Links: links}
	}
	if err := m.apply(install("1", plan.FirstBecomesDefault)); err != nil {
		t.Fatal(err)
	}
	if err := m.apply(install("2", plan.NoLinks)); err != nil {
		t.Fatal(err)
	}
	first, second := m.Installed()[1], m.Installed()[0]
	for name, test := range map[string]struct {
		change  plan.Change
		removed []string
		want    map[string]string
	}{
		"a new version that is not linked": {install("3", plan.FirstBecomesDefault), nil, nil},
		"a new default":                    {install("3", plan.AlwaysDefault), nil, map[string]string{"go/go": "3"}},
		"the first version of a tool":      {plan.Change{Install: []manifests.Release{release("a", "zig", "1", "zig")}}, nil, nil},
		"another installed version":        {plan.Change{Default: []record.ID{second.ID}}, nil, map[string]string{"go/go": "2"}},
		"the default goes":                 {plan.Change{Remove: []record.ID{first.ID}}, []string{first.Ref()}, map[string]string{"go/go": "2"}},
		"all of it goes":                   {plan.Change{Remove: []record.ID{first.ID, second.ID}}, []string{first.Ref(), second.Ref()}, nil},
	} {
		p, err := plan.Make(m.State, test.change)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := m.PredictDefaults(p, test.removed, nil); !maps.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}
