package plan_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
)

// TestShims checks that launchers are added and removed by name, stay in a change of
// something else, and that nothing to do means no new generation.
func TestShims(t *testing.T) {
	g := record.Generation{Number: 3, Parent: 2, Shims: []string{"go", "node"}}
	s := plan.State{Current: g, Generations: map[uint64]record.Generation{3: g}}
	for _, test := range []struct {
		change plan.Change
		want   []string
		empty  bool
	}{
		{plan.Change{ShimsOn: []string{"go"}}, []string{"go", "node"}, true},
		{plan.Change{ShimsOff: []string{"zig"}}, []string{"go", "node"}, true},
		{plan.Change{ShimsOn: []string{"zig", "gofmt", "zig"}}, []string{"go", "gofmt", "node", "zig"}, false},
		{plan.Change{ShimsOff: []string{"go", "go"}}, []string{"node"}, false},
	} {
		p, err := plan.Make(s, test.change)
		if err != nil || p.Empty() != test.empty || !slices.Equal(p.Predicted.Shims, test.want) {
			t.Errorf("%v %v: %v, empty %v, %v", test.change.ShimsOn, test.change.ShimsOff, p.Predicted.Shims, p.Empty(), err)
		}
	}
}

// TestShimsRefuseForeignFiles checks that a launcher takes no other file's place, also by a
// rollback, and that one that is kist's already stays.
func TestShimsRefuseForeignFiles(t *testing.T) {
	now, before := record.Generation{Number: 3, Parent: 2}, record.Generation{Number: 2, Shims: []string{"go"}}
	s := plan.State{Current: now, Generations: map[uint64]record.Generation{2: before, 3: now}, Foreign: map[string]string{"go": "a file"}}
	for name, c := range map[string]plan.Change{"on": {ShimsOn: []string{"go"}}, "rollback": {Rollback: true}} {
		if _, err := plan.Make(s, c); !errors.As(err, new(*plan.ForeignFileError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.Current.Shims = []string{"go"}
	if p, err := plan.Make(s, plan.Change{ShimsOn: []string{"zig"}}); err != nil || !slices.Equal(p.Predicted.Shims, []string{"go", "zig"}) {
		t.Errorf("%v %v", p.Predicted.Shims, err)
	}
	if _, err := plan.Make(s, plan.Change{ShimsOn: []string{"../go"}}); err == nil {
		t.Error("a path is no command")
	}
}
