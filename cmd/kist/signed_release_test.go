//go:build signed

package main

import (
	"crypto/sha256"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/transport/oci/ocitest"
	"github.com/kist-tools/kist/manifests/upstreams"
)

// Two of three people sign, each on a machine of their own, in any order and again. What
// is not signed by two, or not what the commit gives, is refused.
func TestReleaseIsSigned(t *testing.T) {
	r := newReleasing(t)
	ann, bob, mallory := r.signers[0], r.signers[1], newSigner(t, "ed25519")
	dir := r.build("0.1.0")
	r.refuses("fewer than 2 release keys", "check", dir)
	r.refuses("not what you have built", "--built", strings.Repeat("0", 64), "sign", dir, ann.secretKey())
	draft := filepath.Join(dir, "channel", "channel.draft.toml")
	planned := takeFile(t, draft)
	write(t, draft, strings.Replace(planned, "strip     = 1", "strip     = 2", 1), 0o644)
	r.refuses("not what you have built", "--built", r.built, "sign", dir, ann.secretKey())
	write(t, draft, planned, 0o644)
	newHome(t, build(t)).must("publish", "keys", filepath.Join(dir, "channel"), "--key", mallory.publicKey(), "--unsigned-out", filepath.Join(commonDir(t), "keys"))
	r.refuses("does not have the release keys", "--built", r.built, "sign", dir, ann.secretKey())
	if err := os.Remove(filepath.Join(dir, "channel", "keys.next.toml")); err != nil {
		t.Fatal(err)
	}
	r.sign(dir, ann)
	r.sign(dir, ann) // once more: it does not count twice
	manifest := filepath.Join(dir, "channel", "channel.toml")
	dated := takeFile(t, manifest)
	write(t, manifest, regexp.MustCompile(`released = \d{4}`).ReplaceAllString(dated, "released = 2001"), 0o644)
	r.refuses("released before its commit", "--built", r.built, "sign", dir, bob.secretKey())
	write(t, manifest, dated, 0o644)
	r.refuses("fewer than 2 release keys", "check", dir)
	if exists(t, filepath.Join(dir, "apt", "InRelease")) {
		t.Error("apt would accept what one has signed")
	}
	page := filepath.Join(dir, "channel", "index.html")
	if exists(t, page) {
		t.Error("there is a page about what one has signed")
	}

	r.refuses("no signature of one release key", "--built", r.built, "sign", dir, mallory.secretKey())
	stick := filepath.Join(commonDir(t), "to-sign")
	r.must("to-sign", dir, stick)
	elsewhere := func(s signer) {
		for _, document := range []string{"SHA256SUMS", "channel.toml", "keys.toml"} {
			s.gpg("--yes", "--digest-algo", "SHA512", "--armor", "--detach-sign", filepath.Join(stick, document))
		}
		s.gpg("--yes", "--digest-algo", "SHA512", "--clearsign", filepath.Join(stick, "Release"))
	}
	elsewhere(mallory)
	r.refuses("no signature of one release key", "attach", dir, stick)
	elsewhere(bob)
	r.must("attach", dir, stick)
	r.must("attach", dir, stick)
	r.must("check", dir)
	shown := takeFile(t, page)
	mentions(t, shown, strings.TrimSuffix(upstreams.OwnURL, "channel.toml"), "0.1.0")
	write(t, page, shown+"<p>more", 0o644)
	r.refuses("index.html is not what kist writes", "check", dir)
	if err := os.Remove(page); err != nil {
		t.Fatal(err)
	}
	r.refuses("index.html is missing", "check", dir)
	r.must("attach", dir, stick)
	if takeFile(t, page) != shown {
		t.Error("the page is another one when it is written again")
	}
	registry := httptest.NewServer(ocitest.New())
	defer registry.Close()
	newHome(t, build(t)).must("publish", "push", filepath.Join(dir, "channel"), strings.Replace(registry.URL, "http://", "oci://", 1)+"/kist")

	// A file that is altered after that does not have its digest. A list of digests that is
	// altered as well does not have its signatures.
	archive := filepath.Join(dir, "0.1.0", "kist-0.1.0-"+runtime.GOOS+"-"+runtime.GOARCH+".tar.gz")
	honest, list, signatures := takeFile(t, archive), takeFile(t, filepath.Join(dir, "0.1.0", "SHA256SUMS")), takeFile(t, filepath.Join(dir, "0.1.0", "SHA256SUMS.asc"))
	write(t, archive, honest+"\x00", 0o644)
	r.refuses("is not the one in SHA256SUMS", "check", dir)
	lie := strings.Replace(list, fmt.Sprintf("%x", sha256.Sum256([]byte(honest))), sha256sum(t, archive), 1)
	write(t, filepath.Join(dir, "0.1.0", "SHA256SUMS"), lie, 0o644)
	r.refuses("bad signature", "check", dir)

	// A builder who lies signs the lie. Nobody else does: their build is another one.
	ann.sign(filepath.Join(dir, "0.1.0", "SHA256SUMS"))
	r.refuses("fewer than 2 release keys", "check", dir)
	r.refuses("is not what this commit gives", "sign", dir, bob.secretKey())
	r.refuses("fewer than 2 release keys", "check", dir)
	r.refuses("fewer than 2 release keys", "--previous", dir, "0.2.0", filepath.Join(commonDir(t), "next"))

	write(t, archive, honest, 0o644)
	write(t, filepath.Join(dir, "0.1.0", "SHA256SUMS"), list, 0o644)
	write(t, filepath.Join(dir, "0.1.0", "SHA256SUMS.asc"), signatures, 0o644)
	r.must("check", dir)

	// After a while they sign the same contents again.
	r.must("renew", dir)
	r.must("check", dir)
	r.sign(dir, bob)
	mentions(t, takeFile(t, filepath.Join(dir, "channel", "channel.toml")), "serial  = 1\n")
	if takeFile(t, page) != shown {
		t.Error("one signature changes the page")
	}
	r.sign(dir, ann)
	r.must("check", dir)
	if takeFile(t, page) == shown {
		t.Error("the page does not show the edition that was signed again")
	}
	mentions(t, takeFile(t, filepath.Join(dir, "channel", "channel.toml")), "serial  = 2\n")

	// The next release goes on with the channel and the apt repository.
	r.commit("next")
	next := r.build("0.2.0", "--previous", dir)
	r.refuses("already has release 0.1.0", "--previous", dir, "0.1.0", commonDir(t))
	r.sign(next, bob, r.signers[2])
	mentions(t, r.must("--previous", dir, "verify", next), "signatures and digests are right", "built again, the same bytes")
	mentions(t, takeFile(t, filepath.Join(next, "channel", "channel.toml")), `"0.1.0"`, `"0.2.0"`)
	mentions(t, takeFile(t, filepath.Join(next, "apt", "Packages")), "Version: 0.1.0\n", "Version: 0.2.0\n")
}
