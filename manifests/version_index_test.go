package manifests_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/manifests"
)

var (
	linux  = manifests.Platform{OS: "linux", Arch: "amd64"}
	darwin = manifests.Platform{OS: "darwin", Arch: "arm64"}
)

func goHint() manifests.VersionIndex {
	both := []manifests.Platform{linux, darwin}
	return manifests.VersionIndex{
		{Version: "1.9.7", Stable: true, Platforms: both}, {Version: "1.10", Stable: true, Platforms: both}, {Version: "1.20", Stable: true, Platforms: both}, {Version: "1.20.3", Stable: true, Platforms: both},
		{Version: "1.24.4", Stable: true, Platforms: both}, {Version: "1.25.0", Stable: true, Platforms: both}, {Version: "1.25.14", Stable: true, Platforms: both}, {Version: "1.25.9", Stable: true, Platforms: both},
		{Version: "1.26rc1", Stable: false, Platforms: both}, {Version: "1.26.0", Stable: true, Platforms: both}, {Version: "1.26.1", Stable: true, Platforms: []manifests.Platform{darwin}}, {Version: "1.27rc1", Stable: false, Platforms: both},
	}
}

func TestHintChooses(t *testing.T) {
	for _, test := range []struct {
		asked, want string
		stable      bool
	}{
		{"", "1.26.0", true}, {"stable", "1.26.0", true}, {"latest", "1.26.0", true},
		{"1.25", "1.25.14", false}, {"1.25.9", "1.25.9", false}, {"go1.25.9", "1.25.9", false}, {"go1.25", "1.25.14", false},
		{"1", "1.26.0", true}, {"1.26", "1.26.0", true}, {"1.26rc1", "1.26rc1", false}, {"1.27rc1", "1.27rc1", false},
		{"1.20", "1.20.3", false}, {"=1.20", "1.20", false}, {"=go1.20", "1.20", false}, {"1.9", "1.9.7", false},
	} {
		got, err := goHint().Choose("go", manifests.Request{Tool: "go", Version: test.asked, Platform: linux}, manifests.GoNumbering())
		if err != nil || got.Version != test.want || slices.Contains(got.Labels, manifests.Stable) != test.stable || got.Missing != nil {
			t.Errorf("%q: %+v %v, want %q, stable %v", test.asked, got, err, test.want, test.stable)
		}
	}
}

func TestHintWithPrereleasesOnly(t *testing.T) {
	hint := manifests.VersionIndex{{Version: "1.0-beta", Platforms: []manifests.Platform{linux}}, {Version: "1.0-rc2", Platforms: []manifests.Platform{linux}}, {Version: "1.0-rc11", Platforms: []manifests.Platform{darwin}}}
	for asked, want := range map[string]string{"": "1.0-rc2", "latest": "1.0-rc2", "1.0-beta": "1.0-beta", "stable": "", "1.0": "", "1": ""} {
		got, err := hint.Choose("acme", manifests.Request{Tool: "zig", Version: asked, Platform: linux}, manifests.SemverNumbering())
		if got.Version != want || (err == nil) != (want != "") {
			t.Errorf("%q: %+v, %v, want %s", asked, got, err, want)
		}
	}
}

