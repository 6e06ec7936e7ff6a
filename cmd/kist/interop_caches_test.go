//go:build interop

package main

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// everythingForAnHour is the worst cache that there is: it keeps even what is missing.
	everythingForAnHour = "sub vcl_backend_response { set beresp.ttl = 1h; }\n"
	// obeying is a cache that asks the origin again when a client asks it to.
	obeying = "sub vcl_recv { if (req.http.Cache-Control ~ \"no-cache\") { set req.hash_always_miss = true; } }\n"
)

// TestCaches has a real cache with a TTL of an hour between nginx and kist, which keeps
// one of the two files of a pair while the publisher replaces both.
func TestCaches(t *testing.T) {
	program := build(t)
	for _, test := range []struct {
		name   string
		kept   string // by the cache, from before the publication
		byGPG  bool   // the channel has no signatures/
		vcl    string
		wanted string // "": refused
	}{
		{"an old manifest", "channel.toml", false, everythingForAnHour, "1.0"},
		{"old signatures", "channel.toml.asc", false, everythingForAnHour, "1.1"},
		{"an old manifest, signed by gpg", "channel.toml", true, everythingForAnHour, ""},
		{"old signatures, made by gpg", "channel.toml.asc", true, everythingForAnHour, ""},
		{"an old manifest, signed by gpg, obeying", "channel.toml", true, obeying + everythingForAnHour, "1.1"},
		{"old signatures, made by gpg, obeying", "channel.toml.asc", true, obeying + everythingForAnHour, "1.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, acme, h := commonDir(t), newSigner(t, "ed25519"), newHome(t, program)
			publishTo := publishHello
			if test.byGPG {
				publishTo = func(t *testing.T, _ *home, dir string, s signer, versions ...string) {
					byHand(t, dir, s, len(versions), 1, versions...)
				}
			}
			publishTo(t, h, dir, acme, "1.0")
			web := startNginx(t, dir)
			edge := startVarnish(t, web.http, test.vcl)
			fetch(t, edge+test.kept)
			publishTo(t, h, dir, acme, "1.0", "1.1")

			wanted := test.wanted
			if wanted == "" {
				got := h.exits(4, "channel", "add", "acme", edge, "--key", acme.publicKey())
				contains(t, got.stderr, "a cache on the way may be out of step")
				contains(t, got.stderr, "(?m)^hint: do not work around this; try again later")
				edge, wanted = web.http, "1.1" // the honest twin
			}
			h.must("channel", "add", "acme", edge, "--key", acme.publicKey())
			contains(t, h.must("install", "hello"), "^Installed hello "+wanted+" ")
			h.must("verify", "--evidence")
		})
	}
}

// TestCachesOfKeys is TestCaches for keys documents.
func TestCachesOfKeys(t *testing.T) {
	program := build(t)
	for kept, version := range map[string]string{"keys.toml": "1", "keys.toml.asc": "2"} {
		t.Run(kept, func(t *testing.T) {
			dir, acme, h := commonDir(t), newSigner(t, "ed25519"), newHome(t, program)
			publishHello(t, h, dir, acme, "1.0")
			h.must("publish", "keys", dir, "--key", acme.publicKey(), "--secret-key", acme.secretKey())
			edge := startVarnish(t, startNginx(t, dir).http, everythingForAnHour)
			fetch(t, edge+kept)
			h.must("publish", "keys", dir, "--days", "100", "--secret-key", acme.secretKey())
			h.must("channel", "add", "acme", edge, "--key", acme.publicKey())
			contains(t, h.must("channel", "show", "acme"), `(?m)^  keys +version `+version+` of `)
			h.must("install", "hello")
		})
	}
}

