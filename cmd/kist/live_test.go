//go:build live

package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The real origins of Go: upstream's own host if it is reachable, else the module proxy
// of this machine. An empty home, a machine with Go.
func TestLiveGo(t *testing.T) {
	h := newHome(t, build(t))
	// The machine's own setting, as kist finds it: in Go's file of settings.
	settings := filepath.Join(t.TempDir(), "env")
	write(t, settings, "GOPROXY="+tool(t, "go", "env", "GOPROXY"), 0o644)
	h = h.with("GOENV=" + settings)
	before := takeSnapshot(t, h.dir)

	newest := liveInstall(t, h, "go")
	if list := h.must("list", "--available", "go"); !strings.Contains(list, newest) {
		t.Errorf("go %s was installed, but is not among what is available:\n%s", newest, list)
	}
	if got := liveInstall(t, h, "go@1.25"); !strings.HasPrefix(got, "1.25.") {
		t.Errorf("go@1.25 is go %s", got)
	}
	if got := liveInstall(t, h, "go@1.24.4"); got != "1.24.4" {
		t.Errorf("go@1.24.4 is go %s", got)
	}
	for _, command := range []string{"go", "gofmt"} { // the first is still the default
		if got := h.must("which", command); !strings.Contains(got, newest) {
			t.Errorf("%s leads to %s", command, got)
		}
	}
	h.must("verify")
	h.exits(3, "install", "go@1.25.999")
	h.exits(3, "install", "go", "--component", "no-such")

	// From here on, there is no network.
	h = h.with("HTTP_PROXY=http://127.0.0.1:9", "HTTPS_PROXY=http://127.0.0.1:9", "GOPROXY=http://127.0.0.1:9")
	if got := h.must("install", "go@1.24.4", "go@1.25", "go"); strings.Count(got, "already installed") != 3 {
		t.Errorf("installing again: %s", got)
	}
	if got := h.must("verify", "--evidence"); strings.Count(got, "proved again by its evidence") != 3 {
		t.Errorf("verifying by the evidence: %s", got)
	}
	h.exits(6, "install", "go@1.24.5")
	h.exits(6, "list", "--available", "go", "--offline")
	h.exits(2, "uninstall", "go") // which one?
	h.must("uninstall", "go@1.24.4")
	h.must("self", "uninstall", "--yes")
	same(t, before, takeSnapshot(t, h.dir))
}

// liveInstall installs ref and returns its version, as the toolchain itself prints it.
func liveInstall(t *testing.T, h *home, ref string) (version string) {
	t.Helper()
	had := h.installed()
	text := h.must("install", ref)
	if !strings.Contains(text, "signed by EB4C 1BFD 4F04 2F6D DDCC  EC91 7721 F63B D38B 4796") &&
		!strings.Contains(text, "proved by the checksum database") {
		t.Errorf("install %s does not say how it was proved: %s", ref, text)
	}
	for _, now := range h.installed() {
		if !slices.Contains(had, now) {
			_, version, _ = strings.Cut(now, "@")
		}
	}
	// What a toolchain writes when it is run (Go counts its runs) is its own affair.
	said := h.must("run", "go@"+version, "--", "env", "HOME="+t.TempDir(), "go", "version")
	if !strings.HasPrefix(said, "go version go"+version+" ") {
		t.Fatalf("go@%s says %q", version, said)
	}
	return version
}
