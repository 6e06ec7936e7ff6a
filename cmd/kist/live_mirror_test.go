//go:build live

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A mirror of a small tool of Debian's real archive and of a real Go from the module
// proxy, from which a client without a network installs both.
func TestLiveMirror(t *testing.T) {
	operator, client := newHome(t, build(t)), newHome(t, build(t))
	settings := filepath.Join(t.TempDir(), "env")
	write(t, settings, "GOPROXY="+tool(t, "go", "env", "GOPROXY"), 0o644)
	operator, client = operator.with("GOENV="+settings), client.with("GOENV="+settings)
	mirror := filepath.Join(t.TempDir(), "mirror")

	config := operator.must("mirror", "sync", mirror, "debian-bookworm/ninja", "go@1.24.4")
	for _, want := range []string{"snapshot 1 is new", "from = "} {
		if !strings.Contains(config, want) {
			t.Errorf("%q is not in\n%s", want, config)
		}
	}
	operator.must("mirror", "verify", mirror)
	if again := operator.must("mirror", "sync", mirror); !strings.Contains(again, "snapshot 1 is up to date") || strings.Contains(again, "fetched") {
		t.Errorf("the second run:\n%s", again)
	}

	if err := os.MkdirAll(client.path(".config", "kist"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, client.path(".config", "kist", "config.toml"), config, 0o600)
	client = client.with("HTTP_PROXY=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9")
	client.must("install", "debian-bookworm/ninja", "go@1.24.4")
	if got := tool(t, client.path(".local", "bin", "go"), "version"); !strings.Contains(got, "go1.24.4") {
		t.Errorf("go version: %s", got)
	}
	client.must("verify", "--evidence")
	client.must("outdated")
}
