package signedfiles_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/signedfiles"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

const feedHead = `<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en-US">
<id>tag:github.com,2008:https://github.com/oven-sh/bun/releases</id>`

func entry(id string) string { return "<entry><id>" + id + "</id><title>x</title></entry>" }

// A listing describes an upstream's index: its parser, its numbering, an example and
// the expected result.
type listing struct {
	parse     func([]byte) (manifests.VersionIndex, error)
	numbering manifests.Numbering
	text      string
	newest    string // newest stable version
	versions  int
}

func indexes() map[string]listing {
	return map[string]listing{
		"go": {signedfiles.ParseGo, manifests.GoNumbering(), string(goIndex("1.25.9", "1.25.14", "1.27rc1", "1.25.9")), "1.25.14", 3},
		"node": {signedfiles.ParseNode, manifests.SemverNumbering(),
			`[{"version":"v23.2.3","files":["linux-x64"]},{"version":"v22.2.3","lts":"Jod","date":"2026-01-01","files":["linux-x64"]}]`, "22.2.3", 2},
		"hashicorp": {signedfiles.ParseHashiCorp, manifests.SemverNumbering(),
			`{"versions":{"1.2.3":{"builds":[{"os":"linux","arch":"amd64"}]},"1.2.4+ent":{"builds":[{"os":"linux","arch":"amd64"}]}}}`, "1.2.3", 2},
		"github": {signedfiles.ParseReleases("bun-v"), manifests.SemverNumbering(),
			feedHead + entry("tag:github.com,2008:Repository/1/bun-v1.2.0") + "</feed>", "1.2.0", 1},
		"julia": {signedfiles.ParseJulia, manifests.SemverNumbering(), `{
			"1.13.0":{"stable":true,"files":[{"os":"linux","arch":"x86_64","triplet":"x86_64-linux-gnu","kind":"archive","url":"../../x"}]},
			"1.14.0-rc1":{"stable":false,"files":[]}, "1.9.4":{"stable":true,"files":[{"os":"plan9"}]}, "../x":{"stable":true}, "1.12":{"stable":true}}`, "1.13.0", 3},
		"temurin": {signedfiles.ParseTemurin, signedfiles.JDKNumbering(), `{"versions":[{"openjdk_version":"23.0.1+11"},{"openjdk_version":"21.0.10+7-LTS"},
			{"openjdk_version":"21.0.9+10-LTS"},{"openjdk_version":"1.8.0_432-b06"},{"openjdk_version":"21.0.9+10-LTS"},{"openjdk_version":"24-ea+1"},
			{"openjdk_version":"../x+1"}, {"openjdk_version":""}]}`, "21.0.10+7", 3},
		"gradle": {signedfiles.ParseGradle, signedfiles.GradleNumbering(), `[{"version":"9.9.0-20260913001956+0000","snapshot":true,"nightly":true},
			{"version":"9.8.0-rc-1","rcFor":"9.8.0"},{"version":"9.7.1","buildTime":"20260820101010+0000"},{"version":"8.10"},{"version":"8.9","broken":true},
			{"version":"8.10"},{"version":"../9.9.9"},{"version":"9"}]`, "9.7.1", 3},
		"swift": {signedfiles.ParseSwift, signedfiles.SwiftNumbering(), `[{"name":"5.10.1","tag":"swift-5.10.1-RELEASE","date":"2024-06-05"},
			{"name":"6.0","tag":"swift-6.0-RELEASE","date":"2024-09-17"},{"name":"6.0.3","tag":"swift-6.0.3-RELEASE","date":"a day"},
			{"name":"6.2","tag":"swift-6.2-DEVELOPMENT"},{"tag":"swift-../x-RELEASE"}]`, "6.0.3", 3},
		"maven": {signedfiles.ParseMaven, manifests.SemverNumbering(), `<?xml version="1.0"?><metadata><versioning><latest>4.0.0-rc-5</latest><versions>
			<version>2.0.9</version><version>3.0-alpha-2</version><version>3.9.9</version><version>3.9.10</version><version>4.0.0-rc-5</version>
			<version>../x</version></versions></versioning></metadata>`, "3.9.10", 4},
	}
}

