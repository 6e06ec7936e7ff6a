package upstreams

import (
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/detached"
	"github.com/kist-tools/kist/manifests/rust"
	"github.com/kist-tools/kist/verify"
)

// table is every built-in channel.
func table() []Upstream {
	return []Upstream{
		{Channel: "bun", Tool: "bun", Origins: []Origin{{Name: "github.com", Keyring: "bun", Threshold: 1, Checksums: bun()}}},
		{Channel: "cmake", Tool: "cmake", Origins: []Origin{{Name: "github.com", Keyring: "cmake", Threshold: 1, Checksums: cmake()}}},
		hashicorp("consul", ""),
		{Channel: "go", Tool: "go", Origins: []Origin{
			{Name: "go.dev", Keyring: "golang", Threshold: 1, Detached: goDownloads()},
			{Name: "the Go module proxy", ChecksumDB: verify.GoChecksumKey},
		}},
		{Channel: "node", Tool: "node", Origins: []Origin{{Name: "nodejs.org", Keyring: "nodejs", Threshold: 1, Checksums: node()}}},
		hashicorp("nomad", "/gnu"),
		hashicorp("packer", ""),
		{Channel: "rust", Tool: rust.Tool, Origins: []Origin{{Name: "static.rust-lang.org", Keyring: "rust", Threshold: 1, Rust: rust.Upstream}}},
		hashicorp("terraform", ""),
		hashicorp("vault", ""),
	}
}

// goDownloads: go.dev/dl; golang/website, internal/dl.
func goDownloads() *detached.Site {
	return &detached.Site{
		Base: "https://go.dev/dl/", Index: "?mode=json&include=all",
		Parse: detached.ParseGo, Numbering: manifests.GoNumbering(),
		File: "go{version}.{platform}.{format}", Signature: ".asc",
		Platforms: map[string]string{"linux/arm": "linux-armv6l"},
		Formats:   map[string]string{"": "tar.gz", "windows": "zip"},
		Strip:     1, // go/
		Witness:   manifests.Witness{Path: "VERSION", Contains: "go{version}", WholeLine: true},
		Commands:  []string{"bin/go{exe}", "bin/gofmt{exe}"},
		Env:       map[string]string{"GOROOT": "{prefix}", "GOTOOLCHAIN": "local"},
	}
}

// Refusal says in one line why a well-known tool has no built-in channel: its
// upstream publishes nothing that a pinned OpenPGP key proves. As of 2026-11.
func Refusal(tool string) (reason string, known bool) {
	const checksums = "publishes checksums, but no OpenPGP signature over its downloads"
	reason, known = map[string]string{
		"crystal": "Crystal " + checksums,
		"dart":    "Dart " + checksums,
		"deno":    "Deno " + checksums,
		"dotnet":  "the .NET SDK " + checksums,
		"flutter": "Flutter " + checksums,
		"kotlin":  "Kotlin " + checksums,
		"kubectl": "Kubernetes signs kubectl with Sigstore, not with OpenPGP",
		"nim":     "Nim " + checksums,
		"python":  "python.org publishes no binaries for Linux, and the builds that others make carry no OpenPGP signature",
		"zig":     "Zig signs its downloads with minisign, not with OpenPGP",
	}[tool]
	return reason, known
}
