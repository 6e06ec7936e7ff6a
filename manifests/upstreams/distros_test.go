package upstreams_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify/keyrings"
)

// TestDistributions checks that each distribution uses the machine's own mirror and its
// own keys, and no others.
func TestDistributions(t *testing.T) {
	all := []string{"debian-bookworm", "debian-trixie", "ubuntu-jammy", "ubuntu-noble"}
	if got := upstreams.Distros("rust"); !slices.Equal(got, all) || len(upstreams.Distros("julia")) > 0 || len(upstreams.Distros("")) > 0 {
		t.Errorf("distributions with rust: %q", got)
	}
	machine := upstreams.Machine{Arch: "amd64", Apt: debian.ParseSources("sources.list",
		[]byte("deb http://debian.example/debian bookworm main\ndeb http://ubuntu.example/ubuntu noble main universe\n"))}
	for channel, want := range map[string]string{
		"debian-bookworm": "http://debian.example/debian/dists/bookworm/InRelease", "debian-trixie": "http://debian.example/debian/dists/trixie/InRelease",
		"ubuntu-noble": "http://ubuntu.example/ubuntu/dists/noble/InRelease", "ubuntu-jammy": "http://ubuntu.example/ubuntu/dists/jammy/InRelease",
	} {
		u, ok := upstreams.Lookup(channel)
		if !ok || len(u.Tools()) < 8 {
			t.Fatalf("%s: %+v", channel, u)
		}
		q := manifests.Query{Request: manifests.Request{Tool: "go", Platform: manifests.Platform{OS: "linux", Arch: "amd64"}}, Now: now}
		source, err := u.Source(machine)
		if err != nil {
			t.Fatal(err)
		}
		mirror := &manifesttest.Upstream{}
		if _, err := source.Fetch(t.Context(), mirror, q); !errors.Is(err, manifests.ErrNotFound) || !slices.Equal(mirror.Asked(), []string{want}) {
			t.Errorf("%s: asked for %q: %v", channel, mirror.Asked(), err)
		}
		source, err = u.Source(upstreams.Machine{Arch: "amd64"})
		if err != nil {
			t.Fatal(err)
		}
		var nowhere *debian.NoMirrorError
		if _, err := source.Fetch(t.Context(), mirror, q); !errors.As(err, &nowhere) || nowhere.Codename != u.Origins[0].Debian.Codename {
			t.Errorf("%s without a mirror: %v", channel, err)
		}
		ring, err := keyrings.Lookup(u.Origins[0].Keyring)
		keys, known, err2 := upstreams.DistroKeys(u.Origins[0].Debian.Codename)
		if err != nil || err2 != nil || !known || len(keys.Pins()) != len(ring.Pins()) {
			t.Errorf("%s: keys %v, %v, %v", channel, known, err, err2)
		}
	}
	if _, known, err := upstreams.DistroKeys("sid"); known || err != nil {
		t.Errorf("keys of sid: %v, %v", known, err)
	}
}
