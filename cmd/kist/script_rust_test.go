//go:build unix

package main

import (
	"bytes"
	"path/filepath"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/testscript"
)

// rustHosts are the machines that the scripts may run on.
func rustHosts() []string {
	return []string{"x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl", "aarch64-unknown-linux-gnu", "aarch64-unknown-linux-musl",
		"x86_64-apple-darwin", "aarch64-apple-darwin"}
}

// scriptRust publishes one release below DIR/dist, signed by KEY: the manifest
// channel-rust-NAME.toml of DATE, the same below its date, and the archives.
// Each command prints its name and the release's number. Clippy also contains each +PATH,
// and lists each -PATH without containing it.
func scriptRust(ts *testscript.TestScript, neg bool, args []string) {
	scriptNeeds(ts, neg, args, 5, 7, "rust DIR KEY NAME NUMBER DATE [+PATH|-PATH]")
	dir, key, name, number, date := filepath.Join(args[0], "dist"), args[1], args[2], args[3], args[4]
	parts := smallRust(number)
	for i := range parts {
		for _, more := range args[5:] {
			if name := more[1:]; parts[i].pkg == "clippy-preview" && more[0] == '+' {
				parts[i].add(name, number)
			} else if parts[i].pkg == "clippy-preview" {
				parts[i].lies += "file:" + name + "\n"
			}
		}
		var b bytes.Buffer
		parts[i].pack(scriptTB{ts: ts}, &b, number)
		scriptWrite(ts, filepath.Join(dir, date, parts[i].file(number)), b.Bytes())
	}
	text := []byte(rustManifest(number, date, rustHosts(), parts))
	for _, at := range []string{dir, filepath.Join(dir, date)} {
		manifest := filepath.Join(at, "channel-rust-"+name+".toml")
		scriptWrite(ts, manifest, text)
		scriptSign(ts, false, []string{manifest, key})
	}
}

// smallRust is one release for every machine that the tests may run on.
func smallRust(number string) []rustPart {
	parts := []rustPart{
		smallPart("rust-src", "*", "dir:lib/rustlib/src", number, "lib/rustlib/src/rust/library/std/src/lib.rs"),
		smallPart("rust-std", "wasm32-unknown-unknown", "", number, "lib/rustlib/wasm32-unknown-unknown/lib/libstd.rlib"),
	}
	for _, host := range rustHosts() {
		parts = append(parts,
			smallPart("rustc", host, "", number, "bin/rustc", "bin/rustdoc", "lib/librustc_driver.so", "share/doc/rustc/README.md"),
			smallPart("cargo", host, "", number, "bin/cargo", "etc/bash_completion.d/cargo", "share/doc/cargo/README.md"),
			smallPart("rust-std", host, "", number, "lib/rustlib/"+host+"/lib/libstd.rlib"),
			smallPart("rust-docs", host, "dir:share/doc/rust/html", number, "share/doc/rust/html/index.html", "share/doc/rust/html/std/index.html"),
			smallPart("clippy-preview", host, "", number, "bin/cargo-clippy", "bin/clippy-driver"),
			smallPart("rustfmt-preview", host, "", number, "bin/rustfmt"))
	}
	return parts
}

// smallPart is a package with these files, listed one by one if list is empty.
func smallPart(pkg, target, list, number string, files ...string) rustPart {
	p := rustPart{pkg: pkg, target: target, tree: fstest.MapFS{}}
	for _, name := range files {
		p.add(name, number)
	}
	if list != "" {
		p.list = list
	}
	return p
}

// add puts a file into the tree of a small part, and lists it.
func (p *rustPart) add(name, number string) {
	file := &fstest.MapFile{Mode: 0o644, Data: []byte(name + " of " + number + "\n")}
	if dir, base := filepath.Split(name); dir == "bin/" {
		file = &fstest.MapFile{Mode: 0o755, Data: []byte("#!/bin/sh\necho " + base + " " + number + "\n")}
	}
	p.tree.(fstest.MapFS)[name] = file
	p.list += "file:" + name + "\n"
}