func TestHintErrors(t *testing.T) {
	choose := func(asked string, p manifests.Platform) error {
		choice, err := goHint().Choose("go", manifests.Request{Tool: "go", Version: asked, Platform: p}, manifests.GoNumbering())
		if err == nil && choice.Version == asked {
			err = choice.Missing // an exact version is chosen even if it is not listed
		}
		return err
	}
	for _, asked := range []string{"1.27", "1.28", "1.25.99", "1.28rc1", "2", "lts", "nightly", "1.2"} {
		var unknown *manifests.UnknownVersionError
		if err := choose(asked, linux); !errors.As(err, &unknown) || unknown.Version != asked {
			t.Errorf("%q: %v", asked, err)
		}
	}
	var unknown *manifests.UnknownVersionError
	if err := choose("1.25.15", linux); !errors.As(err, &unknown) || len(unknown.Near) == 0 || unknown.Near[0] != "1.25.14" {
		t.Errorf("near 1.25.15: %v", err)
	}
	for _, asked := range []string{"", "1.25", "1.25.9"} {
		var unsupported *manifests.UnsupportedPlatformError
		if err := choose(asked, manifests.Platform{OS: "plan9", Arch: "mips"}); !errors.As(err, &unsupported) || len(unsupported.Have) == 0 {
			t.Errorf("%q on plan9: %v", asked, err)
		}
	}
	// A version that is listed, and turned out not to exist, is not suggested in its own place.
	listed := manifests.Request{Tool: "go", Version: "1.25.14", Platform: linux}
	choice, err := goHint().Choose("go", listed, manifests.GoNumbering())
	if err != nil || choice.Missing != nil {
		t.Fatal(err, choice.Missing)
	}
	if err := goHint().Absent("go", listed, choice); !errors.As(err, &unknown) || !slices.Equal(unknown.Near, []string{"1.25.9", "1.25.0", "1.26rc1"}) {
		t.Errorf("near 1.25.14, which does not exist: %v", err)
	}
	var unsupported *manifests.UnsupportedPlatformError
	if err := choose("1.26.1", linux); !errors.As(err, &unsupported) || !slices.Equal(unsupported.Have, []manifests.Platform{darwin}) {
		t.Errorf("1.26.1 on linux: %v", err)
	}
}

