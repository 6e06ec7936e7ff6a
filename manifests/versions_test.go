package manifests_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/manifests"
)

// releases are versions of real upstreams. Each list is in the order of release within
// one branch, so it ascends.
var releases = map[string]string{
	"Semantic Versioning": "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0",
	"missing numbers":     "0.9 1.0 1.9 1.10 1.10.1 2 18446744073709551616.0",
	"Go":                  "1.4beta1 1.4rc1 1.4 1.4.1 1.20rc1 1.20 1.20.14 1.21rc2 1.21.0 1.21.1 1.27rc1",
	"Python":              "3.12.9 3.13.0a1 3.13.0a6 3.13.0b1 3.13.0b4 3.13.0rc1 3.13.0rc3 3.13.0 3.13.1",
	"PEP 440":             "1.0.dev456 1.0a1 1.0a2 1.0b1 1.0rc1 1.0 1.0.post1 1.0.post2 1.1.dev1",
	"Ruby":                "1.9.3 1.9.3-p125 1.9.3-p551 3.4.0-preview1 3.4.0-preview2 3.4.0-rc1 3.4.0 3.4.1",
	"Rust":                "1.0.0-alpha 1.0.0-alpha.2 1.0.0-beta 1.0.0-beta.5 1.0.0 1.94.1 1.95.0-beta.1 1.95.0-beta.3 1.95.0",
	"Node.js":             "23.0.0-nightly20241004d9acbf 23.0.0-rc.1 23.0.0 23.1.0",
	"OpenJDK":             "11.0.9+11 17+35 21.0.9+10 21.0.10+7 21.0.10+8-LTS 21.0.10.1+1 22-ea+5 22-ea+36 22+36",
	"Java 8":              "8u392-b08 8u402-b05 8u402-b06",
	"Gradle":              "8.9 8.10 8.10.2 9.0.0-20250101001956+0000 9.0.0-milestone-1 9.0.0-rc-1 9.0.0-rc-2 9.0.0",
	"Maven":               "3.9.9 4.0.0-alpha-13 4.0.0-beta-5 4.0.0-rc-1 4.0.0-rc-5 4.0.0",
	"Maven's order":       "1.0-SNAPSHOT 1.0-alpha-1 1.0-beta-1 1.0-milestone-1 1.0-rc-1 1.0 1.0-sp-1",
	"Spring":              "5.2.0.RELEASE 5.3.0.M1 5.3.0.M2 5.3.0-RC1 5.3.0.RELEASE 5.3.1 6.0.0-SNAPSHOT 6.0.0-M1 6.0.0-RC4 6.0.0",
	"JBoss":               "4.0.0.Alpha1 4.0.0.Beta3 4.0.0.CR1 4.0.0.CR2 4.0.0.Final 4.0.0.SP1 4.0.1.Final",
	"Jetty":               "9.4.52.v20230823 9.4.53.v20231009",
	"Kotlin":              "2.0.21 2.1.0-Beta1 2.1.0-Beta2 2.1.0-RC 2.1.0-RC2 2.1.0",
	"Scala":               "3.5.0-RC1 3.5.0-RC7 3.5.0 3.5.1",
	"Zig":                 "0.13.0 0.14.0-dev.12+abc 0.14.0-dev.1411+a670f5519 0.14.0",
	"Julia":               "1.11.0-DEV 1.11.0-alpha1 1.11.0-beta2 1.11.0-rc1 1.11.0",
	"Android NDK":         "r25c r26-beta1 r26-rc1 r26 r26b r26d r27",
	"OpenSSL":             "1.0.2 1.0.2a 1.0.2u 1.0.2za 1.0.2zb 1.1.1-pre9 1.1.1 1.1.1a 1.1.1w 3.0.0-alpha17 3.0.0-beta2 3.0.0",
	"OpenSSH":             "9.7p1 9.8p1-rc1 9.8p1 9.9p1 9.9p2",
	"ImageMagick":         "7.1.0-62 7.1.1-2 7.1.1-29 7.1.1-30",
	"tz database":         "2023d 2024a 2024b",
	"GCC":                 "13.3.0 14-20240101 14.0.1-rc1 14.1.0",
	"PHP":                 "8.3.14 8.4.0alpha1 8.4.0beta3 8.4.0RC1 8.4.0RC4 8.4.0 8.4.1",
	"PostgreSQL":          "16.4 17beta1 17beta3 17rc1 17.0 17.1",
	"Kubernetes":          "v1.31.0-alpha.0 v1.31.0-alpha.3 v1.31.0-beta.0 v1.31.0-rc.1 v1.31.0 v1.31.1",
	"LLVM":                "llvmorg-18.1.8 llvmorg-19.1.0-rc1 llvmorg-19.1.0-rc4 llvmorg-19.1.0",
	"Swift":               "swift-5.10-RELEASE swift-5.10.1-RELEASE swift-6.0-RELEASE",
	"meson":               "0.63.3 0.64.0.rc1 0.64.0.rc2 0.64.0 1.0.0",
	"Erlang":              "26.2.5.6 27.0-rc1 27.0-rc3 27.0 27.1",
	"-0 of npm":           "1.0.0-0 1.0.0 1.0.0-1",
	"Debian's tilde":      "1.0~beta1 1.0~rc1 1.0 1:0.1",
	"IDEs":                "2024.3-EAP1 2024.3 2025.1-EAP1",
	"words in full":       "1.0.0-daily.1 1.0.0.Beta1 1.0.0.prerelease1 1.0.0prerelease2 1.0.0-candidate.2 1.0.1.test1 1.0.1",
	"dates":               "2026-11-02 2026-11-10 2026.12.1 20261201",
}

