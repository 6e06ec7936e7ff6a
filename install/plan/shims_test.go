package plan

import (
	"errors"
	"slices"
	"testing"

	"github.com/kist-tools/kist/install/record"
)

// TestShims checks that launchers are added and removed by name, stay in a change of
// something else, and that nothing to do means no new generation.
func TestShims(t *testing.T) {
	g := record.Generation{Number: 3, Parent: 2, Shims: []string{"go", "node"}}
	s := State{Current: g, Generations: map[uint64]record.Generation{3: g}}
	for _, test := range []struct {
		change Change
		want   []string
		empty  bool
	}{
		{Change{ShimsOn: []string{"go"}}, []string{"go", "node"}, true},
		{Change{ShimsOff: []string{"zig"}}, []string{"go", "node"}, true},
		{Change{ShimsOn: []string{"zig", "gofmt", "zig"}}, []string{"go", "gofmt", "node", "zig"}, false},
		{Change{ShimsOff: []string{"go", "go"}}, []string{"node"}, false},
	} {
		p, err := Make(s, test.change)
		if err != nil || p.Empty() != test.empty || !slices.Equal(p.Predicted.Shims, test.want) {
			t.Errorf("%v %v: %v, empty %v, %v", test.change.ShimsOn, test.change.ShimsOff, p.Predicted.Shims, p.Empty(), err)
		}
	}
}

// TestShimsRefuseForeignFiles checks that a launcher takes no other file's place, also by a
// rollback, and that one that is kist's already stays.
func TestShimsRefuseForeignFiles(t *testing.T) {
	now, before := record.Generation{Number: 3, Parent: 2}, record.Generation{Number: 2, Shims: []string{"go"}}
	s := State{Current: now, Generations: map[uint64]record.Generation{2: before, 3: now}, Foreign: map[string]string{"go": "a file"}}
	for name, c := range map[string]Change{"on": {ShimsOn: []string{"go"}}, "rollback": {Rollback: true}} {
		if _, err := Make(s, c); !errors.As(err, new(*ForeignFileError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.Current.Shims = []string{"go"}
	if p, err := Make(s, Change{ShimsOn: []string{"zig"}}); err != nil || !slices.Equal(p.Predicted.Shims, []string{"go", "zig"}) {
		t.Errorf("%v %v", p.Predicted.Shims, err)
	}
	if _, err := Make(s, Change{ShimsOn: []string{"../go"}}); err == nil {
		t.Error("a path is no command")
	}
}
