package unpack_test

import (
	"testing"

	"github.com/kist-tools/kist/install/internal/unpack"
)

func TestMatchPath(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"bin/*", "bin/go", true}, {"bin/*", "bin/a/go", false}, {"bin/**", "bin/go", true}, {"bin/**", "bin/a/go", true},
		{"bin/**", "bin", false}, {"bin/**", "binary/go", false}, {"**", "a", true}, {"**", "a/b/c", true},
		{"pkg/*/bin/**", "pkg/x/bin/y/z", true}, {"pkg/*/bin/**", "pkg/x/lib/y", false}, {"pkg/*/bin/**", "pkg/x/y/bin/z", false},
		{"a**", "ab", true}, {"a**", "a/b", false},
	} {
		if got := unpack.MatchPath(c.pattern, c.name); got != c.want {
			t.Errorf("%q below %q: %v", c.name, c.pattern, got)
		}
	}
}

func TestRelative(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{".", "a", "a"}, {".", "", "."}, {"a", "a/b", "b"}, {"a", "b", "../b"}, {"a/b", "a", ".."}, {"a/b", "a/bc", "../bc"},
		{"a/b", "", "../.."}, {"a", "a", "."}, {"a/b/c", "a/d/e", "../../d/e"},
	} {
		if got := unpack.Relative(c.from, c.to); got != c.want {
			t.Errorf("from %q to %q: %q, want %q", c.from, c.to, got, c.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, c := range []struct {
		field string
		want  int64
		ok    bool
	}{
		{"0000644\x00", 0o644, true}, {"   644 \x00", 0o644, true}, {"00000644", 0o644, true}, {"0\x00\x00\x00\x00\x00\x00\x00", 0, true},
		{"        ", 0, false}, {"\x00\x00\x00\x00\x00\x00\x00\x00", 0, false}, {"0000648\x00", 0, false}, {"00 00644", 0, false},
		{"\x80\x00\x00\x00\x00\x00\x01\x00", 256, true}, {"\x80\xff\xff\xff\xff\xff\xff\xff", 1<<56 - 1, true},
		{"\xff\xff\xff\xff\xff\xff\xff\xff", 0, false}, {"\x81\x00\x00\x00\x00\x00\x00\x00", 0, false}, {"\x0000000", 0, false},
	} {
		got, ok := unpack.Number([]byte(c.field))
		if got != c.want || ok != c.ok {
			t.Errorf("%q: %d, %v, want %d, %v", c.field, got, ok, c.want, c.ok)
		}
	}
}
