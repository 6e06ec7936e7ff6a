package plan_test

import (
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func TestUpdateHoldsBack(t *testing.T) {
	const unsigned, distro = "unsigned", "distro"
	for _, test := range []struct {
		have, asked  string
		next, labels string
		list, kind   string
		held         string // how its reason begins; empty: it is followed
	}{
		{have: "1.10", next: "1.11"},
		{have: "1.11", next: "1.11"},
		{have: "1.11", next: "1.10.1", held: "which is older"},
		{have: "1.11", next: "1.10.1", labels: "stable", held: "which is older"},
		{have: "1.11", asked: "stable", next: "1.10.1", labels: "stable"},
		{have: "1.11", asked: "stable", next: "1.10.1", held: "which is older"},
		{have: "1.26.8", asked: "1.26", next: "1.26.7", held: "which is older"},
		{have: "1.26.8", asked: "1.26", next: "1.26.11"},
		{have: "1.11", next: "1.12rc1", held: "which is a pre-release"},
		{have: "1.11", next: "1.12rc1", labels: "stable"},
		{have: "1.11", asked: "next", next: "1.12rc1", labels: "next"},
		{have: "1.12rc1", next: "1.12rc2"},
		{have: "1.12rc1", next: "1.12"},
		{have: "1.12rc1", next: "1.11", held: "which is older"},
		{have: "r26b", next: "r26d"},
		{have: "nightly-2026-11-01", asked: "nightly", next: "nightly-2026-11-08", labels: "nightly"},
		{have: "old", next: "new", list: "new old"},
		{have: "new", next: "old", list: "new old", held: "which is older"},
		{have: "gone", next: "new", list: "new old"},
		{have: "odd", next: "1.0"},
		{have: "21.0.5+11", asked: "21", next: "21.0.5+12", kind: unsigned},
		{have: "21.0.5+11", asked: "lts", next: "21.0.5+10", labels: "lts", kind: unsigned, held: "which is not newer"},
		{have: "1.11", next: "1.12-rc1", labels: "stable", kind: unsigned},
		{have: "1.11", next: "1.12-rc1", kind: unsigned, held: "which is a pre-release"},
		{have: "1.95.0+dfsg1-1", next: "1.95.0+dfsg1-2~deb13u1", kind: distro},
		{have: "1:2.0-1", next: "3.0-1", kind: distro, held: "which is older"},
		{have: "3.0.2-1", asked: "3.0", next: "3.0.1-1", labels: "3.0.1 3.0 3", kind: distro, held: "which is older"},
	} {
		have := record.Head{Channel: "acme", Tool: "hello", Version: test.have, Requested: test.asked}
		next := manifests.Release{Channel: "acme", Tool: "hello", Version: test.next, Labels: strings.Fields(test.labels)}
		switch test.kind {
		case unsigned:
			next.Evidence = verify.Evidence{Notes: []string{manifests.Unsigned}}
		case distro:
			next.Evidence = verify.Evidence{Name: "https://deb.example/debian/dists/trixie/main/binary-amd64/Packages.xz"}
			if !plan.FromDistro(next) {
				t.Fatalf("%s is no index of a distribution", next.Evidence.Name)
			}
		}
		var list []manifests.Version
		for _, v := range strings.Fields(test.list) {
			list = append(list, manifests.Version{Version: v})
		}
		if why := plan.HeldBack(have, next, list); (why == "") != (test.held == "") || !strings.HasPrefix(why, test.held) {
			t.Errorf("%+v: %q", test, why)
		}
	}
}

func TestFollows(t *testing.T) {
	for _, test := range []struct {
		version, was, asked string
		follows             bool
	}{
		{"1.26.8", "1.26.8", "1.26", true},
		{"1.26.8", "=1.26.8", "1.26", true},
		{"1.26.8", "1.26.8", "latest", true},
		{"1.26.8", "1.26.8", "", true},
		{"1.26.8", "1.26.8", "1.26.8", false},
		{"1.26.8", "1.26.8", "=1.26.8", false},
		{"1.26.8", "1.26", "1.26.8", false},
		{"1.26.8", "1.26", "=1.26.8", true},
		{"1.26.8", "1.26", "1", false},
		{"1.26.8", "", "1.26", false},
		{"1.20", "1.20", "=1.20", true},
		{"1.20", "=1.20", "1.20", true},
	} {
		if got := plan.Follows(record.Head{Version: test.version, Requested: test.was}, test.asked); got != test.follows {
			t.Errorf("%+v: %v", test, got)
		}
	}
}