// TestServerFragments serves a channel with the fragments of docs/publishing.md, and has a
// cache before it that obeys them.
func TestServerFragments(t *testing.T) {
	program := build(t)
	dir, acme, h := commonDir(t), newSigner(t, "ed25519"), newHome(t, program)
	publishHello(t, h, dir, acme, "1.0")
	at := freeAddress(t)
	startNginxWith(t, at, "root "+dir+";\n"+fragment(t, "nginx"))
	origin := "http://" + at + "/"
	for name, want := range map[string]string{
		"channel.toml": "no-cache", "channel.toml.asc": "no-cache",
		"keys.toml": "no-cache", "keys/1.toml": "no-cache", // missing
		first(t, dir, "signatures/*"): "public, max-age=300",
		first(t, dir, "blobs/*/*"):    "public, max-age=31536000, immutable",
		"signatures/0.asc":            "", "blobs/0/0": "", // missing
	} {
		if got := fetch(t, origin+name).Get("Cache-Control"); got != want {
			t.Errorf("%s has Cache-Control %q, want %q", name, got, want)
		}
	}
	for name, vcl := range map[string]string{
		"the origin's headers":          "",
		"a TTL for everything, and vcl": fragment(t, "vcl") + everythingForAnHour,
	} {
		t.Run(name, func(t *testing.T) {
			edge := startVarnish(t, origin, vcl)
			h.must("channel", "add", "acme", edge, "--key", acme.publicKey())
			old := takeFile(t, filepath.Join(dir, "channel.toml"))
			h.must("publish", "sign", dir, "--secret-key", acme.secretKey())
			for _, file := range []string{"channel.toml", "channel.toml.asc"} {
				if got, want := get(t, edge+file), takeFile(t, filepath.Join(dir, file)); got != want || want == old {
					t.Errorf("%s is not the new one", file)
				}
			}
			h.must("channel", "refresh", "acme")
			blob := first(t, dir, "blobs/*/*")
			fetch(t, edge+blob)
			if fetch(t, edge+blob).Get("Age") == "" {
				t.Error("the blob is not served by the cache")
			}
			h.must("channel", "remove", "acme")
		})
	}
}

// publishHello publishes hello in the last of versions with kist publish.
func publishHello(t *testing.T, h *home, dir string, s signer, versions ...string) {
	t.Helper()
	version := versions[len(versions)-1]
	archive := filepath.Join(commonDir(t), "hello-"+version+".tar.gz")
	write(t, archive, string(hello(version, 1)), 0o644)
	if !exists(t, filepath.Join(dir, "channel.toml")) {
		h.must("publish", "init", dir, "--channel", "acme")
	}
	h.must("publish", "add", dir, archive, "--platform", "any", "--strip", "1", "--command", "bin/hello")
	h.must("publish", "sign", dir, "--secret-key", s.secretKey())
}

// startVarnish starts varnish before an origin, with further VCL, and returns its URL.
func startVarnish(t *testing.T, origin, vcl string) string {
	t.Helper()
	u, err := url.Parse(origin)
	if err != nil {
		t.Fatal(err)
	}
	work, at := commonDir(t), freeAddress(t)
	file := filepath.Join(work, "default.vcl")
	write(t, file, "vcl 4.1;\nbackend default { .host = \""+u.Hostname()+"\"; .port = \""+u.Port()+"\"; }\n"+vcl, 0o644)
	startServer(t, at, "varnishd", "-F", "-j", "none", "-a", at, "-f", file, "-n", filepath.Join(work, "varnish"), "-s", "malloc,16m", "-T", "none")
	return "http://" + at + "/"
}

// fetch reads an answer to its end, whatever its status, and returns its header.
func fetch(t *testing.T, url string) http.Header {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.Header
}

// get returns the body of an answer.
func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// first returns the first file below dir that matches pattern, relative to dir.
func first(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("no %s: %v", pattern, err)
	}
	return strings.TrimPrefix(found[0], dir+"/")
}

// fragment returns the block of docs/publishing.md in this language.
func fragment(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/publishing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "\n```"+language+"\n")
	block, _, ended := strings.Cut(rest, "```\n")
	if !found || !ended {
		t.Fatalf("no %s in docs/publishing.md", language)
	}
	return block
}