func TestRealVersionsAreInOrder(t *testing.T) {
	for upstream, list := range releases {
		versions := strings.Fields(list)
		for i, a := range versions {
			if !manifests.Ordered(a) {
				t.Errorf("%s: %s cannot be ordered", upstream, a)
			}
			for j, b := range versions {
				if got := manifests.CompareVersions(a, b); got < 0 != (i < j) || got > 0 != (i > j) {
					t.Errorf("%s: %s against %s is %d", upstream, a, b, got)
				}
			}
		}
	}
}

func TestEqualVersions(t *testing.T) {
	for _, same := range [][2]string{{"1", "1.0.0"}, {"v1.2", "1.2"}, {"1.2+a", "1.2+b"}, {"1.2", "1.2+acme"}, {"1.02", "1.2"}, {"1.0.0.Final", "1.0"},
		{"1.0.0.RELEASE", "1.0.0"}, {"1.0-RC1", "1.0rc1"}, {"1.0.0-rc.1", "1.0rc1"}, {"3.0a1", "3.0-alpha-1"}, {"33.4-jre", "33.4"}, {"jdk-21.0.5+11", "21.0.5+11"},
		{"2.0.CR1", "2.0rc1"}, {"nightly", "odd"}} {
		if got := manifests.CompareVersions(same[0], same[1]); got != 0 {
			t.Errorf("%s and %s: %d, want 0", same[0], same[1], got)
		}
	}
}

func TestPrereleases(t *testing.T) {
	for _, v := range strings.Fields("1.27rc1 3.13.0a1 3.13.0b2 2.0.0-rc.1 1.0-alpha 1.0-beta.2 1.0.dev3 0.14.0-dev.12+abc 17beta1 3.4.0-preview1 22-ea+5 5.3.0.M1 " +
		"6.0-SNAPSHOT 9.8p1-rc1 1.0~x 1.0.0-acme 1.0.0-0 14-20240101 nightly nightly-2026-11-01 dev rc1 1.0-CANARY") {
		if !manifests.Prerelease(v) {
			t.Errorf("%s is a pre-release", v)
		}
	}
	for _, v := range strings.Fields("1.27 1.0.0.Final 1.0.0.RELEASE r26d r26 9.8p1 1.1.1a 1.1.1w 2024b 21.0.5+11 1.21.0+ent 8u402-b06 1.9.3-p551 7.1.1-29 1.0.post1 " +
		"1.0-r1 33.4-jre 5.9-RELEASE 21.0.10+7-LTS 2026-11-22 deadbeef a1b2c3d") {
		if manifests.Prerelease(v) {
			t.Errorf("%s is not a pre-release", v)
		}
	}
	for _, v := range strings.Fields("nightly odd deadbeef a1b2c3d 1.2.x 1.x 1..2 1.2. -1 1.2foo 1.2.foo 1.2+ё nightly-2026-11-01 b4567") {
		if v != "1.2+ё" && manifests.Ordered(v) {
			t.Errorf("%s can be ordered", v)
		}
	}
}

