//go:build interop

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify/verifytest"
)

// These tests use repositories as they are. What they ask for comes from built-in
// channels, so kist is built with a test's key in place of those of Go, Node.js and Rust,
// and config.toml names a mirror for each.

// forged is a kist that trusts a test's key, and the upstreams that it signed.
type forged struct {
	program string
	web     *httptest.Server
}

// forge builds such a kist. Nothing in a real one can replace a built-in key: the build
// reads other files in place of those of package keyrings.
func forge(t *testing.T) forged {
	t.Helper()
	key := verifytest.NewKey(t, "upstream", time.Now().AddDate(-1, 0, 0))
	dir, rings := commonDir(t), "../../verify/keyrings"
	pins := "package keyrings\n\nimport \"github.com/kist-tools/kist/verify\"\n\nvar pins = map[string][]verify.Pin{\n"
	replaced := map[string]string{}
	for _, upstream := range []string{"golang", "nodejs", "rust"} {
		pins += fmt.Sprintf("\t%q: {{Primary: %q}},\n", upstream, key.Primary())
		replaced[absolute(t, rings, upstream, string(key.Primary())+".asc")] = filepath.Join(dir, "key.asc")
	}
	replaced[absolute(t, rings, "pins.go")] = filepath.Join(dir, "pins.go")
	write(t, filepath.Join(dir, "pins.go"), pins+"}\n\nvar placeholders []verify.Fingerprint\n", 0o644)
	write(t, filepath.Join(dir, "key.asc"), string(key.Public(t)), 0o644)
	overlay, err := json.Marshal(map[string]any{"Replace": replaced})
	must(t, err)
	write(t, filepath.Join(dir, "overlay.json"), string(overlay), 0o644)
	f := forged{program: filepath.Join(dir, "kist")}
	cmd := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", f.program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	f.web = httptest.NewServer(http.FileServer(http.Dir(publishUpstreams(t, key))))
	t.Cleanup(f.web.Close)
	return f
}

func absolute(t *testing.T, elements ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(elements...))
	must(t, err)
	return path
}

// publishUpstreams returns a directory with what the upstreams of Go, Node.js and Rust
// serve, signed by key.
func publishUpstreams(t *testing.T, key *verifytest.Key) (dir string) {
	t.Helper()
	dir = commonDir(t)
	now := time.Now().UTC()
	for tool, versions := range map[string][]string{
		"go":   {"1.26.8", "1.26.3", "1.25.4", "1.24.0", "1.23.12"},
		"node": {"23.3.0", "22.11.0=Jod", "20.18.1=Iron", "18.20.4=Hydrogen"},
	} {
		var worlds []manifesttest.World
		for _, v := range versions {
			version, line, _ := strings.Cut(v, "=")
			worlds = append(worlds, manifesttest.World{Name: line, Version: version, Issued: now.AddDate(0, 0, -1), Signers: []*verifytest.Key{key}, Signed: now.Add(-time.Hour)})
		}
		for name, data := range manifesttest.Publish(t, tool, worlds...) {
			write(t, filepath.Join(dir, tool, filepath.FromSlash(name)), string(data), 0o644)
		}
	}
	for number, date := range map[string]string{"1.95.0": "2026-04-16", "1.83.0": "2024-11-28"} {
		publishSmallRust(t, filepath.Join(dir, "rust", "dist"), key, number, date)
	}
	return dir
}

// publishSmallRust publishes the least that a release of Rust has.
func publishSmallRust(t *testing.T, dir string, key *verifytest.Key, number, date string) {
	t.Helper()
	var parts []rustPart
	for _, target := range rustHosts() {
		parts = append(parts,
			smallPart("rustc", target, "", number, "bin/rustc", "lib/librustc_driver.so"),
			smallPart("cargo", target, "", number, "bin/cargo"),
			smallPart("rust-std", target, "", number, "lib/rustlib/"+target+"/lib/libstd.rlib"))
	}
	for i := range parts {
		var b bytes.Buffer
		parts[i].pack(t, &b, number)
		write(t, filepath.Join(dir, date, parts[i].file(number)), b.String(), 0o644)
	}
	manifest := []byte(rustManifest(number, date, rustHosts(), parts))
	line := number[:strings.LastIndex(number, ".")]
	for _, name := range []string{"channel-rust-" + number + ".toml", "channel-rust-" + line + ".toml", date + "/channel-rust-" + number + ".toml"} {
		write(t, filepath.Join(dir, name), string(manifest), 0o644)
		write(t, filepath.Join(dir, name+".asc"), string(key.Sign(t, manifest, time.Now().Add(-time.Hour))), 0o644)
	}
}

