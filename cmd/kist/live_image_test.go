//go:build live

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An image with a real Go, from the module proxy, and Debian's real rust: unpacked, another
// user than its owner builds with both, and proves them, without a network.
func TestLiveImage(t *testing.T) {
	operator := newHome(t, build(t))
	settings := filepath.Join(t.TempDir(), "env")
	write(t, settings, "GOPROXY="+tool(t, "go", "env", "GOPROXY"), 0o644)
	operator = operator.with("GOENV=" + settings)
	work := commonDir(t)
	at := func(name string) string { return filepath.Join(work, name) }
	args := []string{"debian-bookworm/rust", "go@1.24.4", "--prefix", at("st"), "--json"}
	operator.must(append([]string{"image", at("image")}, args...)...)
	tool(t, "umoci", "unpack", "--image", at("image:latest"), at("unpacked"))
	if err := os.Rename(filepath.Join(at("unpacked/rootfs"), at("st")), at("st")); err != nil {
		t.Fatal(err)
	}

	const nobody = "54321" // a user that shares nothing with an existing one
	user := newHome(t, operator.program).under("unshare", "--net", "--", "setpriv", "--reuid", nobody, "--regid", nobody, "--clear-groups", "--")
	if err := os.Mkdir(at("out"), 0o777); err != nil {
		t.Fatal(err)
	}
	tool(t, "chmod", "0777", at("out"))
	user = user.with("HOME=/", "GOCACHE="+at("out/cache"), "GOTOOLCHAIN=local")
	write(t, at("main.rs"), "fn main() { println!(\"hello from rust\"); }\n", 0o644)
	write(t, at("main.go"), "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello from go\") }\n", 0o644)
	user.must("--store", at("st"), "run", "rust", "--", "rustc", "-o", at("out/rust"), at("main.rs"))
	user.must("--store", at("st"), "run", "go", "--", "go", "build", "-o", at("out/go"), at("main.go"))
	for _, built := range []string{"rust", "go"} {
		if got := tool(t, at("out/"+built)); !strings.Contains(got, "hello from "+built) {
			t.Errorf("%s says %s", built, got)
		}
	}
	tool(t, at("st/bin/rustc"), "--version")
	for _, h := range []*home{user, operator.under("unshare", "--net", "--")} {
		proved := h.must("--store", at("st"), "verify", "--evidence")
		if strings.Count(proved, "as installed") != 2 || strings.Count(proved, "proved again by its evidence") != 2 {
			t.Errorf("%s", proved)
		}
	}

	// Again, from what was fetched: the same image.
	operator.must(append([]string{"image", at("again"), "--offline"}, args...)...)
	tool(t, "diff", "-r", at("image"), at("again"))
}
