//go:build interop

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
