package upstreams_test

import (
	"os"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/signedfiles"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// This is the upstream of docs/adding-an-upstream.md. Zag is fictional; this row is all
// that kist would know of it.

// zag: github.com/zag-lang/zag's releases.
func zag() signedfiles.Site {
	return signedfiles.Site{
		Base: "https://github.com/zag-lang/zag/", Index: "releases.atom",
		Parse: signedfiles.ParseReleases("v"), Numbering: manifests.SemverNumbering(),
		File: "releases/download/v{version}/zag-{version}-{platform}.{format}", Signature: ".asc",
		Platforms: map[string]string{"linux/amd64": "x64-linux", "darwin/arm64": "arm64-mac"},
		Layouts: map[string]signedfiles.Layout{"": {
			Format: "tar.gz", Strip: 1,
			Witness:  manifests.Witness{Path: "share/zag/version", Contains: "{version}", WholeLine: true},
			Commands: []string{"bin/zag{exe}"},
			Env:      map[string]string{"ZAG_HOME": "{prefix}"},
		}},
	}
}

// TestAddingAnUpstream checks that the row is all that is needed: its source passes the
// tests that every upstream has to pass.
func TestAddingAnUpstream(t *testing.T) {
	site := zag()
	manifesttest.Run(t, manifesttest.Fixture{
		Hints: []string{site.Base + "releases.atom"}, Use: verify.Release,
		Serve: func(tb testing.TB, w manifesttest.World) map[string][]byte {
			return manifesttest.Example(tb, site.Base, w)
		},
		Source: func(tb testing.TB, policy verify.Policy) manifests.Source {
			return signedfiles.Source{Channel: "zag", Tool: "zag", Site: site, Keys: policy.Keys, Threshold: policy.Threshold}
		},
		Request: func(version string) manifests.Request {
			return manifests.Request{Tool: "zag", Version: version, Platform: linux}
		},
		Prove: func(tb testing.TB, r manifests.Release, u *manifesttest.Upstream) error { return prove(tb, r, u) },
	})
}

// TestThePageShowsTheRow checks that the page shows the row tested above.
func TestThePageShowsTheRow(t *testing.T) {
	page := read(t, "../../docs/adding-an-upstream.md")
	_, row, _ := strings.Cut(read(t, "example_test.go"), "// zag: github.com")
	row, _, _ = strings.Cut(row, "\n}\n")
	if !strings.Contains(page, "// zag: github.com"+row+"\n}\n") {
		t.Errorf("docs/adding-an-upstream.md does not show the row unchanged")
	}
}

// TestThePageDescribesEveryUpstream checks that docs/upstreams.md describes every row,
// and the tools without one.
func TestThePageDescribesEveryUpstream(t *testing.T) {
	page := read(t, "../../docs/upstreams.md")
	var titles strings.Builder
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "### ") {
			titles.WriteString(strings.ToLower(line))
		}
	}
	for _, format := range append(upstreams.MirrorFormats(), "rust") {
		for _, tool := range append(upstreams.MirrorTools(format), "rust") {
			if !strings.Contains(titles.String(), tool) {
				t.Errorf("docs/upstreams.md has no section on %s", tool)
			}
		}
	}
	_, none, _ := strings.Cut(page, "## No chain to follow")
	for _, tool := range upstreams.Refused() {
		if !strings.Contains(none, "`"+tool+"`") {
			t.Errorf("docs/upstreams.md does not say why there is no %s", tool)
		}
		if _, ok := upstreams.Lookup(tool); ok {
			t.Errorf("%s is both refused and built in", tool)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
