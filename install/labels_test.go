package install_test

import (
	"maps"
	"testing"

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/manifests"
)

// Progress names the requested tool, and the component only if there are several.
func TestLabels(t *testing.T) {
	one := manifests.Release{Tool: "go", Version: "1.27.4", Artifacts: []manifests.Artifact{
		{Name: "go.zip", Component: "go", Alternatives: []manifests.Artifact{{Name: "go.tar.gz", Component: "go"}}}}}
	want := map[string]string{"go.zip": "go 1.27.4", "go.tar.gz": "go 1.27.4"}
	if got := install.Labels(one); !maps.Equal(got, want) {
		t.Errorf("one artifact: %v", got)
	}
	several := manifests.Release{Tool: "rust", Version: "1.95.0", Artifacts: []manifests.Artifact{
		{Name: "rust.tar.xz", Component: "rust"}, {Name: "cargo.tar.xz", Component: "cargo"}}}
	want = map[string]string{"rust.tar.xz": "rust 1.95.0", "cargo.tar.xz": "rust 1.95.0 (cargo)"}
	if got := install.Labels(several); !maps.Equal(got, want) {
		t.Errorf("several: %v", got)
	}
}
