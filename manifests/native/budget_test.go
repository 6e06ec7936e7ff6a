package native_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// TestHostileManifestIsWithinBudget parses each hostile document as a manifest of the
// maximum size, alone and after a valid release, and as a keys document.
func TestHostileManifestIsWithinBudget(t *testing.T) {
	start := head + release(1, artifact(1))
	for name, text := range short.Rows(t, manifesttest.HostileTOML(head, manifests.MaxManifest), 9) {
		t.Run(name, func(t *testing.T) {
			data := text()
			manifesttest.Budget(t, func() {
				if _, err := native.ParseBytes(data, false); !errors.Is(err, verify.ErrUntrusted) && name != "one comment" {
					t.Errorf("%v, want a refusal", err)
				}
			})
		})
	}
	for name, text := range short.Rows(t, manifesttest.HostileTOML(start, manifests.MaxManifest), 11) {
		t.Run("in a release: "+name, func(t *testing.T) {
			data := text()
			manifesttest.Budget(t, func() {
				if _, err := native.ParseBytes(data, false); !errors.Is(err, verify.ErrUntrusted) && name != "one comment" {
					t.Errorf("%v, want a refusal", err)
				}
			})
		})
	}
	keys := "format=1\nchannel=\"acme\"\nversion=1\nissued=2026-11-22T10:00:00Z\nexpires=2027-02-20T10:00:00Z\nthreshold=1\n"
	for name, text := range short.Rows(t, manifesttest.HostileTOML(keys, native.MaxKeysFile), 5) {
		t.Run("keys document: "+name, func(t *testing.T) {
			data := text()
			manifesttest.Budget(t, func() {
				if _, err := native.ParseKeysDraft(data); !errors.Is(err, verify.ErrUntrusted) {
					t.Errorf("%v, want a refusal", err)
				}
			})
		})
	}
}

// TestHonestManifestIsWithinBudget parses manifests of the maximum size that consist
// of small releases, typical ones, and the largest ones.
func TestHonestManifestIsWithinBudget(t *testing.T) {
	artifacts := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(artifact(i))
		}
		return b.String()
	}
	for name, releases := range short.Rows(t, map[string]struct{ least, artifacts int }{
		"small": {50_000, 1}, "typical": {5000, 10}, "large": {200, native.MaxList},
	}, 2) {
		t.Run(name, func(t *testing.T) {
			all := artifacts(releases.artifacts)
			data := manifesttest.Fill(head, manifests.MaxManifest, func(i int) string { return release(i, all) }, "")
			manifesttest.Budget(t, func() {
				m, err := native.ParseBytes(data, false)
				if err != nil || len(m.Releases) < releases.least {
					t.Errorf("%d releases: %v", len(m.Releases), err)
				}
			})
		})
	}
}

// TestCatalogOfManyToolsIsWithinBudget lists a manifest of the maximum size in which
// every release is of another tool, and resolves one of them. With -short the manifest has
// a quarter of the size.
func TestCatalogOfManyToolsIsWithinBudget(t *testing.T) {
	part := short.Step(t, 4)
	data := manifesttest.Fill(head, manifests.MaxManifest/part, func(i int) string {
		return strings.Replace(release(1, artifact(1)), "tool=\"zig\"", fmt.Sprintf("tool=\"t%d\"", i), 1)
	}, "")
	manifesttest.Budget(t, func() {
		m, err := native.ParseBytes(data, false)
		if err != nil {
			t.Fatal(err)
		}
		c := native.NewCatalog(m, verify.Document{}, native.Source{Channel: "acme", URL: "https://tools.acme.example/channel.toml", Granted: func(string) bool { return true }})
		if n := len(c.Versions("")); n != len(m.Releases) || n < 50_000/part {
			t.Errorf("%d versions of %d releases", n, len(m.Releases))
		}
		if r, err := c.Resolve(manifests.Request{Tool: fmt.Sprint("t", 50_000/part-1)}); err != nil || r.Version != "1" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestFetchIsWithinMemory fetches and resolves a manifest of the maximum size, with
// releases as kist publish add makes them, in less than 200 MiB.
func TestFetchIsWithinMemory(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	data := manifesttest.Fill(head, manifests.MaxManifest, func(i int) string {
		var b strings.Builder
		fmt.Fprintf(&b, "\n[[release]]\ntool = \"tool%d\"\nversion = \"1.%d.0\"\nlabels = [\"l%d\"]\ncommands = [\"bin/*\"]\n", i%50, i, i)
		for _, platform := range []string{"linux/amd64", "linux/arm64", "darwin/arm64"} {
			fmt.Fprintf(&b, "\n  [[release.artifact]]\n  platform = %q\n  path = \"blobs/%064d/tool%d-1.%d.0.tar.gz\"\n  size = 1000000\n  unpacked = 3000000\n  sha256 = \"%064d\"\n  format = \"tar.gz\"\n  strip = 1\n",
				platform, i, i%50, i, i)
		}
		return b.String()
	}, "")
	key := verifytest.NewKey(t, "publisher", now.AddDate(-1, 0, 0))
	const location = "https://tools.acme.example/channel.toml"
	u := &manifesttest.Upstream{Files: map[string][]byte{location: data, location + ".asc": key.Sign(t, data, now)}}
	s := native.Source{Channel: "acme", URL: location, Policy: verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1}, Granted: func(string) bool { return true }}
	manifesttest.Within(t, 2*manifesttest.BudgetTime, 200<<20, func() {
		c, err := s.Fetch(t.Context(), u, manifests.Query{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(c.Versions("")); n < 15_000 {
			t.Errorf("%d releases", n)
		}
		r, err := c.Resolve(manifests.Request{Tool: "tool7", Version: "1.7.0", Platform: manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}})
		if err != nil || len(r.Artifacts) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
