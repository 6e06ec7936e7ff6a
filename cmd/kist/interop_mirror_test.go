//go:build interop

package main

import (
	"errors"
	"fmt"
	"io/fs"
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

// A machine that reaches nothing but its mirror, which the machine's own config.toml
// names, installs what a project asks for, unedited. A mirror that replays, swaps or
// changes files is refused as the origin would be.
func TestMirrorAlone(t *testing.T) {
	program := build(t)
	operator := newHome(t, program)
	acme, public := newSigner(t, "ed25519"), commonDir(t)
	work := commonDir(t)
	at := func(name string) string { return filepath.Join(work, name) }
	byHand(t, public, acme, 1, 20, "1.0")
	origin := startNginx(t, public)
	operator.must("channel", "add", "acme", origin.http, "--key", acme.publicKey())
	client := newHome(t, program)
	client.must("channel", "add", "acme", origin.http, "--key", acme.publicKey())

	if err := errors.Join(os.Mkdir(at("etc"), 0o755), os.Mkdir(at("repo"), 0o755)); err != nil {
		t.Fatal(err)
	}
	sync := func() {
		write(t, at("etc/config.toml"), operator.must("mirror", "sync", at("mirror"), "acme/hello", "--url", "http://127.0.0.1:8080/"), 0o644)
	}
	sync()
	write(t, at("repo/kist.toml"), "[tools]\n\"acme/hello\" = \"1\"\n", 0o644)
	write(t, at("nginx.conf"), fmt.Sprintf(`user root;
pid %[1]s/pid;
error_log %[1]s/error.log;
events {}
http {
	access_log off;
	client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
	server {
		listen 127.0.0.1:8080;
		root %[1]s/mirror;
		location / { try_files /current$uri /current${uri}index.html /previous$uri =404; }
	}
}
`, work), 0o644)
	_, err := os.Stat("/etc/kist")
	if missing := errors.Is(err, fs.ErrNotExist); missing {
		tool(t, "mkdir", "/etc/kist")
		t.Cleanup(func() { tool(t, "rmdir", "/etc/kist") })
	}
	// Processes of the namespace end with the command.
	alone := client.under("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "sh", "-ec", fmt.Sprintf(`
		ip link set lo up
		mount --bind %[1]s/etc /etc/kist
		nginx -p %[1]s -c %[1]s/nginx.conf
		cd %[1]s/repo
		exec "$@"`, work), "sh")
	contains(t, alone.must("install"), "Installed hello 1.0")
	contains(t, alone.must("channel", "show", "acme"), "asked at +http://127.0.0.1:8080/")
	tool(t, "cp", "-a", at("mirror/."), at("old"))

	byHand(t, public, acme, 2, 20, "1.0", "1.1")
	sync()
	contains(t, alone.must("update"), "Updated hello from 1.0 to 1.1")
	alone.must("verify", "--evidence")

	place := matches(t, at("mirror/current/*/channel.toml"))[0]
	dir := filepath.Dir(place)
	before := matches(t, at("old/current/*/channel.toml"))[0]
	tool(t, "cp", "-a", dir, at("good"))
	restore := func() {
		tool(t, "rm", "-r", dir)
		tool(t, "cp", "-a", at("good"), dir)
	}
	for _, attack := range []struct {
		name string
		do   func()
		code int
	}{
		{"replayed", func() {
			tool(t, "cp", "--remove-destination", before, before+".asc", dir)
		}, 5},
		{"swapped", func() { tool(t, "cp", "--remove-destination", before, dir) }, 4},
		{"changed", func() { tool(t, "sh", "-c", `cp "$1" "$1.x"; echo >>"$1.x"; mv "$1.x" "$1"`, "sh", place) }, 4},
	} {
		attack.do()
		alone.exits(attack.code, "list", "--available", "acme/hello")
		restore()
		alone.must("list", "--available", "acme/hello")
	}
	// The origin itself is out of reach there.
	write(t, at("etc/config.toml"), "format = 1\n", 0o644)
	alone.exits(6, "list", "--available", "acme/hello")
}
