package sandbox

import (
	"testing"

	"github.com/kist-tools/kist/install/internal/unpack"
)

// Available foretells the level that a child really has, and confines nothing: this process
// can still start one afterwards.
func TestAvailable(t *testing.T) {
	for range 2 {
		want, lacks, err := Available(childOf("honest"))
		if err != nil {
			t.Fatal(err)
		}
		s := newStage(t)
		u := s.start(t, childOf("honest"), unpack.DefaultLimits())
		if err := u.Add(t.Context(), opened(t, archiveOf(t, "a")), archive("a")); err != nil {
			t.Fatal(err)
		}
		if got := u.Level(); got != want {
			t.Errorf("a child has %v, foretold was %v", got, want)
		}
		if best := want.Calls && want.Landlock == newestABI; best != (len(lacks) == 0) {
			t.Errorf("%v lacks %q", want, lacks)
		}
	}
	if level, lacks, err := Available(Command{}); level.Child || len(lacks) != 1 || err != nil {
		t.Errorf("without a child: %v, %q, %v", level, lacks, err)
	}
}
