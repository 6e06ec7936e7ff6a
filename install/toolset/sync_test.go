package toolset_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/toolset"
	"github.com/kist-tools/kist/manifests/trust"
)

// TestSyncing tests what sync would change where everything that it names is installed.
func TestSyncing(t *testing.T) {
	zig13, zig14, lint := head("acme", "zig", "0.13", "zig"), head("acme", "zig", "0.14", "zig"), head("acme", "lint", "1.0", "lint")
	for _, test := range []struct {
		name         string
		wants        []string
		prune        bool
		defaults     []record.ID
		removes      []record.ID
		twice        string
		alreadyNamed int
	}{
		{"no prune", []string{"acme/zig@0.14"}, false, []record.ID{zig14.ID}, nil, "", 1},
		{"prune", []string{"acme/zig@0.14"}, true, []record.ID{zig14.ID}, []record.ID{lint.ID, zig13.ID}, "", 1},
		{"several tools", []string{"acme/zig@0.13", "lint"}, true, []record.ID{zig13.ID, lint.ID}, []record.ID{zig14.ID}, "", 2},
		{"the same release twice", []string{"acme/zig@0.14", "zig@=0.14"}, true, []record.ID{zig14.ID, zig14.ID}, []record.ID{lint.ID, zig13.ID}, "", 2},
		{"two versions", []string{"acme/zig@0.13", "zig@0.14"}, true, nil, nil, "acme/zig", 0},
	} {
		s := newSet(t, zig13, zig14, lint)
		for _, r := range []record.Head{zig13, zig14, lint} {
			writeCommand(t, s, r, r.Tool, 0o755)
		}
		var wants []toolset.Want
		for _, arg := range test.wants {
			ref, err := trust.ParseRef(arg)
			if err != nil {
				t.Fatal(err)
			}
			wants = append(wants, toolset.Want{Ref: ref})
		}
		c, already, err := s.Syncing(t.Context(), wants, test.prune)
		if twice, ok := errors.AsType[*toolset.TwiceError](err); ok || test.twice != "" {
			if !ok || twice.Tool != test.twice {
				t.Errorf("%s: %v, want that %s is named twice", test.name, err, test.twice)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if len(c.Install) > 0 || len(already) != test.alreadyNamed || !slices.Equal(c.Default, test.defaults) || !slices.Equal(c.Remove, test.removes) {
			t.Errorf("%s: installs %v, defaults %v, removes %v; %d are there", test.name, c.Install, c.Default, c.Remove, len(already))
		}
	}
}
