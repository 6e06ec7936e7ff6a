package unpack_test

import (
	"testing"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/install/unpack"
	"github.com/kist-tools/kist/manifests"
)

// A content hash does not cover modes: whoever serves the zip can set them.
func TestModeless(t *testing.T) {
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
