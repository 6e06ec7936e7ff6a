//go:build interop

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The main use, with other programs on the other side: channels that are written by hand
// and signed by gpg, or made with kist publish, served by nginx.
func TestChannels(t *testing.T) {
	program := build(t)
	for _, test := range []struct {
		name string
		run  func(t *testing.T, program string)
	}{
		{"written by hand and signed by gpg", channelByHand},
		{"the machine's Go toolchain over http, signed with Ed25519", goOverHTTP},
		{"the machine's Go toolchain over https with a private CA, signed with RSA", goOverHTTPS},
		{"signed on another machine", signedElsewhere},
		{"signed by somebody else", signedByAnother},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, program) })
	}
}

func channelByHand(t *testing.T, program string) {
	acme, dir := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, dir, acme, 1, 20, "1.0", "1.2")
	web := startNginx(t, dir)
	h := newHome(t, program)
	before := takeSnapshot(t, h.dir)

	contains(t, h.must("channel", "add", "acme", web.http, "--key", acme.publicKey()), "added channel acme")
	contains(t, h.must("install", "acme/hello"), `(?s)^Installed hello 1\.2 in .*\n  channel acme\n  signed by`)
	h.must("install", "acme/hello@1.0")
	if got := tool(t, h.path(".local", "bin", "hello")); got != "hello 1.2\n" {
		t.Errorf("the command in the bin directory says %q", got)
	}
	if got := h.must("run", "hello@1.0", "--", "hello"); got != "hello 1.0\n" {
		t.Errorf("run says %q", got)
	}
	h.must("default", "hello@1.0")
	if got := tool(t, h.path(".local", "bin", "hi")); got != "hello 1.0\n" {
		t.Errorf("after default, the command says %q", got)
	}
	h.must("rollback")
	contains(t, h.must("which", "hello"), `acme-hello-1\.2-[0-9a-f]{8}/bin/hello\n$`)
	contains(t, h.must("show", "hello@1.0"), `Acme Tools`)
	h.must("verify")

	// A newer manifest is served; then the older one again, by somebody who kept it.
	old := takeFile(t, filepath.Join(dir, "channel.toml"))
	oldSignature := takeFile(t, filepath.Join(dir, "channel.toml.asc"))
	byHand(t, dir, acme, 2, 20, "1.0", "1.2", "1.3")
	h.must("install", "acme/hello@1.3")
	write(t, filepath.Join(dir, "channel.toml"), old, 0o644)
	write(t, filepath.Join(dir, "channel.toml.asc"), oldSignature, 0o644)
	contains(t, h.exits(5, "channel", "refresh", "acme").stderr, "older")

	web.stop()
	h.must("uninstall", "--all", "--yes")
	h.must("self", "uninstall", "--yes")
	same(t, before, takeSnapshot(t, h.dir))
}

// realToolchain publishes the machine's own GOROOT with kist and returns the
// directory to serve.
func realToolchain(t *testing.T, h *home, s signer, format string, tarFlags ...string) string {
	t.Helper()
	dir, goroot := commonDir(t), strings.TrimSpace(tool(t, "go", "env", "GOROOT"))
	archive := filepath.Join(commonDir(t), "go."+format)
	args := append([]string{"-C", filepath.Dir(goroot), "-cf", archive}, tarFlags...)
	tool(t, "tar", append(args, filepath.Base(goroot))...)
	h.must("publish", "init", dir, "--channel", "acme")
	h.must("publish", "add", dir, "--tool", "gopher", "--version", strings.TrimPrefix(runtime.Version(), "go"),
		"--platform", runtime.GOOS+"/"+runtime.GOARCH, "--file", archive, "--format", format, "--strip", "1",
		"--command", "bin/*", "--label", "stable", "--witness", "VERSION="+runtime.Version())
	h.must("publish", "sign", dir, "--secret-key", s.secretKey())
	h.must("publish", "verify", dir)
	return dir
}

func goOverHTTP(t *testing.T, program string) {
	publisher, h := newHome(t, program), newHome(t, program)
	acme := newSigner(t, "ed25519")
	web := startNginx(t, realToolchain(t, publisher, acme, "tar.zst", "--zstd"))
	lives(t, h, web, web.http, acme)
}

