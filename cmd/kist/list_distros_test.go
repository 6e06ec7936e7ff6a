package main

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests/debian"
)

// The mirror of a built-in distribution is the machine's own. Without one, kist says how
// to name one before it uses the network.
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
		return host.AptSources(fstest.MapFS{"etc/apt/sources.list": {Data: []byte("deb http://me:secret@mirror.example/debian trixie main\n")}})
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
