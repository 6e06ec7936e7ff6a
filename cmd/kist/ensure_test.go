//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/system"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
)

// shellProgram writes a shell script that can be executed.
func shellProgram(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rustc")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestEnsureAsks checks that only the first program on PATH is run, that its version is
// compared, and that --prefer decides whether it is run at all.
func TestEnsureAsks(t *testing.T) {
	first, second := shellProgram(t, ""), shellProgram(t, "")
	for _, test := range []struct {
		args   []string
		answer string
		code   int
		asked  int
	}{
		{[]string{"rust>=1.63"}, "rustc 1.63.0\n", 0, 1},
		{[]string{"rust>=1.63.1"}, "rustc 1.63.0\n", 3, 1},
		{[]string{"rust>=1.63"}, "rustc 1.63.0-nightly (x)\n", 3, 1},
		{[]string{"rust>=1.63"}, "\x1b[2J\n", 3, 1},
		{[]string{"system/rust@1.63"}, "rustc 1.63.0\n", 0, 1},
		{[]string{"rust>=1.63", "--prefer", "installed"}, "rustc 1.63.0\n", 0, 1},
		{[]string{"rust/rust>=1.63"}, "rustc 1.63.0\n", 3, 0},
		{[]string{"rust>=1.63", "--prefer", "network,system", "--offline"}, "rustc 1.63.0\n", 0, 1},
		{[]string{"rust>=2", "--prefer", "system,network", "--offline"}, "rustc 1.63.0\n", 6, 1},
		{[]string{"go>=1"}, "go version go1.26.8 linux/amd64\n", 3, 0},
	} {
		env, out, talk := testEnv(t, append([]string{"ensure"}, test.args...)...)
		env.Environ = append(env.Environ, "PATH="+filepath.Dir(first)+":"+filepath.Dir(second))
		asked := 0
		env.Ask = func(_ context.Context, path string, args, environ []string) ([]byte, error) {
			asked++
			if path != first || args[0] != "--version" {
				t.Errorf("%s %q was asked", path, args)
			}
			return []byte(test.answer), nil
		}
		if code := run(t.Context(), env); code != test.code || asked != test.asked {
			t.Errorf("%q, %q: exit code %d, asked %d times: %s%s", test.args, test.answer, code, asked, out, talk)
		}
		if strings.Contains(talk.String(), "\x1b") {
			t.Errorf("%q", talk)
		}
	}
}

// TestNumbering checks that every tool of the system is compared by its tool's numbering,
// and that an output without a version satisfies nothing.
func TestNumbering(t *testing.T) {
	for _, name := range append(system.Names(), upstreams.Names()...) {
		for text, want := range map[string]bool{"1.0": false, "2.0": true, "1.9": false, "1.10": true, "1.10.1": true, "": false, "x": false, "1.x": false} {
			d, err := trust.ParseDemand(name + ">=1.10")
			if err != nil {
				t.Fatal(err)
			}
			if got := d.MetBy(text); got != want {
				t.Errorf("%s %q satisfies %s: %v", name, text, d, got)
			}
		}
		for _, text := range []string{"", "x", "stable", "1.x", "1..2", "~"} {
			if d, err := trust.ParseDemand(name + ">=" + text); err == nil {
				t.Errorf("%s>=%s is taken for %s", name, text, d)
			}
		}
	}
}
