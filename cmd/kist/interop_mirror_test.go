//go:build interop

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A mirror that nginx serves as docs/fleet.md says. Clients that ask only the mirror
// install, update and verify while it changes and versions are pruned: each finds one
// snapshot, or the rest of the one that it began with.
func TestMirrorByNginx(t *testing.T) {
	program := build(t)
	operator := newHome(t, program)
	acme, public := newSigner(t, "ed25519"), commonDir(t)
	mirror := filepath.Join(commonDir(t), "mirror")
	byHand(t, public, acme, 1, 20, "1.0")
	origin := startNginx(t, public)
	operator.must("channel", "add", "acme", origin.http, "--key", acme.publicKey())
	operator.must("mirror", "sync", mirror, "acme/hello")
	web := startNginxServing(t, fmt.Sprintf(`root %s;
		location / { try_files /current$uri /current${uri}index.html /previous$uri =404; }`, mirror))
	config := operator.must("mirror", "sync", mirror, "--url", web.http)

	client := newHome(t, program)
	client.must("channel", "add", "acme", origin.http, "--key", acme.publicKey())
	if err := os.MkdirAll(client.path(".config", "kist"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, client.path(".config", "kist", "config.toml"), config, 0o600)
	client.must("install", "acme/hello")
	for serial, versions := range [][]string{{"1.1"}, {"1.2"}, {"1.2", "1.3"}, {"1.4"}} {
		byHand(t, public, acme, serial+2, 20, versions...)
		done := make(chan string)
		go func() {
			out, err := operator.command("mirror", "sync", mirror, "--prune").CombinedOutput()
			if err != nil {
				out = append(out, err.Error()...)
			} else {
				out = nil
			}
			done <- string(out)
		}()
		for running := true; running; {
			select {
			case failed := <-done:
				if failed != "" {
					t.Fatal(failed)
				}
				running = false
			default:
				client.must("update")
			}
		}
	}
	client.must("update")
	if list := client.must("list"); !strings.Contains(list, "1.4") {
		t.Errorf("the newest version was not installed:\n%s", list)
	}
	origin.stop()
	client.must("list", "--available", "acme/hello")
	client.must("verify", "--evidence")
	operator.must("mirror", "verify", mirror)

	// Without the mirror, the client does not fall back to the origin.
	web.stop()
	client.exits(6, "list", "--available", "acme/hello")
}

// A machine that reaches nothing but its mirror installs what projects ask for, unedited: a
// tool of an added channel, and a release in Rust's layout, from the built-in channel. A
// mirror that replays, swaps or changes files, or that nobody updates, is refused as the
// origin would be. TestLiveMirrorAlone has real upstreams.
func TestMirrorAlone(t *testing.T) {
	acme, rust := newSigner(t, "ed25519"), newSigner(t, "rsa3072")
	program := buildForTest(t, rust)
	public, dist := commonDir(t), commonDir(t)
	operator := newHome(t, program)
	byHand(t, public, acme, 1, 20, "1.0")
	publishStableRust(t, dist, rust, "1.94.0", "2026-03-05")
	origin := startNginx(t, public)
	withRustFrom(t, operator, startNginx(t, dist))
	operator.must("channel", "add", "acme", origin.http, "--key", acme.publicKey())
	client := newHome(t, program)
	client.must("channel", "add", "acme", origin.http, "--key", acme.publicKey())
	m := standAlone(t, client)
	m.sync(operator, "acme/hello")
	m.sync(operator, "rust", "-c", "clippy")

	native := m.project("native", "kist.toml", "[tools]\n\"acme/hello\" = \"1\"\n")
	toolchain := m.project("rust", "rust-toolchain.toml", "[toolchain]\nchannel = \"stable\"\ncomponents = [\"clippy\"]\n")
	contains(t, native.must("install"), "Installed hello 1.0")
	contains(t, toolchain.must("install"), "(?s)Installed rust 1.94.0 .*channel rust\n")
	contains(t, toolchain.must("run", "rust", "--", "rustc"), "rustc 1.94.0")
	contains(t, native.must("channel", "show", "acme"), "asked at +http://127.0.0.1:8080/")
	contains(t, native.must("channel", "show", "rust"), "asked at +http://127.0.0.1:8080/static.rust-lang.org/")
	before := m.keep()

	byHand(t, public, acme, 2, 20, "1.0", "1.1")
	publishStableRust(t, dist, rust, "1.95.0", "2026-04-16")
	m.sync(operator)
	updated := native.must("update")
	contains(t, updated, "Updated hello from 1.0 to 1.1")
	contains(t, updated, "Updated rust from 1.94.0 to 1.95.0")
	native.must("verify", "--evidence")
	proved := client.as(person).must("verify", "--evidence")
	contains(t, proved, "only root may read the settings of this store: proved by the keys that this kist has")
	contains(t, proved, "only root may read the settings of this store: proved by the keys that were stored with the receipt")

	const day = 24 * time.Hour
	manifest, rustManifest := m.file("*/channel.toml"), m.file("static.rust-lang.org/dist/channel-rust-stable.toml")
	m.refused(native, "acme/hello", []mirrorAttack{
		{"replayed", func() { before.put(manifest, manifest+".asc") }, 0, 5},
		{"stale", func() {}, 31 * day, 5},
		{"swapped", func() { before.put(manifest) }, 0, 4},
		{"changed", func() { m.change(manifest) }, 0, 4},
	})
	m.refused(toolchain, "rust", []mirrorAttack{
		{"replayed", func() { before.put(rustManifest, rustManifest+".asc") }, 0, 5},
		{"swapped", func() { before.put(rustManifest) }, 0, 4},
		{"changed", func() { m.change(rustManifest) }, 0, 4},
	})
	// The origin itself is out of reach there.
	write(t, filepath.Join(m.work, "etc/config.toml"), "format = 1\n", 0o644)
	native.exits(6, "list", "--available", "acme/hello")
	toolchain.exits(6, "list", "--available", "rust")
}