func TestHintLists(t *testing.T) {
	var got []string
	for _, v := range goHint().Versions("go", linux) {
		if !v.Unsigned || v.Tool != "go" || slices.Contains(v.Labels, manifests.Stable) != (v.Version == "1.26.0") {
			t.Errorf("%+v", v)
		}
		got = append(got, v.Version)
	}
	want := []string{"1.27rc1", "1.26.0", "1.26rc1", "1.25.14", "1.25.9", "1.25.0", "1.24.4", "1.20.3", "1.20", "1.10", "1.9.7"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// nodeHint has labels as Node.js has them.
func nodeHint() manifests.VersionIndex {
	day := func(d int) time.Time { return time.Date(2024, 1, d, 0, 0, 0, 0, time.UTC) }
	both := []manifests.Platform{linux, darwin}
	iron, jod := []string{manifests.Stable, "lts", "lts-iron"}, []string{manifests.Stable, "lts", "lts-jod"}
	return manifests.VersionIndex{
		{Version: "23.1.0", Stable: true, Platforms: both, Date: day(9)},
		{Version: "22.9.0", Stable: true, Platforms: both, Date: day(1)},
		{Version: "22.12.0", Stable: true, Platforms: []manifests.Platform{darwin}, Labels: jod, Date: day(8)},
		{Version: "22.11.0", Stable: true, Platforms: both, Labels: jod, Date: day(7)},
		{Version: "20.18.0", Stable: true, Platforms: both, Labels: iron, Date: day(6)},
	}
}

func TestHintChoosesByLabel(t *testing.T) {
	for _, test := range []struct {
		asked, want, labels string
		on                  manifests.Platform
	}{
		{"", "22.11.0", "stable lts lts-jod", linux}, {"stable", "22.11.0", "stable lts lts-jod", linux},
		{"lts", "22.11.0", "stable lts lts-jod", linux}, {"lts-jod", "22.12.0", "stable lts lts-jod", darwin},
		{"lts/jod", "22.11.0", "stable lts lts-jod", linux}, {"LTS", "22.11.0", "stable lts lts-jod", linux},
		{"lts-iron", "20.18.0", "lts-iron", linux}, {"latest", "23.1.0", "latest", linux},
		{"22", "22.11.0", "stable lts lts-jod", linux}, {"v22.9.0", "22.9.0", "", linux}, {"22.9", "22.9.0", "", darwin},
	} {
		got, err := nodeHint().Choose("node", manifests.Request{Tool: "node", Version: test.asked, Platform: test.on}, manifests.SemverNumbering())
		if err != nil || got.Version != test.want || strings.Join(got.Labels, " ") != test.labels || got.Date.IsZero() {
			t.Errorf("%q: %+v %v, want %s %s", test.asked, got, err, test.want, test.labels)
		}
	}
	for _, v := range nodeHint().Versions("node", linux) {
		if v.Date.IsZero() || (v.Version == "23.1.0") != slices.Equal(v.Labels, []string{manifests.Latest}) {
			t.Errorf("%+v", v)
		}
	}
	var unknown *manifests.UnknownVersionError
	if _, err := nodeHint().Choose("node", manifests.Request{Tool: "node", Version: "lts-joy", Platform: linux}, manifests.SemverNumbering()); !errors.As(err, &unknown) || !slices.Contains(unknown.Near, "lts-jod") {
		t.Errorf("near lts-joy: %v", err)
	}
}

// An index must not be able to replace a version by another one with that label.
func TestExactVersionIsNeverALabel(t *testing.T) {
	hint := manifests.VersionIndex{{Version: "20.0.0", Stable: true, Platforms: []manifests.Platform{linux}, Labels: []string{"22.1.0", "latest", "22"}}, {Version: "22.3.0", Stable: true, Platforms: []manifests.Platform{linux}}}
	got, err := hint.Choose("node", manifests.Request{Tool: "node", Version: "22.1.0", Platform: linux}, manifests.SemverNumbering())
	if err != nil || got.Version != "22.1.0" || got.Missing == nil {
		t.Errorf("%+v, %v", got, err)
	}
	for _, asked := range []string{"latest", "22"} {
		if got, err = hint.Choose("node", manifests.Request{Tool: "node", Version: asked, Platform: linux}, manifests.SemverNumbering()); err != nil || got.Version != "22.3.0" {
			t.Errorf("%s: %+v, %v", asked, got, err)
		}
	}
}

func TestSemverNumbering(t *testing.T) {
	n := manifests.SemverNumbering()
	for _, v := range []string{"22.1.0", "0.1.0", "1.0.0-rc1", "1.21.0+ent.hsm1805"} {
		if !n.Exact(v) {
			t.Errorf("%q is a version", v)
		}
	}
	for _, v := range []string{"", "22", "22.1", "v22.1.0", "22.1.0.1", "lts", "22.01.0", "22.1.x", "22..0", "22.1.0-", "22.1.0/..", "22.1.0 "} {
		if n.Exact(v) {
			t.Errorf("%q is not a version", v)
		}
	}
	for asked, want := range map[string]string{"v22.1.0": "22.1.0", "v22": "22", "LTS/Jod": "lts-jod", "vault": "vault", "1.0.0-RC1": "1.0.0-RC1"} {
		if got := n.Spell(asked); got != want {
			t.Errorf("%q is spelled %q, want %q", asked, got, want)
		}
	}
}

func TestHintChoosesTheNewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := rapid.StringMatching(`1\.(9|10|2[0-9])(\.[0-9]|\.1[0-9]|rc[12])`)
		platforms := rapid.SliceOfDistinct(rapid.SampledFrom([]manifests.Platform{linux, darwin, {}}), rapid.ID[manifests.Platform])
		var hint manifests.VersionIndex
		for _, v := range rapid.SliceOfDistinct(version, rapid.ID[string]).Draw(t, "versions") {
			hint = append(hint, manifests.IndexEntry{Version: v, Stable: manifests.StableGoVersion(v), Platforms: platforms.Draw(t, "platforms")})
		}
		asked := rapid.SampledFrom([]string{"", "1.9", "1.2", "1.25", "1"}).Draw(t, "asked")
		got, err := hint.Choose("go", manifests.Request{Tool: "go", Version: asked, Platform: linux}, manifests.GoNumbering())
		for _, v := range hint {
			if !v.Stable || !v.Fits(linux) || asked != "" && !manifests.MatchesVersion(asked, v.Version) {
				continue
			}
			if err != nil || manifests.CompareVersions(v.Version, got.Version) > 0 {
				t.Fatalf("%q chose %+v, %v before %s", asked, got, err, v.Version)
			}
		}
		if err == nil && !slices.ContainsFunc(hint, func(v manifests.IndexEntry) bool { return v.Version == got.Version && v.Fits(linux) }) && got.Missing == nil {
			t.Fatalf("%q chose %+v of %v", asked, got, hint)
		}
	})
}

