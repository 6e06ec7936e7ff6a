package plan_test

import (
	"testing"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
)

// A file that a literal pattern names, directly or through links, becomes executable;
// a file that only a wildcard matches does not.
func TestMakeExecutableChangesLiteralPathsOnly(t *testing.T) {
	entries := []record.Entry{
		{Path: "bin", Type: record.Dir, Mode: 0o755},
		{Path: "bin/link", Type: record.Link, Target: "../lib/other"},
		{Path: "bin/plain", Type: record.File, Mode: 0o644},
		{Path: "bin/private", Type: record.File, Mode: 0o600},
		{Path: "lib", Type: record.Dir, Mode: 0o755},
		{Path: "lib/other", Type: record.File, Mode: 0o640},
	}
	got := plan.MakeExecutable([]string{"bin/plain", "bin/pri*", "bin/link", "bin/gone", "lib"}, entries)
	for i, want := range []uint32{0o755, 0, 0o755, 0o600, 0o755, 0o750} {
		if uint32(got[i].Mode) != want {
			t.Errorf("%s: %o, want %o", got[i].Path, got[i].Mode, want)
		}
	}
	if entries[2].Mode != 0o644 {
		t.Error("MakeExecutable changed its argument")
	}
}
