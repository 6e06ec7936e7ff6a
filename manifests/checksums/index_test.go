package checksums_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/checksums"
)

const feedHead = `<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en-US">
<id>tag:github.com,2008:https://github.com/oven-sh/bun/releases</id>`

func entry(id string) string { return "<entry><id>" + id + "</id><title>x</title></entry>" }

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
	bun := checksums.ParseReleases("bun-v")
	for _, test := range []struct {
		name  string
		parse func([]byte) (manifests.VersionIndex, error)
		text  string
		want  string
	}{
		{"node: tricks in versions", checksums.ParseNode,
			`[{"version":"v../../etc"},{"version":"22.1.0"},{"version":"v22.1"},{"version":"V22.2.0"},{"version":"v22.1.0/.."},
			{"version":"v22.1.0 "},{"version":"v22.01.0"},{"version":"vv22.3.0"},{"version":""},{"version":"v22.1.0%2f.."},
			{"version":"v22.4.0"},{"version":"v22.4.0"},{"version":"v23.0.0-rc.1"}]`, "22.4.0 23.0.0-rc.1!"},
		{"node: an overlong version", checksums.ParseNode,
			`[{"version":"v1.2.` + strings.Repeat("3", 90) + `"},{"version":"v22.4.0"}]`, "22.4.0"},
		{"hashicorp: tricks in versions", checksums.ParseHashiCorp,
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

func TestParsersRefuseOtherDocuments(t *testing.T) {
	page := "<!DOCTYPE html><html><title>Please log in</title></html>"
	for name, parse := range parsers() {
		for _, text := range []string{"", "[]", "{}", "null", page, "[{}]", `{"versions":[]}`, `[{"version":1}]`, `{"versions":{"x":{}}}`,
			strings.Repeat("[", 1<<20), strings.Repeat(`{"versions":`, 1<<18), strings.Repeat("<feed>", 1<<18),
			feedHead, feedHead + "</feed>", "<feed>" + entry("x/bun-v1.0.0") + "</feed>", `<!DOCTYPE f [<!ENTITY a "bun-v1.0.0">]>` + feedHead + entry("&a;") + "</feed>"} {
			if hint, err := parse([]byte(text)); err == nil {
				t.Errorf("%s: %.60q: %+v", name, text, hint)
			}
		}
	}
}

func TestNodeLabelsAndPlatforms(t *testing.T) {
	hint, err := checksums.ParseNode([]byte(`[
		{"version":"v24.1.0","date":"2026-10-01","files":["linux-x64","linux-x64","osx-arm64-tar","win-x64-exe","../x","src"],"lts":"Krypton"},
		{"version":"v23.1.0","date":"soon","lts":false},{"version":"v22.1.0","lts":true},{"version":"v20.1.0","lts":"../x"},
		{"version":"v18.1.0","lts":"22.1.0"},{"version":"v16.1.0","lts":"Latest"},{"version":"v14.1.0-rc.1","lts":"Fermium"}]`))
	if err != nil || len(hint) != 7 {
		t.Fatalf("%+v, %v", hint, err)
	}
	if v := hint[0]; !slices.Equal(v.Labels, []string{"stable", "lts", "lts-krypton"}) || v.Date.Format("2006-01-02") != "2026-10-01" ||
		!slices.Equal(v.Platforms, []manifests.Platform{linux, {OS: "darwin", Arch: "arm64"}}) {
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

func parsers() map[string]func([]byte) (manifests.VersionIndex, error) {
	return map[string]func([]byte) (manifests.VersionIndex, error){
		"node": checksums.ParseNode, "hashicorp": checksums.ParseHashiCorp, "github": checksums.ParseReleases("bun-v"),
	}
}

// checkHint checks that the parsed values are safe as parts of a URL.
func checkHint(t *testing.T, hint manifests.VersionIndex, err error) {
	t.Helper()
	if (err == nil) != (len(hint) > 0) {
		t.Fatalf("%+v, %v", hint, err)
	}
	seen := map[string]bool{}
	for _, v := range hint {
		if !manifests.ValidSemver(v.Version) || v.Stable != manifests.StableSemver(v.Version) || seen[v.Version] {
			t.Errorf("%+v", v)
		}
		seen[v.Version] = true
		for _, label := range v.Labels {
			if manifests.ValidVersion(label) != nil || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz-") != "" {
				t.Errorf("label %q", label)
			}
		}
	}
}

func FuzzParseNode(f *testing.F) {
	f.Add([]byte(`[{"version":"v1.2.3","lts":"Jod","date":"2026-01-01","files":["linux-x64"]}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		hint, err := checksums.ParseNode(data)
		checkHint(t, hint, err)
	})
}

func FuzzParseHashiCorp(f *testing.F) {
	f.Add([]byte(`{"versions":{"1.2.3":{"builds":[{"os":"linux","arch":"amd64"}]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		hint, err := checksums.ParseHashiCorp(data)
		checkHint(t, hint, err)
	})
}

func FuzzParseReleases(f *testing.F) {
	f.Add([]byte(fmt.Sprint(feedHead, entry("tag:github.com,2008:Repository/1/bun-v1.2.0"), "</feed>")))
	parse := checksums.ParseReleases("bun-v")
	f.Fuzz(func(t *testing.T, data []byte) {
		hint, err := parse(data)
		checkHint(t, hint, err)
	})
}
