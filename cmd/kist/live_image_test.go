//go:build live

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An image with a real Go, from the module proxy, and Debian's real ninja: unpacked, another
// user than its owner builds with both, and proves them, without a network.
func TestLiveImage(t *testing.T) {
	operator := newHome(t, build(t))
	settings := filepath.Join(t.TempDir(), "env")
	write(t, settings, "GOPROXY="+tool(t, "go", "env", "GOPROXY"), 0o644)
	operator = operator.with("GOENV=" + settings)
	work := commonDir(t)
	at := func(name string) string { return filepath.Join(work, name) }
	args := []string{"debian-bookworm/ninja", "go@1.24.4", "--prefix", at("st"), "--json"}
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
	write(t, at("main.go"), "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello from go\") }\n", 0o644)
	write(t, at("build.ninja"), "rule build\n  command = "+at("st/bin/go")+" build -o $out $in\nbuild "+at("out/go")+": build "+at("main.go")+"\n", 0o644)
	user.must("--store", at("st"), "run", "ninja", "--", "ninja", "-C", at("out"), "-f", at("build.ninja"))
	if got := tool(t, at("out/go")); !strings.Contains(got, "hello from go") {
		t.Errorf("go says %s", got)
	}
	tool(t, at("st/bin/ninja"), "--version")
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
