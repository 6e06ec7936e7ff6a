package debian

import (
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
)

// TestSuite runs the tests that every source must pass on the archive's real layout.
func TestSuite(t *testing.T) {
	manifesttest.Run(t, manifesttest.Fixture{
		Name:      "bookworm",
		Freshness: manifesttest.Expiring,
		Serve: func(tb testing.TB, w manifesttest.World) map[string][]byte {
			base := bookworm()
			base.Name, base.Codename, base.ByHash = "bookworm", w.Name, false
			base.Packages[0].Version = w.Version
			base.Issued, base.Until, base.Signers, base.Signed = w.Issued, w.Expires, w.Signers, w.Signed
			files := map[string][]byte{}
			for path, data := range base.Publish(tb) {
				files[root+path] = data
			}
			return files
		},
		Source: func(tb testing.TB, policy verify.Policy) manifests.Source {
			return Source{Channel: "debian-bookworm", Codename: "bookworm", Origin: "Debian", Policy: policy, Suites: suitesOf(root, "bookworm")[:1]}
		},
		Request: func(version string) manifests.Request {
			return manifests.Request{Tool: "ninja", Version: version, Platform: linux}
		},
	})
}
