package publishing

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/cmd/kist/internal/cli"
	"github.com/kist-tools/kist/manifests/publish"
)

// A publisher is warned when a manifest nears its ceiling.
func TestSignWarnsOfALargeManifest(t *testing.T) {
	for size, want := range map[int64]bool{8<<20 - 1: false, 8 << 20: true, 16 << 20: true} {
		var stderr bytes.Buffer
		env := cli.Env{Stderr: &stderr, Now: time.Now}
		a := &verbs{cli.New(env)}
		a.Color = "never"
		a.warnOfSigned(publish.Signed{Text: make([]byte, size), Published: true})
		if got := strings.Contains(stderr.String(), "kist publish remove"); got != want {
			t.Errorf("%d bytes: %q", size, stderr.String())
		}
	}
}