// home returns a home whose config.toml sends kist to the upstreams of f.
func (f forged) home(t *testing.T) *home {
	t.Helper()
	h := newHome(t, f.program)
	config := "format = 1\n"
	for from, to := range map[string]string{"https://go.dev/dl/": "go", "https://nodejs.org/dist/": "node", "https://static.rust-lang.org/": "rust"} {
		config += fmt.Sprintf("[[mirror]]\nfrom = %q\nto = %q\nonly = true\n", from, f.web.URL+"/"+to+"/")
	}
	write(t, h.path(".config", "kist", "config.toml"), config, 0o644)
	return h
}

// checkOut writes a repository of testdata/projects below h, an hour old, as after a
// check-out.
func (h *home) checkOut(name string) (dir string) {
	h.t.Helper()
	archive, err := txtar.ParseFile(filepath.Join("testdata", "projects", name+".txtar"))
	must(h.t, err)
	dir = h.path(name)
	for _, f := range archive.Files {
		file := filepath.Join(dir, filepath.FromSlash(f.Name))
		write(h.t, file, string(f.Data), 0o644)
		hour := time.Now().Add(-time.Hour)
		must(h.t, os.Chtimes(file, hour, hour))
	}
	return dir
}

// here is what is expected in one directory of a repository.
type here struct {
	dir     string
	asks    string // the request and the file that counts; empty if no file asks for anything
	command string // that is run, and what it prints
	says    string
	lock    string // the directory of kist.lock
}

// TestRepositories uses repositories as a user does after a check-out: from the root and from
// directories below it. Nothing is added to it but a kist.lock.
func TestRepositories(t *testing.T) {
	f := forge(t)
	for name, all := range map[string][]here{
		"node": {
			{".", "node@22.11.0 package.json", "node", "v22.11.0", "."},
			{"packages/api", "node@22.11.0 package.json", "node", "v22.11.0", "."},
			{"packages/api/src", "node@22.11.0 package.json", "node", "v22.11.0", "."},
			{"packages/ui", "node@22.11.0 package.json", "node", "v22.11.0", "."},
			{"packages/legacy", "node 20.x packages/legacy/package.json", "node", "v20.18.1", "packages/legacy"},
			{"apps/site", "node@lts-iron apps/site/.nvmrc", "node", "v20.18.1", "apps/site"},
			{"apps/tool", "node@23.3.0 apps/tool/.node-version", "node", "v23.3.0", "apps/tool"},
		},
		"go": {
			{".", "go@=1.26.3 go.work", "go", "go version go1.26.3 linux-" + runtime.GOARCH, "."},
			{"lib", "go@=1.26.3 go.work", "go", "go version go1.26.3 linux-" + runtime.GOARCH, "."},
			{"cmd/agent", "go@=1.26.3 go.work", "go", "go version go1.26.3 linux-" + runtime.GOARCH, "."},
			{"tools", "go@=1.26.3 go.work", "go", "go version go1.26.3 linux-" + runtime.GOARCH, "."},
			{"examples/plugin", "go@1.25.4 examples/plugin/.go-version", "go", "go version go1.25.4 linux-" + runtime.GOARCH, "examples/plugin"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := f.home(t)
			repo := h.checkOut(name)
			before := takeSnapshot(t, repo)
			for _, at := range all {
				h.in(filepath.Join(repo, at.dir)).uses(at, repo)
			}
			h.must("shims", "on")
			for _, at := range all {
				h.in(filepath.Join(repo, at.dir)).launches(at)
			}
			same(t, before, takeSnapshot(t, repo))

			// What one machine locks, another one installs.
			locks := map[string]bool{}
			for _, at := range all {
				h.in(filepath.Join(repo, at.dir)).must("lock")
				lock := filepath.Join(repo, at.lock, "kist.lock")
				if locks[lock] = true; !exists(t, lock) {
					t.Errorf("in %s, kist lock wrote no %s", at.dir, lock)
				}
			}
			other := f.home(t)
			there := other.path(name)
			tool(t, "cp", "-a", repo, there)
			locked := takeSnapshot(t, there)
			for _, at := range all {
				o := other.in(filepath.Join(there, at.dir))
				o.must("install", "--locked")
				contains(t, o.must("verify", "--locked"), ": as locked\n")
				contains(t, o.must("run", at.command), "^"+regexp.QuoteMeta(at.says)+"\n")
			}
			same(t, locked, takeSnapshot(t, there))
			if more := len(locked) - len(before); more != len(locks) {
				t.Errorf("%d files were added, want %d", more, len(locks))
			}
		})
	}
	t.Run("qemu", func(t *testing.T) { qemu(t, f) })
}

