//go:build unix

package host_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/kist-tools/kist/install/host"
)

// TestGoProxy checks that the machine's own Go is asked for its proxies, and that a Go
// which kist installed is never run, by whatever name it is found.
func TestGoProxy(t *testing.T) {
	own, machine, bin, marks := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	program := func(dir, says string) string {
		path := filepath.Join(dir, "go")
		script := "#!/bin/sh\necho ran >>" + filepath.Join(marks, says) + "\necho " + says + "\n"
		if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	installed := program(own, "installed")
	program(machine, "machine")
	if err := os.Symlink(installed, filepath.Join(bin, "go")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		bin + ":" + own + ":" + machine + ":/bin": "machine",
		machine + ":" + bin + ":/bin":             "machine",
		bin + ":" + own:                           "",
		"relative:":                               "",
	} {
		if got := host.GoProxy(t.Context(), host.ParsePath(path, bin, own), []string{"PATH=" + path}, ""); got != want {
			t.Errorf("PATH %s: %q, want %q", path, got, want)
		}
	}
	if _, err := os.Stat(filepath.Join(marks, "installed")); err == nil {
		t.Error("what kist installed was run")
	}
	if got := host.GoProxy(t.Context(), host.ParsePath(machine, bin, own), []string{"GOPROXY=https://proxy.example"}, ""); got != "https://proxy.example" {
		t.Errorf("GOPROXY set: %q", got)
	}
}
