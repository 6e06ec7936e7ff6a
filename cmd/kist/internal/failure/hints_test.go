package failure

import (
	"slices"
	"testing"
)

// TestHintsAreOfKnownKinds: a row for a kind that does not exist would never be followed.
func TestHintsAreOfKnownKinds(t *testing.T) {
	known := map[string]bool{}
	for _, k := range Kinds() {
		known[k.Name] = true
	}
	for _, row := range slices.Concat(hints(), refusalHints(), bundleHints(), mirrorHints(), publisherHints(), selfHints()) {
		if !known[row.kind] {
			t.Errorf("there are hints for the kind %q, which is not in the table", row.kind)
		}
	}
}