func goOverHTTPS(t *testing.T, program string) {
	publisher, h := newHome(t, program), newHome(t, program)
	acme := newSigner(t, "rsa3072")
	web := startNginx(t, realToolchain(t, publisher, acme, "tar.gz", "--gzip"))
	h.exits(6, "channel", "add", "acme", web.https, "--key", acme.publicKey()) // nobody vouches for the server
	lives(t, h.with("SSL_CERT_FILE="+web.ca), web, web.https, acme)
}

// lives adds, installs, uses and checks a real toolchain, and removes it after its
// channel is gone.
func lives(t *testing.T, h *home, web *nginx, url string, s signer) {
	t.Helper()
	before := takeSnapshot(t, h.dir)
	h.must("channel", "add", "acme", url, "--key", s.publicKey())
	h.must("install", "gopher")
	command := h.path(".local", "bin", "go")
	if got := tool(t, command, "version"); !strings.Contains(got, runtime.Version()) {
		t.Errorf("%s version says %q", command, got)
	}
	h.must("verify", "gopher")

	web.stop()
	h.must("install", "gopher") // there already: no network
	h.must("channel", "remove", "acme")
	keys, err := filepath.Glob(h.path(".config", "kist", "keys", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
	}
	h.must("uninstall", "gopher")
	if refs := h.installed(); len(refs) != 0 {
		t.Errorf("still installed: %v", refs)
	}
	h.must("self", "uninstall", "--yes")
	same(t, before, takeSnapshot(t, h.dir))
}

func signedElsewhere(t *testing.T, program string) {
	acme, h, dir := newSigner(t, "ed25519"), newHome(t, program), commonDir(t)
	archive := filepath.Join(commonDir(t), "hello.tar.gz")
	write(t, archive, string(hello("1.0", 3)), 0o644)
	h.must("publish", "init", dir, "--channel", "acme")
	h.must("publish", "add", dir, "--tool", "hello", "--version", "1.0", "--platform", "any",
		"--file", archive, "--format", "tar.gz", "--strip", "1", "--command", "bin/hello")

	stick := filepath.Join(commonDir(t), "to-sign")
	h.must("publish", "sign", dir, "--unsigned-out", stick)
	h.exits(3, "channel", "add", "acme", dir, "--key", acme.publicKey()) // nothing is published yet
	h.must("publish", "sign", dir, "--attach", acme.sign(stick))
	h.must("channel", "add", "acme", dir, "--key", acme.publicKey())
	h.must("install", "acme/hello")
	if got := h.must("run", "hello", "--", "hello"); got != "hello 1.0\n" {
		t.Errorf("run says %q", got)
	}
	// What kist signed or attached, gpgv takes too.
	ring := filepath.Join(commonDir(t), "ring.gpg")
	acme.gpg("--output", ring, "--export", acme.uid)
	tool(t, "gpgv", "--keyring", ring, filepath.Join(dir, "channel.toml.asc"), filepath.Join(dir, "channel.toml"))
}

func signedByAnother(t *testing.T, program string) {
	acme, mallory := newSigner(t, "ed25519"), newSigner(t, "ed25519")
	dir := commonDir(t)
	byHand(t, dir, acme, 1, 3, "1.0")
	h := newHome(t, program)
	h.must("channel", "add", "acme", dir, "--key", acme.publicKey())
	before := h.holds()

	byHand(t, dir, mallory, 2, 3, "1.0", "6.6.6")
	contains(t, h.exits(4, "install", "acme/hello").stderr, "Nothing was changed")
	write(t, filepath.Join(dir, "channel.toml.asc"), "", 0o644)
	h.exits(4, "install", "acme/hello")
	if err := os.Remove(filepath.Join(dir, "channel.toml.asc")); err != nil {
		t.Fatal(err)
	}
	h.exits(4, "install", "acme/hello")
	same(t, before, h.holds())

	byHand(t, dir, acme, 3, 3, "1.0")
	h.must("install", "acme/hello")
}
