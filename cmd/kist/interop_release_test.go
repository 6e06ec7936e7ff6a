//go:build interop

package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/transport/oci/ocitest"
	"github.com/kist-tools/kist/manifests/upstreams"
)

// A release is not built from what nobody could build again, or for keys that nobody
// should trust.
func TestReleaseRefusesToBuild(t *testing.T) {
	r := newReleasing(t)
	empty, full := commonDir(t), commonDir(t)
	write(t, filepath.Join(full, "file"), "", 0o644)
	for _, version := range []string{"1", "0.1", "v0.1.0", "0.1.0+1", "01.1.0", "0.1.0-", "0.1.0-a..b", "../0.1.0"} {
		r.refuses("is not a version", version, empty)
	}
	r.refuses("is not empty", "0.1.0", full)
	r.refuses("no release keys", "--keys", commonDir(t), "0.1.0", empty)
	placeholders := commonDir(t)
	write(t, filepath.Join(placeholders, "a.asc"), takeFile(t, r.signers[0].publicKey()), 0o644)
	write(t, filepath.Join(placeholders, "README.md"), "These keys are placeholders.\n", 0o644)
	r.refuses("are placeholders", "--keys", placeholders, "0.1.0", empty)

	r.git("tag", "v0.1.0")
	r.commit("later")
	r.refuses("tag v0.1.0 is another commit", "0.1.0", empty)
	write(t, filepath.Join(r.checkout, "docs", "new.md"), "", 0o644)
	r.refuses("docs/new.md", "0.1.1", empty)
	if files, err := os.ReadDir(empty); err != nil || len(files) > 0 {
		t.Errorf("a refused build made %v, %v", files, err)
	}
	r.commit("new")
	r.build("0.1.1") // the twin of all of them
}