func TestMatchesVersion(t *testing.T) {
	for _, m := range []struct {
		asked, version string
		want           bool
	}{
		{"1.25", "1.25.3", true}, {"1.25", "1.25", true}, {"1.2", "1.25.3", false}, {"1.25", "1.25.0-rc1", false}, {"1.25.0-rc1", "1.25.0-rc1", true},
		{"1.25", "1.25rc1", false}, {"1.25rc1", "1.25rc1", true}, {"1.25rc1", "1.25rc12", false}, {"", "1", false}, {"21.0.5", "21.0.5+11", true},
		{"21.0.10", "21.0.10+7-LTS", true}, {"r26", "r26d", true}, {"r2", "r26d", false}, {"2024", "2024a", true}, {"9.8", "9.8p1", true}, {"1.0.0", "1.0.0.Final", true},
		{"=1.20", "1.20", true}, {"=1.20", "1.20.14", false}, {"=1.20", "=1.20", false}, {"=", "1", false}, {"nightly", "nightly-2026-11-01", false},
		{"odd", "odd-1", false}, {"odd", "odd", true}, {"1.9", "1.9.3-p551", true},
	} {
		if got := manifests.MatchesVersion(m.asked, m.version); got != m.want {
			t.Errorf("%q matches %q: %v", m.asked, m.version, got)
		}
	}
	for v, line := range map[string]bool{"1": true, "1.20": true, "v1.20": true, "1.20.1": false, "1.20rc1": false, "21+35": false, "nightly": false, "2026-11-22": false} {
		if manifests.IsVersionLine(v) != line {
			t.Errorf("%s: a line %v", v, !line)
		}
	}
}

func TestNewestRelease(t *testing.T) {
	for list, want := range map[string]string{
		"":                                "",
		"1.9.0 1.10.0 1.10.1-rc.9":        "1.10.0",
		"1.9rc1 1.10 1.11 1.10.1":         "1.11",
		"1.0-rc1 1.0-rc2":                 "1.0-rc2",
		"odd even":                        "odd",
		"nightly odd":                     "odd",
		"odd 1.0-rc1":                     "1.0-rc1",
		"odd 1.0 nightly 2.0-dev 0.9":     "1.0",
		"1.0 1.0.0":                       "1.0",
		"r26 r26d r27-beta1 r25c":         "r26d",
		"3.13.0a1 3.12.1 3.13.0rc1 3.9.9": "3.12.1",
	} {
		versions := strings.Fields(list)
		manifests.SortNewestFirst(versions, func(v string) string { return v })
		got := ""
		if i := manifests.NewestRelease(versions); i >= 0 {
			got = versions[i]
		}
		if got != want {
			t.Errorf("%s: %q, want %q", list, got, want)
		}
	}
}

func TestNearVersions(t *testing.T) {
	have := strings.Fields("stable 1.27.4 1.27.0 1.26.8 1.26.0 1.25.16 1.25.14 1.25.1 1.24.0 1.20 1.20.14 1.18 1.9 1.8 nightly")
	for asked, want := range map[string]string{"1.25.15": "1.25.16 1.25.14 1.25.1", "1.99": "1.27.4 1.27.0 1.26.8", "1.20.0": "1.20 1.20.14 1.18",
		"1.28": "1.27.4 1.27.0 1.26.8", "=1.26.7": "1.26.8 1.26.0 1.27.0", "0.1": "1.8 1.9 1.18", "nightl": "nightly", "stabel": "stable"} {
		if got := strings.Join(manifests.NearVersions(asked, have), " "); got != want {
			t.Errorf("near %s: %s, want %s", asked, got, want)
		}
	}
}

