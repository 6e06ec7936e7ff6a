//go:build interop || benchmark

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The real Rust toolchain of this machine, as rustup put it there: packed as
// upstream packs it, served by nginx in upstream's layout, installed by kist,
// and put to work with nothing else on PATH but the system's linker.
func TestRust(t *testing.T) {
	sysroot, host, version := machineRust(t)
	dir, release := commonDir(t), newSigner(t, "rsa3072")
	publishRust(t, filepath.Join(dir, "dist"), sysroot, host, version, release)
	web, h := startNginx(t, dir), newHome(t, build(t))
	before := takeSnapshot(t, h.dir)

	h.must("channel", "add", "mirror", web.http+"dist/channel-rust-stable.toml", "--format", "rust", "--key", release.publicKey())
	contains(t, h.must("install", "mirror/rust"), `^rust `+version+` · channel mirror · signed by`)
	h.must("install", "mirror/rust", "-c", "clippy", "-t", "wasm32-unknown-unknown")
	prefix := h.data("toolchains", "mirror", "rust", version)
	for _, name := range []string{"bin/rustc", "bin/cargo", "bin/cargo-clippy", "lib/rustlib/components", "lib/rustlib/rust-installer-version",
		"lib/rustlib/multirust-channel-manifest.toml", "lib/rustlib/manifest-clippy-preview-" + host, "lib/rustlib/manifest-rust-std-wasm32-unknown-unknown"} {
		if !exists(t, filepath.Join(prefix, name)) {
			t.Errorf("no %s", name)
		}
	}
	for _, part := range []string{"rustc", "cargo", "rust-std"} { // the same record as rustup's own
		name := filepath.Join("lib/rustlib", "manifest-"+part+"-"+host)
		if takeFile(t, filepath.Join(prefix, name)) != takeFile(t, filepath.Join(sysroot, name)) {
			t.Errorf("%s is not as rustup writes it", name)
		}
	}
	h.must("verify")
	web.stop()
	work(t, h, prefix, version)
	contains(t, h.must("run", "mirror/rust", "--", "cargo", "--version"), `^cargo `)
	h.must("verify")

	h.must("uninstall", "--all", "--yes")
	h.must("self", "uninstall", "--yes")
	same(t, before, takeSnapshot(t, h.dir))
}

// work compiles and runs a program, builds, lints and tests a workspace.
func work(t *testing.T, h *home, prefix, version string) {
	t.Helper()
	bin, dir := t.TempDir(), t.TempDir()
	for _, name := range []string{"cc", "ld", "as"} {
		at, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("%v: install a C compiler (gcc, binutils)", err)
		}
		if err := os.Symlink(at, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = []string{"HOME=" + dir, "CARGO_HOME=" + filepath.Join(dir, "cargo-home"), "PATH=" + h.path(".local", "bin") + ":" + bin}
		if !strings.Contains(name, "/") {
			cmd.Path, cmd.Err = h.path(".local", "bin", name), nil
		}
		o := finish(t, cmd)
		if o.code != 0 {
			t.Fatalf("%s %s: %v", name, strings.Join(args, " "), o)
		}
		return o.stdout
	}
	contains(t, run("rustc", "--version"), "^rustc "+version+" ")
	if got := strings.TrimSpace(run("rustc", "--print", "sysroot")); !sameDir(got, prefix) {
		t.Errorf("its sysroot is %s, not %s", got, prefix)
	}
	write(t, filepath.Join(dir, "hello.rs"), `fn main() { println!("hello {}", (1..=4).product::<u32>()) }`, 0o644)
	run("rustc", "-O", "hello.rs")
	if got := run(filepath.Join(dir, "hello")); got != "hello 24\n" {
		t.Errorf("the program says %q", got)
	}
	for name, text := range map[string]string{
		"Cargo.toml":     "[workspace]\nmembers = [\"app\", \"lib\"]\nresolver = \"2\"\n",
		"lib/Cargo.toml": "[package]\nname = \"greeting\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\npath = \"lib.rs\"\n",
		"lib/lib.rs":     "pub fn greeting() -> &'static str {\n    \"hello, workspace\"\n}\n\n#[test]\nfn it_greets() {\n    assert_eq!(greeting(), \"hello, workspace\");\n}\n",
		"app/Cargo.toml": "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\ngreeting = { path = \"../lib\" }\n[[bin]]\nname = \"app\"\npath = \"main.rs\"\n",
		"app/main.rs":    "fn main() {\n    println!(\"{}\", greeting::greeting());\n}\n",
	} {
		write(t, filepath.Join(dir, name), text, 0o644)
	}
	run("cargo", "build", "--offline")
	if got := run(filepath.Join(dir, "target", "debug", "app")); got != "hello, workspace\n" {
		t.Errorf("the workspace's program says %q", got)
	}
	run("cargo", "clippy", "--offline", "--", "-D", "warnings")
	run("cargo", "test", "--offline")
	if std, err := filepath.Glob(filepath.Join(prefix, "lib/rustlib/wasm32-unknown-unknown/lib/libcore-*.rlib")); err != nil || len(std) == 0 {
		return // this machine's rustup has no such target: what stands in for it was only laid out
	}
	write(t, filepath.Join(dir, "add.rs"), "#[no_mangle]\npub extern \"C\" fn add(a: i32, b: i32) -> i32 { a + b }\n", 0o644)
	run("rustc", "--target", "wasm32-unknown-unknown", "--crate-type", "cdylib", "add.rs")
	if !strings.HasPrefix(takeFile(t, filepath.Join(dir, "add.wasm")), "\x00asm") {
		t.Error("add.wasm is none")
	}
}

