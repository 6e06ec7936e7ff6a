package trust_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/trust"
)

func TestParseSetRef(t *testing.T) {
	if got, ok, err := trust.ParseSetRef("acme/@backend"); !ok || err != nil || got != (trust.SetRef{Channel: "acme", Name: "backend"}) || got.String() != "acme/@backend" {
		t.Errorf("acme/@backend: %+v, %v, %v", got, ok, err)
	}
	if got, ok, err := trust.ParseSetRef("tools.acme/@a.b"); !ok || err != nil || got.Channel != "tools.acme" {
		t.Errorf("names with a dot: %+v, %v, %v", got, ok, err)
	}
	for _, text := range []string{"", "go", "acme/zig", "acme/zig@1", "zig@backend", "./kist.toml", "a b@c", "/srv/x@y", "/@backend", "../@backend", "./@backend", "a/b/@c", `C:\x/@y`} {
		if got, ok, err := trust.ParseSetRef(text); ok || err != nil {
			t.Errorf("%q was taken for the set %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"@backend", "@", "acme/@", "acme/@Backend", "acme/@backend@1", "acme/@a/b", "Acme/@backend", "acme/@../x"} {
		if got, ok, err := trust.ParseSetRef(text); !ok || !errors.Is(err, manifests.ErrInput) {
			t.Errorf("%q: got %+v, %v, %v, want an error", text, got, ok, err)
		}
	}
}

// TestSetIsNoTool tests that no text is both a set and a TOOL.
func TestSetIsNoTool(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z/@.=]{0,8}`).Draw(t, "text")
		_, isSet, _ := trust.ParseSetRef(text)
		if _, err := trust.ParseRef(text); isSet && err == nil {
			t.Fatalf("%q is both", text)
		}
	})
}