// The files of a release are complete and in their places, and the statements about them
// are true.
func TestReleaseContents(t *testing.T) {
	r := newReleasing(t)
	dir := r.buildFor(runtime.GOOS+"/"+runtime.GOARCH+" windows/amd64", "0.2.0-rc.1")
	files := filepath.Join(dir, "0.2.0-rc.1")
	commit := strings.TrimSpace(r.git("rev-parse", "HEAD"))
	name := "kist-0.2.0-rc.1-" + runtime.GOOS + "-" + runtime.GOARCH

	unpacked := commonDir(t)
	tool(t, "tar", "-C", unpacked, "-xzf", filepath.Join(files, name+".tar.gz"))
	for _, file := range []string{"README.md", "LICENSE", "THIRD-PARTY-LICENSES", "man/man1/kist-install.1", "completions/kist.bash", "completions/_kist", "completions/kist.fish", "completions/kist.ps1"} {
		if !exists(t, filepath.Join(unpacked, name, file)) {
			t.Errorf("the archive has no %s", file)
		}
	}
	program := filepath.Join(unpacked, name, "kist")
	if got, want := tool(t, program, "version"), fmt.Sprintf("kist v0.2.0-rc.1 (commit %.12s, %s, %s/%s)\n", commit, runtime.Version(), runtime.GOOS, runtime.GOARCH); got != want {
		t.Errorf("version prints %q, want %q", got, want)
	}

	// The commands of SECURITY.md give the same program.
	r.git("tag", "v0.2.0-rc.1")
	again := filepath.Join(commonDir(t), "clone")
	tool(t, "git", "clone", "--quiet", "--branch", "v0.2.0-rc.1", r.checkout, again)
	byHand := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w -buildid=", "-o", "kist", "./cmd/kist")
	byHand.Dir, byHand.Env = again, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if o := finish(t, byHand); o.code != 0 {
		t.Fatal(o)
	}
	if sha256sum(t, filepath.Join(again, "kist")) != sha256sum(t, program) {
		t.Error("go build by hand gives another program")
	}

	deb := filepath.Join(files, "kist_0.2.0~rc.1_"+runtime.GOARCH+".deb")
	mentions(t, tool(t, "dpkg-deb", "--contents", deb), "root/root", "./usr/bin/kist\n", "./usr/share/man/man1/kist-install.1.gz", "./usr/share/doc/kist/copyright", "./usr/share/doc/kist/changelog.gz",
		"./usr/share/bash-completion/completions/kist\n", "./usr/share/zsh/vendor-completions/_kist\n", "./usr/share/fish/vendor_completions.d/kist.fish\n")
	if conffiles := finish(t, exec.Command("dpkg-deb", "--info", deb, "conffiles")); conffiles.code == 0 {
		t.Errorf("it has conffiles: %s", conffiles.stdout)
	}
	lintian := finish(t, exec.Command("lintian", "--allow-root", "--fail-on", "error,warning", deb))
	if lintian.code != 0 {
		t.Errorf("lintian: %v", lintian)
	}

	machine := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "riscv64": "riscv64"}[runtime.GOARCH]
	rpm := filepath.Join(files, "kist-0.2.0~rc.1-1."+machine+".rpm")
	mentions(t, tool(t, "rpm", "-qlp", rpm), "/usr/bin/kist\n", "/usr/share/man/man1/kist-install.1.gz\n", "/usr/share/licenses/kist/LICENSE\n", "/usr/share/licenses/kist/THIRD-PARTY-LICENSES.gz\n",
		"/usr/share/bash-completion/completions/kist\n", "/usr/share/zsh/site-functions/_kist\n", "/usr/share/fish/vendor_completions.d/kist.fish\n")
	mentions(t, tool(t, "rpm", "-qp", "--queryformat", "%{NAME} %{VERSION} %{ARCH}\n", rpm), "kist 0.2.0~rc.1 "+machine+"\n")
	if scripts := tool(t, "rpm", "-qp", "--scripts", rpm); scripts != "" {
		t.Errorf("the .rpm runs scripts: %s", scripts)
	}

	windows := "kist-0.2.0-rc.1-windows-amd64"
	tool(t, "unzip", "-q", filepath.Join(files, windows+".zip"), "-d", unpacked)
	got := tool(t, "sh", "-euc", `cd "$1" && find . -type f | LC_ALL=C sort`, "sh", filepath.Join(unpacked, windows))
	if want := "./LICENSE\n./README.md\n./THIRD-PARTY-LICENSES\n./completions/kist.ps1\n./kist.exe\n"; got != want {
		t.Errorf("the zip for Windows has\n%swant\n%s", got, want)
	}
	mentions(t, tool(t, "go", "version", "-m", filepath.Join(unpacked, windows, "kist.exe")), "\tgithub.com/kist-tools/kist\tv0.2.0-rc.1\t", "GOOS=windows\n", "vcs.revision="+commit+"\n")

	var bom struct {
		Metadata   struct{ Component struct{ Version string } }
		Components []struct{ Name, Version string }
	}
	decode(t, filepath.Join(files, "kist-0.2.0-rc.1.cdx.json"), &bom)
	if bom.Metadata.Component.Version != "0.2.0-rc.1" || len(bom.Components) < 10 {
		t.Errorf("the SBOM has %+v", bom)
	}
	for _, line := range strings.Split(tool(t, "go", "version", "-m", program), "\n") {
		if f := strings.Fields(line); len(f) >= 3 && f[0] == "dep" {
			mentions(t, takeFile(t, filepath.Join(files, "kist-0.2.0-rc.1.cdx.json")), "pkg:golang/"+f[1]+"@"+f[2])
			mentions(t, takeFile(t, filepath.Join(unpacked, name, "THIRD-PARTY-LICENSES")), "==== "+f[1]+"\n")
		}
	}
	var provenance struct {
		Subject []struct {
			Name   string
			Digest struct{ SHA256 string }
		}
	}
	statement := filepath.Join(files, "kist-0.2.0-rc.1.provenance.json")
	decode(t, statement, &provenance)
	mentions(t, takeFile(t, statement), commit, runtime.Version())
	for _, s := range provenance.Subject {
		content := takeFile(t, filepath.Join(files, s.Name))
		if got := fmt.Sprintf("%x", sha256.Sum256([]byte(content))); got != s.Digest.SHA256 {
			t.Errorf("provenance: %s has digest %s, not %s", s.Name, got, s.Digest.SHA256)
		}
	}
	if len(provenance.Subject) < 3 {
		t.Errorf("provenance of %+v", provenance.Subject)
	}
}

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

	// Whoever alters a file after that is found out by its digest, and whoever alters the
	// list of digests as well by its signatures.
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

func decode(t *testing.T, name string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(takeFile(t, name)), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
