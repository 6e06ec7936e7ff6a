//go:build release

package keyrings_test

import (
	"testing"

	"github.com/kist-tools/kist/verify/keyrings"
)

// TestReleaseKeys fails unless this build may be released: kist's own channel must have
// real keys. It has a build tag since it fails until there are some. TestPlaceholders
// shows that it can do both.
func TestReleaseKeys(t *testing.T) {
	ring, err := keyrings.Lookup("kist")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keyrings.Placeholders(ring) {
		t.Errorf("key %s of channel kist is a placeholder: replace it by a release key, as verify/keyrings/kist/README.md says", key.Spaced())
	}
}