func TestGoNumbering(t *testing.T) {
	for _, v := range []string{"1.24.4", "1.27rc1", "1.20", "1.4beta1", "1.21.0", "1.2.2", "1.9rc2"} {
		if !manifests.ValidGoVersion(v) {
			t.Errorf("%q is a version", v)
		}
	}
	for _, v := range []string{"", "1", "1.25", "1.21", "go1.24.4", "1.24.4-acme", "1.24.4+x", "1.24.4rc1", "01.2", "1..2", "../1.2", "1.24.4\n", "latest"} {
		if manifests.ValidGoVersion(v) {
			t.Errorf("%q is not a version", v)
		}
	}
	for v, stable := range map[string]bool{"1.24.4": true, "1.20": true, "1.27rc1": false, "1.4beta1": false} {
		if manifests.StableGoVersion(v) != stable {
			t.Errorf("%q stable: want %v", v, stable)
		}
	}
}

// TestLabelsOfManyVersions checks a large index in which each version has a label of
// its own.
func TestLabelsOfManyVersions(t *testing.T) {
	var h manifests.VersionIndex
	for i := range 100_000 {
		h = append(h, manifests.IndexEntry{Version: fmt.Sprintf("1.%d.0", i), Stable: true, Platforms: []manifests.Platform{{}}, Labels: []string{fmt.Sprintf("l%d", i)}})
	}
	list := h.Versions("node", manifests.Platform{})
	if len(list) != len(h) || !slices.Equal(list[0].Labels, []string{manifests.Stable, manifests.Latest, "l99999"}) || !slices.Equal(list[99_999].Labels, []string{"l0"}) {
		t.Errorf("%d versions, the newest %+v, the oldest %+v", len(list), list[0], list[len(list)-1])
	}
}

func TestIndexWithTooManyValuesIsRefused(t *testing.T) {
	for _, c := range []string{"{},", "[],", "1,", "<a/>", `a="" `} {
		if err := manifests.CountHint([]byte(strings.Repeat(c, manifests.MaxHintValues/2))); err != nil {
			t.Errorf("%s: %v", c, err)
		}
		if err := manifests.CountHint([]byte(strings.Repeat(c, manifests.MaxHintValues+1))); err == nil {
			t.Errorf("%d of %s are accepted", manifests.MaxHintValues+1, c)
		}
	}
}

// Below leaves out what is not lower, and no label moves to what is left.
func TestHintBelow(t *testing.T) {
	on := []manifests.Platform{linux}
	h := manifests.VersionIndex{{Version: "3.0.0-rc1", Platforms: on}, {Version: "2.1.0", Stable: true, Platforms: on, Labels: []string{"lts"}},
		{Version: "2.0.0", Stable: true, Platforms: on, Labels: []string{"lts"}}, {Version: "1.9.0", Stable: true, Platforms: on}}
	for _, test := range []struct{ asked, below, want string }{
		{"", "", "2.1.0"}, {"", "2.1.0", "2.0.0"}, {"lts", "2.1.0", "2.0.0"}, {"lts", "2.0.0", ""}, {"latest", "2.0.0", "1.9.0"}, {"2", "2.1.0", "2.0.0"}, {"2", "2.0.0", ""}, {"", "1.9.0", ""},
	} {
		got, err := h.Choose("x", manifests.Request{Tool: "x", Version: test.asked, Below: test.below, Platform: linux}, manifests.SemverNumbering())
		if (err == nil) != (test.want != "") || got.Version != test.want || err != nil && !manifests.IsUnknown(err) {
			t.Errorf("%+v: %+v, %v", test, got, err)
		}
		if test.below != "" && slices.Contains(got.Labels, "stable") {
			t.Errorf("%+v: labels %v", test, got.Labels)
		}
	}
}
