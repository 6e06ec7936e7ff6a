//go:build live

package main

import (
	"strings"
	"testing"
	"time"
)

// Debian's real archive, from the mirror that this machine's apt uses, with Debian's real
// keys: the versions that each release ships, and the packages that rust consists of.
func TestLiveDebian(t *testing.T) {
	h := newHome(t, build(t))
	show := h.must("channel", "show", "debian-bookworm")
	if !strings.Contains(show, "/dists/bookworm/") || !strings.Contains(show, "-security/dists/bookworm-security/") {
		t.Fatalf("this machine's apt sources name no mirror of Debian:\n%s", show)
	}
	table := h.must("list", "rust", "--distros", "debian-bookworm,debian-trixie")
	for _, want := range []string{"debian-bookworm  1.63.0", "debian-trixie    1.85.1"} {
		if !strings.Contains(table, want) {
			t.Errorf("%q is not in\n%s", want, table)
		}
	}
	if got := h.must("list", "rust", "--distros", "debian-bookworm,debian-trixie", "--minimum"); got != "1.63.0\n" {
		t.Errorf("the minimum is %q", got)
	}
	for tool, want := range map[string]string{"go": "1.19.8", "clang": "14.0.6", "cmake": "3.25.1", "meson": "1.0.1", "gcc": "12.2.0", "python": "3.11.2"} {
		if got := h.must("list", tool, "--distros=debian-bookworm", "--minimum", "--offline"); got != want+"\n" {
			t.Errorf("%s of bookworm is %q, want %s", tool, got, want)
		}
	}
	plan := h.must("install", "-n", "debian-bookworm/rust", "debian-bookworm/go")
	for _, want := range []string{"Would install rust 1.63.0+dfsg1-2: ", "  channel debian-bookworm\n  signed by ", "4D64 FEC1 19C2 0290 67D6  E791 F8D2 585B 8783 D481",
		"  rustc_1.63.0+dfsg1-2_", "  cargo_0.66.0+ds1-1_", "  gcc-12_12.2.0-14", "  libc6-dev_2.36-9", "Would install go 1.19.8-2: ", "  golang-1.19-go_1.19.8-2_"} {
		if !strings.Contains(plan, want) {
			t.Errorf("%q is not in\n%s", want, plan)
		}
	}
	h.exits(3, "install", "-n", "debian-bookworm/nodejs")
	h.exits(3, "install", "-n", "debian-bookworm/rust@1.85")
	h.exits(3, "install", "-n", "debian-bookworm/rust", "-c", "no-such-package")
	if list := h.installed(); len(list) != 0 {
		t.Errorf("installed: %q", list)
	}
}

// Indexing trixie and resolving rust is cheap, and far cheaper with the stored excerpt:
// under 1.5 s and 0.2 s of CPU on an idle machine, which a test cannot require, and 200
// MB.
func TestLiveDebianIsCheap(t *testing.T) {
	h := newHome(t, build(t))
	measure := func(args ...string) (cpu time.Duration, memory int64) {
		t.Helper()
		cmd := h.command(args...)
		peak := peakOf(t, cmd)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		p := cmd.ProcessState
		return p.UserTime() + p.SystemTime(), peak()
	}
	cpu, memory := measure("list", "rust", "--distros", "debian-trixie")
	t.Logf("from the mirror: %v, %d MB", cpu, memory>>20)
	if memory > 200<<20 {
		t.Errorf("indexing trixie took %d bytes", memory)
	}
	again, memory := measure("install", "-n", "--offline", "debian-trixie/rust")
	t.Logf("from what was kept: %v, %d MB", again, memory>>20)
	if memory > 200<<20 || again > cpu/2 {
		t.Errorf("resolving from what was kept took %v, not %v, and %d bytes", again, cpu, memory)
	}
}
