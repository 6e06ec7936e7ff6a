//go:build interop

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"oras.land/oras-go/v2"
	ocilayout "oras.land/oras-go/v2/content/oci"
)

// A machine that reaches nothing at all installs from a bundle, from its directory and from
// copies that skopeo made of it, which are the same byte for byte.
func TestBundleAlone(t *testing.T) {
	program := build(t)
	operator := newHome(t, program)
	acme, public := newSigner(t, "ed25519"), commonDir(t)
	work := commonDir(t)
	at := func(name string) string { return filepath.Join(work, name) }
	byHand(t, public, acme, 1, 20, "1.0", "1.1")
	origin := startNginx(t, public)
	operator.must("channel", "add", "acme", origin.http, "--key", acme.publicKey())
	operator.must("bundle", "create", at("b.tar"), "acme/hello")
	origin.stop()

	alone := func(h *home) *home { return h.under("unshare", "--net", "--") }
	tool(t, "mkdir", at("dir"))
	tool(t, "tar", "xf", at("b.tar"), "-C", at("dir"))
	tool(t, "unshare", "--net", "--", "skopeo", "--insecure-policy", "copy", "oci-archive:"+at("b.tar"), "oci:"+at("copied"))
	tool(t, "unshare", "--net", "--", "skopeo", "--insecure-policy", "copy", "oci:"+at("copied"), "oci-archive:"+at("back.tar"))
	tool(t, "tar", "cf", at("packed.tar"), "-C", at("dir"), ".")
	tool(t, "diff", "-r", at("dir/blobs"), at("copied/blobs"))

	for _, from := range []string{"b.tar", "dir", "copied", "back.tar", "packed.tar"} {
		client := alone(newHome(t, program))
		client.must("channel", "add", "acme", origin.http, "--key", acme.publicKey(), "--from", at(from))
		contains(t, client.must("install", "acme/hello", "--from", at(from)), "Installed hello 1.1")
		contains(t, client.must("run", "acme/hello", "--", "hello"), "hello 1.1")
		client.must("verify", "--evidence")
		contains(t, client.must("bundle", "show", at(from)), "1 of 1 release proved")
		client.must("uninstall", "--all", "-y")
		client.exits(6, "install", "acme/hello")
	}

	// A bundle that somebody changed on the way.
	data, err := os.ReadFile(at("b.tar"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, at("bad.tar"), strings.Replace(string(data), "BEGIN PGP", "BEGIN PGQ", 1), 0o644)
	client := alone(newHome(t, program))
	client.exits(4, "channel", "add", "acme", origin.http, "--key", acme.publicKey(), "--from", at("bad.tar"))
}

// TestBundleInRegistry copies a bundle to a docker-registry and back, by skopeo and by
// oras. Its manifest and its blobs stay the same, and kist installs from both copies.
func TestBundleInRegistry(t *testing.T) {
	program := build(t)
	operator, registry := newHome(t, program), startRegistry(t, false)
	acme, public := newSigner(t, "ed25519"), commonDir(t)
	work := commonDir(t)
	at := func(name string) string { return filepath.Join(work, name) }
	byHand(t, public, acme, 1, 20, "1.0", "1.1")
	origin := startNginx(t, public)
	operator.must("channel", "add", "acme", origin.http, "--key", acme.publicKey())
	operator.must("bundle", "create", at("b.tar"), "acme/hello")
	origin.stop()
	tool(t, "mkdir", at("dir"))
	tool(t, "tar", "xf", at("b.tar"), "-C", at("dir"))
	bundle := manifestOf(t, at("dir"))

	skopeo := func(args ...string) {
		t.Helper()
		tool(t, "skopeo", append([]string{"--insecure-policy", "copy"}, args...)...)
	}
	name := registry.host + "/acme/bundles"
	skopeo("--dest-tls-verify=false", "oci-archive:"+at("b.tar"), "docker://"+name+":skopeo")
	skopeo("--src-tls-verify=false", "docker://"+name+":skopeo", "oci:"+at("by-skopeo"))

	repository := repositoryOf(t, name, "")
	layout := func(dir string) *ocilayout.Store {
		t.Helper()
		store, err := ocilayout.New(dir)
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	copyTo := func(from oras.ReadOnlyTarget, reference string, to oras.Target) {
		t.Helper()
		if _, err := oras.Copy(t.Context(), from, reference, to, "oras", oras.DefaultCopyOptions); err != nil {
			t.Fatal(err)
		}
	}
	copyTo(layout(at("dir")), bundle, repository)
	copyTo(repository, "oras", layout(at("by-oras")))

	for _, copied := range []string{"skopeo", "oras"} {
		from := at("by-" + copied)
		d, err := repository.Resolve(t.Context(), copied)
		if err != nil {
			t.Fatal(err)
		}
		if got := manifestOf(t, from); got != bundle || d.Digest.String() != bundle {
			t.Errorf("%s: the manifest is %s in the registry and %s in the copy, want %s", copied, d.Digest, got, bundle)
		}
		tool(t, "diff", "-r", at("dir/blobs"), filepath.Join(from, "blobs"))

		client := newHome(t, program).under("unshare", "--net", "--")
		client.must("channel", "add", "acme", origin.http, "--key", acme.publicKey(), "--from", from)
		contains(t, client.must("bundle", "show", from), "1 of 1 release proved")
		contains(t, client.must("install", "acme/hello", "--from", from), "Installed hello 1.1")
		contains(t, client.must("run", "acme/hello", "--", "hello"), "hello 1.1")
		client.must("verify", "--evidence")
	}
}

// manifestOf returns the digest of the one manifest of an image layout.
func manifestOf(t *testing.T, dir string) string {
	t.Helper()
	var index struct{ Manifests []struct{ Digest string } }
	must(t, json.Unmarshal([]byte(takeFile(t, filepath.Join(dir, "index.json"))), &index))
	if len(index.Manifests) != 1 {
		t.Fatalf("%s: %d manifests, want 1", dir, len(index.Manifests))
	}
	return index.Manifests[0].Digest
}

// TestOfflinePage runs the commands of docs/offline.md: those for a machine with a network
// with one, the others without.
func TestOfflinePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/offline.md")
	if err != nil {
		t.Fatal(err)
	}
	program := build(t)
	acme, public := newSigner(t, "ed25519"), commonDir(t)
	byHand(t, public, acme, 1, 20, "1.0", "1.1")
	origin := startNginx(t, public)
	work := commonDir(t)
	tool(t, "cp", acme.publicKey(), filepath.Join(work, "acme.asc"))
	write(t, filepath.Join(work, "kist.toml"), "[tools]\nhello = \"1\"\n", 0o644)
	blocks := strings.Split(string(page), "```sh\n")[1:]
	if len(blocks) != 5 {
		t.Fatalf("%d blocks of commands", len(blocks))
	}
	online, offline := newHome(t, program), newHome(t, program)
	for n, alone := range []bool{false, true, false, true, true} {
		commands, _, _ := strings.Cut(blocks[n], "```")
		commands = strings.ReplaceAll(commands, "https://tools.acme.example/", origin.http)
		h, namespace := online, []string{}
		if alone {
			h, namespace = offline, []string{"unshare", "--net", "--"}
		}
		script := fmt.Sprintf("cd %q\nkist() { %q \"$@\"; }\n%s", work, program, commands)
		argv := append(namespace, "sh", "-ec", script)
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = h.env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s\n%s", err, commands, out)
		}
	}
	contains(t, offline.must("list"), "hello +1.1")
}

