package unpack_test

import (
	"testing"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// A content hash does not cover modes, which the server of the zip could change.
func TestModelessIgnoresModes(t *testing.T) {
	moded := func(name string, mode uint32) zipFile { f := zfile(name, "x"); f.mode = mode; return f }
	data := zipOf(moded("bin/go", 0o100600), moded("src/all.bash", 0o100755), moded("VERSION", 0o100400))
	layout := manifests.Layout{Format: "zip", Exec: []string{"bin/**"}}
	for _, modeless := range []bool{true, false} {
		layout.Modeless = modeless
		entries, err := unpackAll(t, data, layout, unpack.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		script := map[bool]uint32{true: 0o644, false: 0o755}[modeless]
		want := map[string]uint32{"bin/go": 0o755, "src/all.bash": script, "VERSION": map[bool]uint32{true: 0o644, false: 0o600}[modeless]}
		for _, e := range entries {
			if e.Type == record.File && uint32(e.Mode) != want[e.Path] {
				t.Errorf("modeless %v: %s has mode %v, want %#o", modeless, e.Path, e.Mode, want[e.Path])
			}
		}
	}
}

// A content hash does not cover types either: it proves a name and content, so every entry
// becomes a file.
func TestModelessMakesNoLinks(t *testing.T) {
	data := zipOf(zipFile{name: "d/", mode: 0o040700}, zlink("d/VERSION", "go1.26.8"), zipFile{name: "pipe", data: "x", mode: 0o010644})
	entries, err := unpackAll(t, data, manifests.Layout{Format: "zip", Modeless: true}, unpack.DefaultLimits())
	if err != nil || list(entries) != "d/ d/VERSION pipe" {
		t.Fatalf("got %q, %v", list(entries), err)
	}
	for _, e := range entries {
		if want := map[record.Type]uint32{record.Dir: 0o755, record.File: 0o644}[e.Type]; uint32(e.Mode) != want {
			t.Errorf("%s has mode %v, want %#o", e.Path, e.Mode, want)
		}
	}
	wantRefused(t, data, manifests.Layout{Format: "zip"}, unpack.DefaultLimits(), unpack.RuleType)
}
