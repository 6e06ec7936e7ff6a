package debian

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
	"github.com/kist-tools/kist/verify/verifytest"
)

// TestRealReleases proves Debian's own InRelease files by Debian's own keys.
func TestRealReleases(t *testing.T) {
	ring, err := keyrings.Lookup("debian")
	if err != nil {
		t.Fatal(err)
	}
	then := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for name, want := range map[string]struct {
		suite   string
		signers int
		until   bool
		size    int64
	}{
		"bookworm-InRelease.xz":          {"bookworm", 3, false, 50060337},
		"bookworm-updates-InRelease.xz":  {"bookworm-updates", 2, false, 32757},
		"bookworm-security-InRelease.xz": {"bookworm-security", 2, true, 0},
		"trixie-InRelease.xz":            {"trixie", 3, false, 0},
	} {
		message := sample(t, name)
		policy := verify.Policy{Keys: ring, Threshold: 1, Now: then}
		d, err := policy.Clearsigned(name, message)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r, err := parseRelease(d)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !r.hasName(want.suite) || r.hasName(want.suite+"-updates") || r.hasName("sid") || r.origin != "Debian" || !r.byHash || r.separateAll || r.validUntil.IsZero() == want.until {
			t.Errorf("%s: %+v", name, r)
		}
		if e := d.Evidence(); len(e.Signers) != want.signers {
			t.Errorf("%s: signers %+v", name, e.Signers)
		}
		for _, arch := range []string{"amd64", "arm64"} {
			if _, ok := r.indices["main/binary-"+arch+"/Packages.xz"]; !ok {
				t.Errorf("%s: no index of %s among %q", name, arch, slices.Sorted(maps.Keys(r.indices)))
			}
		}
		if size := r.indices["main/binary-amd64/Packages"].size; want.size > 0 && size != want.size {
			t.Errorf("%s: an index of %d bytes", name, size)
		}
		changed := []byte(strings.Replace(string(message), "Components: ", "Components:  ", 1))
		if _, err := policy.Clearsigned(name, changed); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s with another space: %v", name, err)
		}
		policy.Keys = verifytest.Keyring(t, verifytest.NewKey(t, "stranger", then.AddDate(-1, 0, 0)))
		if _, err := policy.Clearsigned(name, message); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s by a stranger: %v", name, err)
		}
	}
}

// TestRealSuite reads a real Debian suite and its .xz index, fetched by digest.
func TestRealSuite(t *testing.T) {
	ring, err := keyrings.Lookup("debian")
	if err != nil {
		t.Fatal(err)
	}
	const dir = root + "dists/bookworm-updates/"
	const digest = "87e7e94047fb7fb6f4ceecc7022d4bee55b66031cc2a7666d3196f3e0aabb846"
	u := &manifesttest.Upstream{Files: map[string][]byte{
		dir + "InRelease": sample(t, "bookworm-updates-InRelease.xz"),
		dir + "main/binary-amd64/by-hash/SHA256/" + digest: raw(t, "bookworm-updates-Packages.xz"),
	}}
	s := Source{Channel: "updates", Codename: "bookworm-updates", Origin: "Debian", Policy: verify.Policy{Keys: ring, Threshold: 1},
		Suites: []Suite{{root, "bookworm-updates"}}}
	then := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	c, err := s.Fetch(t.Context(), u, manifests.Query{Request: manifests.Request{Platform: linux}, Now: then})
	if err != nil {
		t.Fatal(err)
	}
	a := c.(*catalog).archive
	if len(a.packages) == 0 {
		t.Fatal("no packages")
	}
	for _, p := range a.packages {
		if _, err := p.details(); err != nil {
			t.Error(err)
		}
	}
	mark := c.Mark()
	if err := mark.Supersedes(verify.Mark{}, then); err != nil || mark.Lines["bookworm-updates"].Issued.Year() != 2026 {
		t.Errorf("mark %+v, %v", mark, err)
	}
	if err := mark.Supersedes(verify.Mark{}, mark.Issued.Add(-time.Hour)); !errors.Is(err, verify.ErrStale) {
		t.Errorf("before it was issued: %v", err)
	}
}
