//go:build interop

package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
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
func decode(t *testing.T, name string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(takeFile(t, name)), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}
