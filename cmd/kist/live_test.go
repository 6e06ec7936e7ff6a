//go:build live

package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The real origins of Go: upstream's own host where it can be reached, else the
// module proxy this machine is set to use. An empty home, a machine with Go.
func TestLiveGo(t *testing.T) {
	out, err := exec.Command("go", "env", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	h := newHome(t, build(t)).with("GOPROXY="+strings.TrimSpace(string(out)), "GOTOOLCHAIN=local")
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
	h.exits(6, "install", "go@1.24.5")
	h.exits(6, "list", "--available", "go", "--offline")
	h.exits(2, "uninstall", "go") // which one?
	h.must("uninstall", "go@1.24.4")
	h.must("self", "uninstall", "--yes")
	same(t, before, takeSnapshot(t, h.dir))
}

// liveInstall installs ref and returns the version it turned out to be, as the
// toolchain says itself.
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
	said := h.must("run", "go@"+version, "--", "go", "version")
	if !strings.HasPrefix(said, "go version go"+version+" ") {
		t.Fatalf("go@%s says %q", version, said)
	}
	return version
}