func TestParsersReadVersions(t *testing.T) {
	for name, index := range indexes() {
		hint, err := index.parse([]byte(index.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		choice, err := hint.Choose(name, manifests.Request{Tool: name, Platform: manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}}, index.numbering)
		if err != nil || choice.Version != index.newest || choice.Missing != nil {
			t.Errorf("%s: the newest is %+v, %v", name, choice, err)
		}
		if len(hint) != index.versions {
			t.Errorf("%s: %d versions: %+v", name, len(hint), hint)
		}
		for _, v := range hint {
			if !index.numbering.Exact(v.Version) || index.numbering.Spell(v.Version) != v.Version {
				t.Errorf("%s: %q is not an exact version of its own numbering", name, v.Version)
			}
		}
	}
}

func TestParsersRefuseOtherDocuments(t *testing.T) {
	texts := []string{"", "[]", "{}", "null", "1", "<!DOCTYPE html><html><title>Please log in</title></html>", "<metadata/>", "[{}]",
		`{"versions":1}`, `{"versions":[]}`, `[{"version":1}]`, `{"versions":{"x":{}}}`, `[{"version":"../../etc"},{"version":"1.2.3.4.5"},{"version":"go1.25"}]`,
		strings.Repeat("[", 1<<20), strings.Repeat(`{"versions":`, 1<<18), strings.Repeat("<feed>", 1<<18),
		feedHead, feedHead + "</feed>", "<feed>" + entry("x/bun-v1.0.0") + "</feed>",
		`<!DOCTYPE f [<!ENTITY a "bun-v1.0.0">]>` + feedHead + entry("&a;") + "</feed>"}
	for name, index := range indexes() {
		for _, text := range append(texts, index.text[:len(index.text)/2]) {
			if got, err := index.parse([]byte(text)); err == nil {
				t.Errorf("%s: %.60q: %+v", name, text, got)
			}
		}
	}
}

// TestHostileIndexIsWithinBudget checks that every parser refuses or lists each hostile
// index at a cost in proportion to its size.
func TestHostileIndexIsWithinBudget(t *testing.T) {
	for reader, listed := range indexes() {
		index := manifests.Index{Channel: reader, Tool: reader, Ref: "https://mirror.example/index", Parse: listed.parse, Numbering: listed.numbering}
		for name, text := range short.Rows(t, manifesttest.HostileIndexes(manifests.MaxHint/4, 50_000), 8) {
			t.Run(reader+": "+name, func(t *testing.T) {
				u := &manifesttest.Upstream{Files: map[string][]byte{index.Ref: text()}}
				manifesttest.Budget(t, func() {
					q := manifests.Query{Request: manifests.Request{Tool: reader, List: true}}
					catalog, err := index.Fetch(t.Context(), u, q, nil)
					if err != nil && !errors.Is(err, verify.ErrUntrusted) {
						t.Error(err)
					} else if err == nil && len(catalog.Versions(reader)) < 50_000 {
						t.Errorf("%d versions", len(catalog.Versions(reader)))
					}
				})
			})
		}
	}
}

func versions(h manifests.VersionIndex) string {
	var list []string
	for _, v := range h {
		text := v.Version
		if !v.Stable {
			text += "!"
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

// TestParsersSkipInvalidEntries checks that entries that are not versions or known
// platforms are skipped.
func TestParsersSkipInvalidEntries(t *testing.T) {
	bun := signedfiles.ParseReleases("bun-v")
	for _, test := range []struct {
		name  string
		parse func([]byte) (manifests.VersionIndex, error)
		text  string
		want  string
	}{
		{"node: tricks in versions", signedfiles.ParseNode,
			`[{"version":"v../../etc"},{"version":"22.1.0"},{"version":"v22.1"},{"version":"V22.2.0"},{"version":"v22.1.0/.."},
			{"version":"v22.1.0 "},{"version":"v22.01.0"},{"version":"vv22.3.0"},{"version":""},{"version":"v22.1.0%2f.."},
			{"version":"v22.4.0"},{"version":"v22.4.0"},{"version":"v23.0.0-rc.1"}]`, "22.4.0 23.0.0-rc.1!"},
		{"node: an overlong version", signedfiles.ParseNode,
			`[{"version":"v1.2.` + strings.Repeat("3", 90) + `"},{"version":"v22.4.0"}]`, "22.4.0"},
		{"hashicorp: tricks in versions", signedfiles.ParseHashiCorp,
			`{"versions":{"../1.0.0":{},"1.0":{},"v1.0.1":{},"1.0.2":{"version":"9.9.9"},"1.0.3-rc1":{},"1.0.4+ent":{},"":{}}}`,
			"1.0.2 1.0.3-rc1! 1.0.4+ent!"},
		{"bun: tricks in tags", bun, feedHead + entry("tag:github.com,2008:Repository/1/bun-v1.2.0") +
			entry("tag:github.com,2008:Repository/1/bun-v1.2.0") + entry("tag:github.com,2008:Repository/1/canary") +
			entry("tag:github.com,2008:Repository/1/v1.3.0") + entry("bun-v1.1.0") + entry("x/bun-v../1.0.0") + entry("bun-v1.0.0/") +
			entry("x/bun-v1.4.0-canary.1") + `<entry/></feed>`, "1.2.0 1.1.0 1.4.0-canary.1!"},
	} {
		hint, err := test.parse([]byte(test.text))
		if err != nil || versions(hint) != test.want {
			t.Errorf("%s: %q, %v", test.name, versions(hint), err)
		}
	}
}

func TestNodeLabelsAndPlatforms(t *testing.T) {
	hint, err := signedfiles.ParseNode([]byte(`[
		{"version":"v24.1.0","date":"2026-10-01","files":["linux-x64","linux-x64","osx-arm64-tar","win-x64-exe","../x","src"],"lts":"Krypton"},
		{"version":"v23.1.0","date":"soon","lts":false},{"version":"v22.1.0","lts":true},{"version":"v20.1.0","lts":"../x"},
		{"version":"v18.1.0","lts":"22.1.0"},{"version":"v16.1.0","lts":"Latest"},{"version":"v14.1.0-rc.1","lts":"Fermium"}]`))
	if err != nil || len(hint) != 7 {
		t.Fatalf("%+v, %v", hint, err)
	}
	if v := hint[0]; !slices.Equal(v.Labels, []string{"stable", "lts", "lts-krypton"}) || v.Date.Format("2006-01-02") != "2026-10-01" ||
		!slices.Equal(v.Platforms, []manifests.Platform{glibc, {OS: "darwin", Arch: "arm64"}}) {
		t.Errorf("%+v", v)
	}
	for _, v := range slices.Concat(hint[1:5], hint[6:]) {
		if len(v.Labels) > 0 || !v.Date.IsZero() || len(v.Platforms) > 0 {
			t.Errorf("%+v", v)
		}
	}
	if !slices.Equal(hint[5].Labels, []string{"stable", "lts", "lts-latest"}) { // not the label "latest"
		t.Errorf("%+v", hint[5])
	}
}

func TestDatesAndLinesOfAnIndex(t *testing.T) {
	of := func(name, version string) manifests.IndexEntry {
		index := indexes()[name]
		hint, err := index.parse([]byte(index.text))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(hint, func(v manifests.IndexEntry) bool { return v.Version == version })
		if i < 0 {
			t.Fatalf("%s has no %s", name, version)
		}
		return hint[i]
	}
	if got := of("gradle", "9.7.1").Date; !got.Equal(time.Date(2026, 8, 20, 10, 10, 10, 0, time.UTC)) {
		t.Errorf("gradle: %v", got)
	}
	if got := of("swift", "6.0").Date; !got.Equal(time.Date(2024, 9, 17, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("swift: %v", got)
	}
	if got := of("swift", "6.0.3").Date; !got.IsZero() {
		t.Errorf("no date: %v", got)
	}
	if got := of("temurin", "23.0.1+11").Labels; got != nil {
		t.Errorf("23 has no long-term support: %v", got)
	}
	if got := of("temurin", "21.0.9+10").Labels; !slices.Contains(got, "lts") || !slices.Contains(got, manifests.Stable) {
		t.Errorf("21 has long-term support: %v", got)
	}
	if got := of("julia", "1.14.0-rc1"); got.Stable {
		t.Errorf("julia: %+v", got)
	}
}

// TestParseJuliaReadsTheRealIndex reads four versions of upstream's own index, from
// julia-actions/setup-julia, __tests__/fixtures/versions.json.
func TestParseJuliaReadsTheRealIndex(t *testing.T) {
	data, err := os.ReadFile("testdata/julia-versions.json")
	if err != nil {
		t.Fatal(err)
	}
	hint, err := signedfiles.ParseJulia(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		platform string
		want     string
	}{{"linux/amd64/gnu", "1.10.0"}, {"linux/amd64/musl", "1.10.0"}, {"darwin/arm64", "1.10.0"}, {"freebsd/amd64", "1.10.0"},
		{"linux/ppc64le/gnu", "1.10.0"}, {"linux/arm/gnu", "1.0.5"}, {"linux/riscv64/gnu", ""}} {
		platform, err := manifests.ParsePlatform(test.platform)
		if err != nil {
			t.Fatal(err)
		}
		choice, err := hint.Choose("julia", manifests.Request{Tool: "julia", Platform: platform}, manifests.SemverNumbering())
		if choice.Version != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%s: %+v, %v", test.platform, choice, err)
		}
	}
}

func TestNumberings(t *testing.T) {
	for _, test := range []struct {
		numbering manifests.Numbering
		order     string // ascending
		spell     map[string]string
		inexact   string
	}{
		{signedfiles.JDKNumbering(), "11.0.9+11 17+35 21.0.9+10 21.0.10+7 21.0.10+8 21.0.10.1+1 21.0.12.1+1 23+37",
			map[string]string{"jdk-21.0.5+11": "21.0.5+11", "21.0.5+11-LTS": "21.0.5+11", "LTS": "lts"}, "21 21.0.5 +11 21.0.5+ 021+1 21.+1 21.0.5+b1 1.8.0_302-b08 21.0.5-ea+1 99999+1"},
		{signedfiles.GradleNumbering(), "6.9 8.9 8.10 8.10.2 9.0.0-milestone-1 9.0.0-rc-1 9.0.0-rc-2 9.0.0",
			map[string]string{"v8.10": "8.10"}, "8 8. .8 8.x 8.10+1 8.10.1.1"},
		{signedfiles.SwiftNumbering(), "5.10.1 6.0 6.0.1 6.1", nil, "6 6.0-dev 6.0.1.2"},
	} {
		versions := strings.Fields(test.order)
		for i, v := range versions {
			if !test.numbering.Exact(v) {
				t.Errorf("%s is not exact", v)
			}
			for j, w := range versions {
				if got := manifests.CompareVersions(v, w); got < 0 != (i < j) || got > 0 != (i > j) {
					t.Errorf("%s and %s compare as %d", v, w, got)
				}
			}
		}
		for asked, want := range test.spell {
			if got := test.numbering.Spell(asked); got != want {
				t.Errorf("%s is spelled %s, want %s", asked, got, want)
			}
		}
		for _, v := range strings.Fields(test.inexact) {
			if test.numbering.Exact(v) {
				t.Errorf("%s is exact", v)
			}
		}
	}
}

// FuzzIndexes checks that every index yields versions of its numbering, each once, or
// an error.
func FuzzIndexes(f *testing.F) {
	for _, index := range indexes() {
		f.Add([]byte(index.text))
	}
	f.Add([]byte(`[{"version":"go1.25.0","stable":true,"files":null}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, index := range indexes() {
			hint, err := index.parse(data)
			seen := map[string]bool{}
			for _, v := range hint {
				if seen[v.Version] || !index.numbering.Exact(v.Version) || manifests.ValidVersion(v.Version) != nil || len(v.Version) == 0 {
					t.Errorf("%s: %q", name, v.Version)
				}
				seen[v.Version] = true
				for _, label := range v.Labels {
					if manifests.ValidVersion(label) != nil || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz-") != "" {
						t.Errorf("%s: label %q", name, label)
					}
				}
			}
			if (len(hint) > 0) != (err == nil) {
				t.Errorf("%s: %d versions, %v", name, len(hint), err)
			}
		}
	})
}