// versionTexts generates versions that upstreams might use, and other texts.
func versionTexts() *rapid.Generator[string] {
	part := rapid.SampledFrom(strings.Fields("0 1 2 9 10 01 20240101 . . . - _ ~ + rc rc1 a a1 b b2 alpha beta dev M1 SNAPSHOT Final RELEASE p p1 d x foo nightly v r jdk- : 1: ё"))
	return rapid.OneOf(
		rapid.StringMatching(`v?[0-9]{1,2}(\.[0-9]{1,2}){0,2}([.-]?(rc|a|b|beta|dev|p|Final|foo)[.-]?[0-9]{0,2})?([+-][0-9]{1,2})?`),
		rapid.Map(rapid.SliceOfN(part, 0, 7), func(parts []string) string { return strings.Join(parts, "") }),
		rapid.String())
}

// TestVersionOrderIsTotal checks that CompareVersions is reflexive, antisymmetric and
// transitive, and that versions which cannot be ordered come first.
func TestVersionOrderIsTotal(t *testing.T) {
	sign := func(n int) int { return min(max(n, -1), 1) }
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := versionTexts().Draw(t, "a"), versionTexts().Draw(t, "b"), versionTexts().Draw(t, "c")
		ab, bc, ac := manifests.CompareVersions(a, b), manifests.CompareVersions(b, c), manifests.CompareVersions(a, c)
		if manifests.CompareVersions(a, a) != 0 || sign(ab) != -sign(manifests.CompareVersions(b, a)) {
			t.Fatalf("%q, %q: %d one way, %d the other", a, b, ab, manifests.CompareVersions(b, a))
		}
		if ab <= 0 && bc <= 0 && (ac > 0 || ac == 0 && (ab < 0 || bc < 0)) {
			t.Fatalf("%q %d %q %d %q, but the first against the last is %d", a, ab, b, bc, c, ac)
		}
		if manifests.Ordered(a) != manifests.Ordered(b) && (ab > 0) != manifests.Ordered(a) {
			t.Fatalf("%q, %q: %d, but only one can be ordered", a, b, ab)
		}
	})
}

// TestUnorderedVersionMovesNoOther checks that a version that cannot be ordered comes
// last and leaves the order of the others unchanged.
func TestUnorderedVersionMovesNoOther(t *testing.T) {
	text := func(v string) string { return v }
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(versionTexts().Filter(manifests.Ordered), 1, 6).Draw(t, "versions")
		odd := versionTexts().Filter(func(v string) bool { return !manifests.Ordered(v) }).Draw(t, "odd")
		more := slices.Insert(slices.Clone(list), rapid.IntRange(0, len(list)).Draw(t, "at"), odd)
		manifests.SortNewestFirst(list, text)
		manifests.SortNewestFirst(more, text)
		if last := more[len(more)-1]; last != odd || !slices.Equal(more[:len(list)], list) {
			t.Fatalf("%q with %q: %q", list, odd, more)
		}
		if list[manifests.NewestRelease(list)] != more[manifests.NewestRelease(more)] {
			t.Fatalf("%q changes the newest of %q", odd, list)
		}
	})
}

func FuzzVersions(f *testing.F) {
	for _, list := range releases {
		for _, v := range strings.Fields(list) {
			f.Add(v, "1.0")
		}
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if ab, ba := manifests.CompareVersions(a, b), manifests.CompareVersions(b, a); (ab < 0) != (ba > 0) || (ab == 0) != (ba == 0) {
			t.Errorf("%q, %q: %d one way, %d the other", a, b, ab, ba)
		}
		if manifests.MatchesVersion(a, b) && a != b && manifests.Prerelease(b) && !strings.HasPrefix(a, "=") {
			t.Errorf("%q matches the pre-release %q", a, b)
		}
	})
}
