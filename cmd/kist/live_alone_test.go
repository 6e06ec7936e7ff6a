//go:build live

package main

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// A machine that reaches nothing but its mirror installs what three projects ask for,
// unedited: one with a rust-toolchain.toml (Rust's layout, with a key of this test), one
// with Debian's rust and one with Go, both from their real archives with their real keys. A
// mirror that replays, swaps or changes what these signed, or that nobody updates, is
// refused.
func TestLiveMirrorAlone(t *testing.T) {
	rust := newSigner(t, "rsa3072")
	program := buildForTest(t, rust)
	operator, dist := newHome(t, program), commonDir(t)
	publishStableRust(t, dist, rust, "1.94.0", "2026-03-05")
	withRustFrom(t, operator, startNginx(t, dist))
	settings := filepath.Join(commonDir(t), "env")
	write(t, settings, "GOPROXY="+tool(t, "go", "env", "GOPROXY"), 0o644)
	operator = operator.with("GOENV=" + settings)

	m := standAlone(t, newHome(t, program).with("GOENV="+settings))
	m.sync(operator, "rust", "debian-bookworm/rust", "go@1.24.4", "go@1.24.3")
	toolchain := m.project("rust", "rust-toolchain.toml", "[toolchain]\nchannel = \"stable\"\n")
	debian := m.project("debian", "kist.toml", "[tools]\n\"debian-bookworm/rust\" = \"1.63\"\n")
	golang := m.project("go", "go.mod", "module example.org/m\n\ngo 1.24.0\n\ntoolchain go1.24.4\n")
	contains(t, toolchain.must("install"), "(?s)Installed rust 1.94.0 .*channel rust\n")
	contains(t, debian.must("install", "--no-default"), "(?s)Installed rust 1.63.0.*channel debian-bookworm\n  signed by")
	contains(t, golang.must("install"), "(?s)Installed go 1.24.4 .*proved by the checksum database")
	contains(t, toolchain.must("run", "rust", "--", "rustc"), "rustc 1.94.0")
	contains(t, debian.must("run", "debian-bookworm/rust", "--", "rustc", "--version"), "rustc 1.63.0")
	contains(t, golang.must("run", "go", "--", "go", "version"), "go1.24.4")
	golang.must("verify", "--evidence")
	golang.must("outdated")

	before := m.keep()
	publishStableRust(t, dist, rust, "1.95.0", "2026-04-16")
	m.sync(operator)
	toolchain.must("list", "--available", "rust")
	manifest := m.file("static.rust-lang.org/dist/channel-rust-stable.toml")
	m.refused(toolchain, "rust", []mirrorAttack{
		{"replayed", func() { before.put(manifest, manifest+".asc") }, 0, 5},
		{"swapped", func() { before.put(manifest) }, 0, 4},
		{"changed", func() { m.change(manifest) }, 0, 4},
	})

	release, security := m.file("*/debian/dists/bookworm/InRelease"), m.file("*/debian-security/dists/bookworm-security/InRelease")
	m.refused(debian, "debian-bookworm/rust", []mirrorAttack{
		{"replayed", func() { m.replace(security, oldInRelease(t, "bookworm-security")) }, 0, 5},
		{"stale", func() {}, 30 * 24 * time.Hour, 5},
		{"swapped", func() { m.swap(release, security) }, 0, 4},
		{"changed", func() { m.change(security) }, 0, 4},
	})

	// What proves a Go toolchain has no date: it stays true for ever.
	const zips = "*/golang.org/toolchain/@v/v0.0.1-go1.24."
	wanted, other := m.file(zips+"3.*.zip"), m.file(zips+"4.*.zip")
	good := m.keep()
	const lookups = "*/sumdb/*/lookup/golang.org/toolchain@v0.0.1-go1.24."
	for _, lie := range []func(){
		func() { m.swap(wanted, other) },
		func() { m.swap(m.file(lookups+"3.*"), m.file(lookups+"4.*")) },
	} {
		lie()
		golang.exits(4, "install", "go@1.24.3")
		good.put(wanted, other, m.file(lookups+"3.*"), m.file(lookups+"4.*"))
	}
	golang.must("install", "go@1.24.3")
	golang.must("verify", "--evidence")
}

// oldInRelease returns an InRelease file that Debian signed some time ago.
func oldInRelease(t *testing.T, suite string) string {
	t.Helper()
	text, err := exec.Command("xz", "-dc", "../../manifests/debian/testdata/"+suite+"-InRelease.xz").Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
