//go:build interop || benchmark

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/host"
)

// The real Rust toolchain of this machine, as rustup installed it: packed as upstream
// packs it, served by nginx in upstream's layout, installed by kist, and used with only
// the system's linker beside it on PATH.
func TestRust(t *testing.T) {
	sysroot, host, version := machineRust(t)
	dir, release := commonDir(t), newSigner(t, "rsa3072")
	target := publishRust(t, filepath.Join(dir, "dist"), sysroot, host, version, release)
	web, h := startNginx(t, dir), newHome(t, build(t))
	before := takeSnapshot(t, h.dir)

	h.must("channel", "add", "mirror", web.http+"dist/channel-rust-stable.toml", "--format", "rust", "--key", release.publicKey())
	contains(t, h.must("install", "mirror/rust"), `(?s)^Installed rust `+version+` in .*\n  channel mirror\n  signed by`)
	h.must("install", "mirror/rust", "-c", "clippy", "-t", wasm)
	prefix := h.data("toolchains", "mirror", "rust", version)
	for _, name := range []string{"bin/rustc", "bin/cargo", "bin/cargo-clippy", "lib/rustlib/components", "lib/rustlib/rust-installer-version",
		"lib/rustlib/multirust-channel-manifest.toml", "lib/rustlib/manifest-clippy-preview-" + host, "lib/rustlib/manifest-rust-std-" + wasm} {
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
	work(t, h, prefix, version, target)
	contains(t, h.must("run", "mirror/rust", "--", "cargo", "--version"), `^cargo `)
	h.must("verify")

	// The target goes again, without the mirror; the rest works on.
	contains(t, h.must("uninstall", "mirror/rust", "-t", wasm), "^Removed rust-std-"+wasm+" of mirror/rust@"+version)
	if exists(t, filepath.Join(prefix, "lib", "rustlib", wasm)) {
		t.Error("the target is still there")
	}
	contains(t, h.must("run", "mirror/rust", "--", "cargo", "clippy", "--version"), `^clippy `)
	h.must("verify")

	h.must("uninstall", "--all", "--yes")
	h.must("self", "uninstall", "--yes")
	same(t, before, takeSnapshot(t, h.dir))
}

const wasm = "wasm32-unknown-unknown"

// work compiles and runs a program, builds, lints and tests a workspace, and
// compiles program for the wasm target.
func work(t *testing.T, h *home, prefix, version, program string) {
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
		cmd.Env = []string{"RUSTC_BOOTSTRAP=add", "HOME=" + dir, "CARGO_HOME=" + filepath.Join(dir, "cargo-home"), "PATH=" + h.path(".local", "bin") + ":" + bin}
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
	if got := strings.TrimSpace(run("rustc", "--print", "sysroot")); !host.SameDir(got, prefix) {
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
	write(t, filepath.Join(dir, "add.rs"), program, 0o644)
	run("rustc", "-O", "--target", wasm, "--crate-name", "add", "--crate-type", "cdylib", "add.rs")
	if made := takeFile(t, filepath.Join(dir, "add.wasm")); !strings.HasPrefix(made, "\x00asm") || !strings.Contains(made, "\x03add\x00") {
		t.Errorf("add.wasm is not a module that exports add: %q", made)
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

// publishRust packs the components of sysroot, except the documentation, into dist, and
// returns a program for the wasm target. If the sysroot lacks that target, a small
// library that suffices for this program, compiled here, replaces the standard one.
func publishRust(t *testing.T, dist, sysroot, host, version string, release signer) (program string) {
	t.Helper()
	const date = "2026-04-16"
	program = "#[no_mangle]\npub extern \"C\" fn add(a: i32, b: i32) -> i32 { a + b }\n"
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
		small := t.TempDir()
		library := "lib/rustlib/" + wasm + "/lib/libcore-kist.rlib"
		write(t, filepath.Join(small, "core.rs"), smallCore, 0o644)
		if err := os.MkdirAll(filepath.Join(small, filepath.Dir(library)), 0o755); err != nil {
			t.Fatal(err)
		}
		rustc := exec.Command(filepath.Join(sysroot, "bin", "rustc"), "-O", "--target", wasm, "--crate-name", "core", "--crate-type", "rlib",
			"-o", filepath.Join(small, library), filepath.Join(small, "core.rs"))
		rustc.Env = append(os.Environ(), "RUSTC_BOOTSTRAP=core")
		if out, err := rustc.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		parts = append(parts, rustPart{pkg: "rust-std", target: wasm, tree: os.DirFS(small), list: "file:" + library + "\n"})
		program = "#![feature(no_core)]\n#![no_core]\nextern crate core;\n" + program
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
	return program
}

// smallCore is enough of Rust's core library to add two numbers.
const smallCore = `#![feature(no_core, lang_items)]
#![allow(internal_features)]
#![no_core]
#[lang = "pointee_sized"]
pub trait PointeeSized {}
#[lang = "meta_sized"]
pub trait MetaSized: PointeeSized {}
#[lang = "sized"]
pub trait Sized: MetaSized {}
#[lang = "copy"]
pub trait Copy {}
impl Copy for i32 {}
#[lang = "add"]
pub trait Add<Other = Self> {
    type Output;
    fn add(self, other: Other) -> Self::Output;
}
impl Add for i32 {
    type Output = i32;
    fn add(self, other: i32) -> i32 {
        self + other
    }
}
`
