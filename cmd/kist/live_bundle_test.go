//go:build live

package main

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"
)

// One bundle with a real Go, from the module proxy, and Debian's real rust: a machine without
// a network installs both, builds with them, proves them again and removes them to the byte.
func TestLiveBundle(t *testing.T) {
	operator, client := newHome(t, build(t)), newHome(t, build(t))
	settings := filepath.Join(t.TempDir(), "env")
	write(t, settings, "GOPROXY="+tool(t, "go", "env", "GOPROXY"), 0o644)
	operator = operator.with("GOENV=" + settings)
	work := t.TempDir()
	bundle := filepath.Join(work, "b.tar")
	operator.must("bundle", "create", bundle, "debian-bookworm/rust", "go@1.24.4")

	// Neither its proxy nor its mirror of Debian is that of the bundle.
	client = client.with("GOPROXY=off").under("unshare", "--net", "--")
	shown := client.must("bundle", "show", bundle)
	for _, want := range []string{"2 of 2 releases proved", "go/go@1.24.4 for linux/", "proved by the checksum database", "debian-bookworm/rust@1.63.0"} {
		if !strings.Contains(shown, want) {
			t.Errorf("%q is not in\n%s", want, shown)
		}
	}
	write(t, client.path(".profile"), "# mine\n", 0o644)
	write(t, client.path(".local", "bin", "mine"), "#!/bin/sh\n", 0o755)
	before := client.holds()
	client.must("install", "debian-bookworm/rust", "go@1.24.4", "--from", bundle)
	write(t, filepath.Join(work, "main.rs"), "fn main() { println!(\"hello from rust\"); }\n", 0o644)
	write(t, filepath.Join(work, "main.go"), "package main\n\nfunc main() { println(\"hello from go\") }\n", 0o644)
	client.must("run", "debian-bookworm/rust", "--", "rustc", "-o", filepath.Join(work, "rust"), filepath.Join(work, "main.rs"))
	// Go's own cache and counters are not for kist to remove.
	elsewhere := []string{"env", "XDG_CACHE_HOME=" + filepath.Join(work, "cache"), "XDG_CONFIG_HOME=" + filepath.Join(work, "config")}
	client.must(append(append([]string{"run", "go@1.24.4", "--"}, elsewhere...), "go", "build", "-o", filepath.Join(work, "go"), filepath.Join(work, "main.go"))...)
	if got := tool(t, filepath.Join(work, "rust")); !strings.Contains(got, "hello from rust") {
		t.Errorf("rust says %s", got)
	}
	tool(t, filepath.Join(work, "go"))
	client.must("verify", "--evidence")
	client.must("uninstall", "--all", "-y")
	if left := client.installed(); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	// Only marks stay: they prevent a later downgrade.
	after := client.holds()
	maps.DeleteFunc(after, func(name, _ string) bool {
		return strings.HasPrefix(name, client.path(".local", "state", "kist", "marks")+"/")
	})
	same(t, before, after)
	client.exits(3, "install", "node", "--from", bundle)
}
