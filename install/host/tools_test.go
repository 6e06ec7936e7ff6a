//go:build unix

package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests/system"
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

// TestAsk checks that a program of the system has no input, no project and a time limit.
func TestAsk(t *testing.T) {
	answer, err := host.Ask(t.Context(), shellProgram(t, "cat; pwd; echo $0 $1 $HERE"), []string{"--version"}, []string{"HERE=there"})
	if got := string(answer); err != nil || !strings.HasPrefix(got, "/\n") || !strings.HasSuffix(got, "/rustc --version there\n") {
		t.Errorf("got %q, %v", got, err)
	}
	for text, want := range map[string]string{
		"echo rustc 1.63.0; exit 3":                     "exit status 3",
		"while echo rustc 1.63.0; do :; done":           "it printed more than 65536 bytes",
		"head -c 65537 /dev/zero":                       "it printed more than 65536 bytes",
		"echo rustc 1.63.0; kill -9 $$":                 "signal: killed",
		"echo rustc 1.63.0 >&2; exec /nowhere/at/all":   "exit status 127",
		"sleep 60 </dev/null & echo rustc 1.63.0; wait": "no answer",
	} {
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		if want == "no answer" {
			ctx, cancel = context.WithTimeoutCause(ctx, 300*time.Millisecond, errors.New("no answer"))
		}
		answer, err := host.Ask(ctx, shellProgram(t, text), nil, []string{"PATH=/usr/bin:/bin"})
		cancel()
		if err == nil || err.Error() != want {
			t.Errorf("%s: %q, %v; want %s", text, answer, err, want)
		}
	}
	if _, err := host.Ask(t.Context(), "/nowhere/rustc", nil, nil); err == nil {
		t.Error("a missing program has answered")
	}
}

// TestVersion checks what a command is asked, and with which PATH.
func TestVersion(t *testing.T) {
	bin, machine := t.TempDir(), t.TempDir()
	rust, _ := system.Lookup("rust")
	p := host.ParsePath(machine+":"+bin+":relative", bin, filepath.Join(bin, "own"))
	answer, failure := "rustc 1.63.0\n", error(nil)
	ask := func(_ context.Context, path string, args, environ []string) ([]byte, error) {
		if path != "/usr/bin/rustc" || !slices.Equal(args, rust.Args) || host.Getenv(environ, "PATH") != machine || host.Getenv(environ, "HERE") != "yes" {
			t.Errorf("asked %s %q with %q", path, args, environ)
		}
		return []byte(answer), failure
	}
	environ := []string{"HERE=yes", "PATH=" + machine + ":" + bin}
	if v, err := p.Version(t.Context(), ask, rust, "/usr/bin/rustc", environ); v != "1.63.0" || err != nil {
		t.Errorf("got %q, %v", v, err)
	}
	if host.Getenv(environ, "PATH") == machine {
		t.Error("the caller's environment was changed")
	}
	answer = "something else"
	if v, err := p.Version(t.Context(), ask, rust, "/usr/bin/rustc", environ); err == nil {
		t.Errorf("got %q from another program", v)
	}
	answer, failure = "rustc 1.63.0\n", errors.New("exit status 1")
	if v, err := p.Version(t.Context(), ask, rust, "/usr/bin/rustc", environ); err == nil {
		t.Errorf("got %q from a command that failed", v)
	}
}
