//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The Go that kist installed is never run, by whatever name it is met; the
// machine's own says which proxies it uses.
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
	t.Setenv("GOPROXY", "")
	for path, want := range map[string]string{
		bin + ":" + own + ":" + machine + ":/bin": "machine",
		machine + ":" + bin + ":/bin":             "machine",
		bin + ":" + own:                           "",
		"relative:":                               "",
	} {
		t.Setenv("PATH", path)
		if got := goProxy(t.Context(), own); got != want {
			t.Errorf("PATH %s: %q, want %q", path, got, want)
		}
	}
	if _, err := os.Stat(filepath.Join(marks, "installed")); err == nil {
		t.Error("what kist installed was run")
	}
	t.Setenv("GOPROXY", "https://proxy.example")
	if got := goProxy(t.Context(), own); got != "https://proxy.example" {
		t.Errorf("GOPROXY set: %q", got)
	}
}
