package unpack_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/internal/unpack"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
)

// Finish makes exactly the named files executable, directly or through links.
func TestFinishMakesFilesExecutable(t *testing.T) {
	private := file("private", "x")
	private.mode = "0000600\x00"
	tree := []tarEntry{file("bin/tool", "x"), private, file("README", "x"), link("alias", "bin/tool"), link("chain", "alias"), link("b", "bin"),
		link("gone", "nowhere"), dir("d"), link("one", "two/x"), link("two", "d")}
	for _, c := range []struct{ names, want string }{
		{"", ""},
		{"bin/tool", "bin/tool"},
		{"bin/tool bin/tool private", "bin/tool private"},
		{"alias", "bin/tool"},
		{"chain", "bin/tool"},
		{"b/tool", "bin/tool"},
		{"gone nothing d b one README/x bin/tool/x", ""},
	} {
		s := newStage(t, unpack.DefaultLimits())
		if err := s.add(t, tarOf(tree...), manifests.Layout{Format: "tar"}); err != nil {
			t.Fatal(err)
		}
		entries, err := s.prefix.Finish(t.Context(), strings.Fields(c.names)...)
		if s.check(t, entries, err); err != nil { // the entries match the disk
			t.Fatal(err)
		}
		var got []string
		for _, e := range entries {
			if e.Type == record.File && e.Mode&0o111 != 0 {
				got = append(got, e.Path)
				if want := map[bool]fs.FileMode{true: 0o700, false: 0o755}[e.Path == "private"]; e.Mode != want {
					t.Errorf("%q: %s has the mode %v, want %v", c.names, e.Path, e.Mode, want)
				}
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q: %q, want %q", c.names, got, c.want)
		}
	}
}
