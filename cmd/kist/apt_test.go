package main

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kist-tools/kist/manifests/debian"
)

func TestAptSources(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o644} }
	root := fstest.MapFS{
		"etc/apt/sources.list":                       file("deb http://one.example/debian bookworm main\n"),
		"etc/apt/sources.list.d/b.list":              file("deb http://four.example/debian bookworm main\n"),
		"etc/apt/sources.list.d/a.list":              file("deb mirror+file:/etc/apt/mirrors/debian.list bookworm main\n"),
		"etc/apt/sources.list.d/a.sources":           file("Types: deb\nURIs: http://five.example/debian\nSuites: bookworm\nComponents: main\n"),
		"etc/apt/sources.list.d/c.list.save":         file("deb http://saved.example/debian bookworm main\n"),
		"etc/apt/sources.list.d/huge.list":           file("deb http://huge.example/debian bookworm main\n" + strings.Repeat("#", maxAptFile)),
		"etc/apt/sources.list.d/directory.list/file": file(""),
		"etc/apt/mirrors/debian.list":                file("# mirrors\nhttp://two.example/debian\tpriority:1\n\nhttp://three.example/debian\n"),
	}
	var got []string
	for _, s := range aptSources(root) {
		got = append(got, s.URIs...)
	}
	want := "[http://one.example/debian http://two.example/debian http://three.example/debian http://four.example/debian http://five.example/debian]"
	if fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
	if list := aptSources(fstest.MapFS{}); list != nil {
		t.Errorf("a machine without apt has %v", list)
	}
}

// The mirror of a built-in distribution is the machine's own, and without one
// kist says how to name one, before it asks anyone.
func TestDistroWithoutMirror(t *testing.T) {
	env, _, talk := testEnv(t, "install", "debian-bookworm/go")
	if code := run(t.Context(), env); code != 6 || !strings.Contains(talk.String(), "kist channel add bookworm URL/dists/bookworm/ --format debian") {
		t.Errorf("%d: %s", code, talk)
	}
	env, _, talk = testEnv(t, "install", "debian-bookworm/nodejs")
	if code := run(t.Context(), env); code != 3 || !strings.Contains(talk.String(), "/usr/share/nodejs compiled in") {
		t.Errorf("%d: %s", code, talk)
	}
	env, out, talk := testEnv(t, "channel", "show", "debian-bookworm")
	env.AptSources = func() []debian.AptSource {
		return aptSources(fstest.MapFS{"etc/apt/sources.list": {Data: []byte("deb http://me:secret@mirror.example/debian trixie main\n")}})
	}
	if code := run(t.Context(), env); code != 0 || !strings.Contains(out.String(), "http://mirror.example/debian/dists/bookworm/") || strings.Contains(out.String(), "secret") {
		t.Errorf("%d: %s%s", code, out, talk)
	}
	env, out, _ = testEnv(t, "list", "rust", "--distros")
	if code := run(t.Context(), env); code != 0 || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("nobody to ask: %d: %s", code, out)
	}
	for _, args := range [][]string{{"list", "rust", "--distros", "--minimum"}, {"list", "rust", "--distros", "debian-trixie"}} {
		env, _, _ = testEnv(t, args...)
		if code := run(t.Context(), env); code != 6 {
			t.Errorf("%q: %d", args, code)
		}
	}
	for _, args := range [][]string{{"list", "--distros"}, {"list", "rust", "--minimum"}, {"list", "rust@1", "--distros"}, {"list", "rust", "go"},
		{"list", "rust", "--distros", "go"}, {"list", "rust", "--distros=debian-trixie", "debian-bookworm"}} {
		env, _, talk = testEnv(t, args...)
		if code := run(t.Context(), env); code != 2 {
			t.Errorf("%q: %d %s", args, code, talk)
		}
	}
	for _, args := range [][]string{{"list", "julia", "--distros"}, {"list", "rust", "--distros", "debian-buzz"}} {
		env, _, _ = testEnv(t, args...)
		if code := run(t.Context(), env); code != 3 {
			t.Errorf("%q: %d", args, code)
		}
	}
}
