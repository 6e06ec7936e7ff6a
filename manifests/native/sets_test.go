package native_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// TestSetsNameTheirChannels tests that a catalog gives each tool of a set a channel, and
// that the manifest keeps what its publisher wrote.
func TestSetsNameTheirChannels(t *testing.T) {
	m, err := native.ParseBytes(vectors(t, "good.txtar")["sets"].text, false)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range native.NewCatalog(m, verify.Document{}, native.Source{}).Sets() {
		for _, tool := range s.Tools {
			got = append(got, s.Name+": "+tool.String())
		}
	}
	want := []string{"backend: acme/zig", "backend: acme/hello@1.0", "backend: go/go@1.26", "backend: beta/zig@=0.14.0", "backend: node/node@lts",
		"front-end: rust/rust@1.95 -c clippy -t wasm32-unknown-unknown --profile minimal", "front-end: acme/zig"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if first := m.Sets[0].Tools[0]; first.Channel != "" {
		t.Errorf("the manifest was changed: %+v", first)
	}
}

// TestEncodeOfSetsIsReadable checks the text that publishers read and edit.
func TestEncodeOfSetsIsReadable(t *testing.T) {
	m := &native.Manifest{Channel: "acme", Sets: []manifests.Set{{Name: "backend", Tools: []manifests.SetTool{
		{Tool: "zig", Version: "0.14"}, {Channel: "rust", Tool: "rust", Components: []string{"clippy"}},
	}}}}
	got, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `format  = 1
channel = "acme"

[[set]]
name  = "backend"
tools = [
  "zig@0.14",
  { tool = "rust/rust", components = ["clippy"] },
]
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestCheckSets tests which sets a publisher should not sign.
func TestCheckSets(t *testing.T) {
	m := &native.Manifest{Channel: "acme", Releases: []native.Release{{Tool: "zig", Version: "0.14.0", Labels: []string{"stable"},
		Artifacts: []native.Artifact{{Component: "zig"}, {Component: "docs"}}}}}
	for ref, want := range map[string]string{
		"zig": "", "zig@0.14": "", "zig@=0.14.0": "", "zig@stable": "", "acme/zig": "", "go/go@1.26": "", "beta/nothing@9": "",
		"go":         "set team names go, but the channel has no such tool; one of another channel is written CHANNEL/go",
		"acme/go":    "has no such tool",
		"zig@0.13":   "set team names zig@0.13, but the channel has no such version",
		"zig@=0.14":  "no such version",
		"zig@latest": "", "zig@lts": "no such version",
	} {
		tool, err := native.ParseSetTool(ref)
		if err != nil {
			t.Fatal(err)
		}
		m.Sets = []manifests.Set{{Name: "team", Tools: []manifests.SetTool{tool}}}
		if ref == "zig@stable" {
			m.Sets[0].Tools[0].Components = []string{"docs"}
		}
		err = m.CheckSets()
		if want == "" && err != nil || want != "" && (!errors.Is(err, verify.ErrUntrusted) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", ref, err, want)
		}
	}
	m.Sets[0].Tools = []manifests.SetTool{{Tool: "zig", Components: []string{"docs", "src"}}}
	if err := m.CheckSets(); err == nil || !strings.Contains(err.Error(), "names component src of zig") {
		t.Errorf("unknown component: %v", err)
	}
}