// TestBundleOpensNoConnection looks at the system calls of an install from a bundle.
func TestBundleOpensNoConnection(t *testing.T) {
	program := build(t)
	h := newHome(t, program)
	acme, public := newSigner(t, "ed25519"), commonDir(t)
	bundle := filepath.Join(commonDir(t), "b.tar")
	byHand(t, public, acme, 1, 20, "1.0")
	origin := startNginx(t, public)
	h.must("channel", "add", "acme", origin.http, "--key", acme.publicKey())
	h.must("bundle", "create", bundle, "acme/hello")
	log := filepath.Join(commonDir(t), "trace")
	traced := h.under("strace", "-f", "-e", "trace=connect,sendto", "-o", log)
	traced.must("install", "acme/hello", "--from", bundle)
	trace, err := os.ReadFile(log)
	if err != nil || strings.Contains(string(trace), "AF_INET") {
		t.Errorf("%v: a connection was opened:\n%s", err, trace)
	}
	h.must("uninstall", "hello")
	// The honest twin: without the bundle there is one, so the trace shows it.
	traced.must("channel", "refresh", "acme")
	if trace, err = os.ReadFile(log); err != nil || !strings.Contains(string(trace), "AF_INET") {
		t.Errorf("%v: the trace shows no connection of channel refresh", err)
	}
}
