//go:build interop

package main

import (
	"os"
	"strings"
	"testing"
)

// TestInventoryFragments runs the commands of docs/inventory.md on two machines of different
// users, umasks, clocks and locales, which installed the same.
func TestInventoryFragments(t *testing.T) {
	f := forge(t)
	blocks := fragmentsOf(t, "../../docs/inventory.md", "sh")
	if len(blocks) != 3 {
		t.Fatalf("docs/inventory.md has %d fragments, want 3", len(blocks))
	}
	first, second := f.home(t), f.home(t)
	first.must("install", "go@1.26.3")
	other := second.own(person).as(person)
	other.must("install", "go@1.26.3")
	const epoch = "SOURCE_DATE_EPOCH=1796040000"
	contains(t, first.job(first.dir, blocks[0], epoch), "proved again by its evidence")
	script := strings.ReplaceAll(blocks[0], "build-1", "build-2")
	if script == blocks[0] {
		t.Fatal("the first fragment names no machine build-1")
	}
	write(t, second.path("script"), "umask 077\n"+script, 0o755)
	second.job(second.dir, strings.Join(other.prefix, " ")+" sh -e ./script", epoch, "TZ=Asia/Tokyo", "LC_ALL=tr_TR.UTF-8")
	for _, name := range []string{"toolchains.cdx.json", "toolchains.spdx.json"} {
		if a, b := takeFile(t, first.path(name)), takeFile(t, second.path(name)); a != b {
			t.Errorf("%s differs between the machines:\n%s\n%s", name, a, b)
		}
	}
	if said := first.job(first.dir, blocks[1], epoch); strings.Contains(said, "changed") || !strings.Contains(said, "no difference") {
		t.Errorf("--diff: %s", said)
	}
	write(t, first.path("build-2.json"), takeFile(t, second.path("build-2.json")), 0o644)
	said := first.job(first.dir, blocks[2])
	contains(t, said, "2: build-1 and build-2\n")
	contains(t, said, "1 release on 2 machines\n")
	if hostname, err := os.Hostname(); err == nil && len(hostname) > 3 {
		for _, name := range []string{"toolchains.cdx.json", "toolchains.spdx.json", "go.intoto.json", "build-1.json"} {
			if strings.Contains(takeFile(t, first.path(name)), hostname) {
				t.Errorf("%s has the name of this machine, %s", name, hostname)
			}
		}
	}
}
