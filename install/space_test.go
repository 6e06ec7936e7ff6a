package install_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/internal/download"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/manifests"
)

// Lack of space is found before anything is requested.
func TestNoSpaceIsFoundBeforeFetching(t *testing.T) {
	w := newWorld(t)
	r := w.release("zig", "1.0", "bin/zig")
	r.Artifacts[0].Unpacked = manifests.MaxUnpacked
	for range manifests.MaxArtifacts - 1 {
		r.Artifacts = append(r.Artifacts, r.Artifacts[0]) // 64 TiB in all
	}
	before := w.asked
	_, err := w.change(plan.Change{Install: []manifests.Release{r}})
	var space *download.SpaceError
	if !errors.As(err, &space) || space.Need < manifests.MaxArtifacts*manifests.MaxUnpacked || w.asked != before {
		t.Errorf("%v, after %d requests", err, w.asked-before)
	}
	if !strings.Contains(err.Error(), w.path(".local/share/kist")) {
		t.Errorf("it names no path: %v", err)
	}
}