// machineRust finds the stable toolchain that rustup installed on this machine.
func machineRust(t *testing.T) (sysroot, host, version string) {
	t.Helper()
	const need = "this test packs the machine's own Rust: install rustup, then rustup toolchain install stable --component clippy"
	out, err := exec.Command("rustup", "which", "--toolchain", "stable", "rustc").Output()
	if err != nil {
		t.Fatalf("%s (%v)", need, err)
	}
	rustc := strings.TrimSpace(string(out))
	sysroot = filepath.Dir(filepath.Dir(rustc))
	for line := range strings.Lines(tool(t, rustc, "-vV")) {
		if v, ok := strings.CutPrefix(line, "host: "); ok {
			host = strings.TrimSpace(v)
		}
		if v, ok := strings.CutPrefix(line, "release: "); ok {
			version = strings.TrimSpace(v)
		}
	}
	for _, part := range []string{"rustc", "cargo", "rust-std", "clippy-preview"} {
		if !exists(t, filepath.Join(sysroot, "lib", "rustlib", "manifest-"+part+"-"+host)) {
			t.Fatalf("%s (it has no %s for %s)", need, part, host)
		}
	}
	return sysroot, host, version
}

// publishRust packs the components of sysroot, but for the documentation, into
// dist. Where it has no wasm target, a file stands in for its standard library.
func publishRust(t *testing.T, dist, sysroot, host, version string, release signer) {
	t.Helper()
	const date, wasm = "2026-04-16", "wasm32-unknown-unknown"
	var parts []rustPart
	for _, name := range strings.Fields(takeFile(t, filepath.Join(sysroot, "lib", "rustlib", "components"))) {
		p := rustPart{pkg: name, target: "*", tree: os.DirFS(sysroot), list: takeFile(t, filepath.Join(sysroot, "lib", "rustlib", "manifest-"+name))}
		for _, target := range []string{host, wasm} {
			if pkg, ok := strings.CutSuffix(name, "-"+target); ok {
				p.pkg, p.target = pkg, target
			}
		}
		if p.pkg == "rust-docs" || strings.HasPrefix(p.pkg, "rust-std-") {
			continue
		}
		parts = append(parts, p)
	}
	if !exists(t, filepath.Join(sysroot, "lib", "rustlib", "manifest-rust-std-"+wasm)) {
		parts = append(parts, smallPart("rust-std", wasm, "", version, "lib/rustlib/"+wasm+"/lib/libstd.rlib"))
	}
	for i := range parts {
		name := filepath.Join(dist, date, parts[i].file(version))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		parts[i].pack(t, out, version)
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
	text := rustManifest(version, date, []string{host}, parts)
	for _, name := range []string{"stable", version} {
		manifest := filepath.Join(dist, "channel-rust-"+name+".toml")
		write(t, manifest, text, 0o644)
		release.sign(manifest)
	}
}