// uses asks for, installs and runs what at expects.
func (h *home) uses(at here, repo string) {
	h.t.Helper()
	var doc struct {
		Result struct {
			Tools []struct{ Asks, Path, Installed string }
		}
	}
	must(h.t, json.Unmarshal([]byte(h.must("project", "--json")), &doc))
	if len(doc.Result.Tools) != 1 {
		h.t.Fatalf("%s asks for %+v", at.dir, doc.Result.Tools)
	}
	file, err := filepath.Rel(repo, doc.Result.Tools[0].Path)
	must(h.t, err)
	if got := doc.Result.Tools[0].Asks + " " + file; got != at.asks {
		h.t.Errorf("%s asks for %s, want %s", at.dir, got, at.asks)
	}
	if doc.Result.Tools[0].Installed == "" {
		contains(h.t, h.exits(125, "run", at.command).stderr, "(?m)^hint: kist install$")
	}
	h.must("install")
	contains(h.t, h.must("install"), `^\S+ is already installed\n$`)
	contains(h.t, h.must("run", at.command), "^"+regexp.QuoteMeta(at.says)+"\n")
	if got := h.evaluates("eval \"$(" + h.program + " env --shell posix)\"; " + at.command); got != at.says+"\n" {
		h.t.Errorf("in %s, by kist env: %q, want %q", at.dir, got, at.says)
	}
}

// launches runs at's command by its launcher, twice: the second time by a stored answer.
func (h *home) launches(at here) {
	h.t.Helper()
	for range 2 {
		if got := h.evaluates(h.path(".local", "bin", at.command)); got != at.says+"\n" {
			h.t.Errorf("in %s, by the launcher: %q, want %q", at.dir, got, at.says)
		}
	}
}

// evaluates runs a line of shell where kist would be run.
func (h *home) evaluates(line string) string {
	h.t.Helper()
	argv := append(slices.Clone(h.prefix), "sh", "-c", line)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Dir = h.env, h.dir
	o := finish(h.t, cmd)
	if o.code != 0 {
		h.t.Errorf("%s: %v", line, o)
	}
	return o.stdout
}

// qemu uses QEMU, which asks for nothing that kist reads, with the Rust that a kist.toml
// of the user's names.
func qemu(t *testing.T, f forged) {
	h := f.home(t)
	repo := h.checkOut("qemu")
	build := filepath.Join(repo, "build")
	must(t, os.Mkdir(build, 0o755))
	before := takeSnapshot(t, repo)
	if got := h.in(repo).must("project"); got != "no file here asks for a tool\n" {
		t.Errorf("kist project says %q", got)
	}
	contains(t, h.in(build).exits(2, "install").stderr, "no file here asks for one that kist can install")
	contains(t, h.in(build).exits(2, "lock").stderr, "no file here asks for a tool")

	// Without a file, the defaults count.
	h.must("install", "rust@1.95.0")
	contains(t, h.in(build).must("run", "--", "sh", "../configure"), "^Rust compiler: rustc 1.95.0\nCargo: cargo 1.95.0\nsource: ..\n$")
	same(t, before, takeSnapshot(t, repo))

	// With one, its Rust is built with from every directory.
	contains(t, h.in(repo).must("pin", "rust@1.83"), "^Pinned rust@1.83 in "+regexp.QuoteMeta(repo)+"/kist.toml\n$")
	h.in(build).must("install")
	contains(t, h.in(build).must("run", "--", "sh", "../configure"), "^Rust compiler: rustc 1.83.0\nCargo: cargo 1.83.0\n")
	h.in(build).must("lock")
	h.must("shims", "on")
	for _, dir := range []string{".", "build", "rust/hw/char/pl011"} {
		h.in(filepath.Join(repo, dir)).launches(here{dir: dir, command: "rustc", says: "rustc 1.83.0"})
	}
	h.launches(here{dir: "the home", command: "rustc", says: "rustc 1.95.0"})
	other := f.home(t)
	there := other.path("qemu")
	tool(t, "cp", "-a", repo, there)
	other.in(filepath.Join(there, "rust")).must("install", "--locked")
	contains(t, other.in(filepath.Join(there, "build")).must("run", "--", "sh", "../configure"), "^Rust compiler: rustc 1.83.0\n")
	must(t, os.Remove(filepath.Join(repo, "kist.toml")))
	must(t, os.Remove(filepath.Join(repo, "kist.lock")))
	after := takeSnapshot(t, repo)
	same(t, before, after)
}
