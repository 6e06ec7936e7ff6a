package upstreams

import (
	"strings"

	"github.com/kist-tools/kist/manifests/debian"
	"github.com/kist-tools/kist/manifests/internal/signedfiles"
	"github.com/kist-tools/kist/manifests/rust"
	"github.com/kist-tools/kist/verify"
)

// table returns every upstream whose format is known. Making it is cheap: it makes no
// Site.
func table() []Upstream {
	return []Upstream{
		{Channel: "bun", Tool: "bun", Origins: []Origin{{Name: "github.com", Keyring: "bun", Threshold: 1, Site: bun}}},
		{Channel: "cmake", Tool: "cmake", Origins: []Origin{{Name: "github.com", Keyring: "cmake", Threshold: 1, Site: cmake}}},
		hashicorpProduct("consul", ""),
		distribution("debian-bookworm", "Debian 12"), distribution("debian-trixie", "Debian 13"),
		{Channel: "go", Tool: "go", Origins: []Origin{
			{Name: "go.dev", Keyring: "golang", Threshold: 1, Site: goDownloads},
			{Name: "the Go module proxy", ChecksumDB: verify.GoChecksumKey},
		}},
		{Channel: "gradle", Tool: "gradle", Origins: []Origin{{Name: "services.gradle.org", Keyring: "gradle", Threshold: 1, Site: gradle}}},
		{Channel: "helm", Tool: "helm", Origins: []Origin{{Name: "get.helm.sh", Keyring: "helm", Threshold: 1, Site: helm}}},
		{Channel: "julia", Tool: "julia", Origins: []Origin{{Name: "julialang.org", Keyring: "julia", Threshold: 1, Site: julia}}},
		{Channel: "llvm", Tool: "llvm", Origins: []Origin{{Name: "github.com", Threshold: 1, Site: llvm}},
			MissingKeys: "several people sign LLVM's releases, and kist has no current key of any of them"},
		{Channel: "maven", Tool: "maven", Origins: []Origin{{Name: "archive.apache.org", Threshold: 1, Site: maven}},
			MissingKeys: "many people sign Maven's releases, and kist has no copy of their keys"},
		{Channel: "node", Tool: "node", Origins: []Origin{{Name: "nodejs.org", Keyring: "nodejs", Threshold: 1, Site: node}}},
		hashicorpProduct("nomad", "/gnu"),
		hashicorpProduct("packer", ""),
		{Channel: "rust", Tool: rust.Tool, Origins: []Origin{{Name: "static.rust-lang.org", Keyring: "rust", Threshold: 1, Rust: rust.Upstream}}},
		{Channel: "swift", Tool: "swift", Origins: []Origin{{Name: "swift.org", Keyring: "swift", Threshold: 1, Site: swift}}},
		{Channel: "temurin", Tool: "java", Origins: []Origin{{Name: "Adoptium", Keyring: "adoptium", Threshold: 1, Site: temurin}}},
		hashicorpProduct("terraform", ""),
		distribution("ubuntu-jammy", "Ubuntu 22.04"), distribution("ubuntu-noble", "Ubuntu 24.04"),
		hashicorpProduct("vault", ""),
	}
}

// hashicorpProduct returns the row of one of HashiCorp's products.
func hashicorpProduct(tool, libc string) Upstream {
	return Upstream{Channel: tool, Tool: tool, Origins: []Origin{{Name: "releases.hashicorp.com", Keyring: "hashicorp", Threshold: 1,
		Site: func() signedfiles.Site { return hashicorp(libc) }}}}
}

// distribution returns the row of the channel <distribution>-<codename>. Others lists
// suites that a machine's apt sources may name. Source: Debian's and Ubuntu's archives,
// dists/.
func distribution(channel, name string) Upstream {
	keyring, codename, _ := strings.Cut(channel, "-")
	d := &debian.Distribution{Codename: codename, Keyring: keyring + "-archive"}
	switch keyring {
	case "debian":
		d.Origin = "Debian"
		d.Others = []string{"bullseye", "bookworm", "trixie", "forky", "sid", "oldoldstable", "oldstable", "stable", "testing", "unstable"}
	case "ubuntu":
		d.Origin = "Ubuntu"
		d.Others = []string{"jammy", "noble", "plucky", "questing", "resolute", "devel"}
	}
	return Upstream{Channel: channel, Origins: []Origin{{Name: name + " (" + codename + ")", Keyring: keyring, Threshold: 1, Debian: d}}}
}

// Refusal returns in one line why a well-known tool has no built-in channel: its
// upstream publishes nothing that a pinned OpenPGP key proves, or kist lacks the keys.
func Refusal(tool string) (reason string, known bool) {
	for _, u := range table() {
		if u.Tool == tool && u.MissingKeys != "" {
			return u.MissingKeys, true
		}
	}
	reason, known = refused()[tool]
	return reason, known
}

// refused returns the tools that have a Refusal but no row, with the reasons as of 2026-11.
func refused() map[string]string {
	const checksums = "publishes checksums, but no OpenPGP signature over its downloads"
	const ghcup = "ghcup's metadata is signed by a key that kist has no copy of, and GHC's archives must be configured and built"
	return map[string]string{
		"cabal":   ghcup,
		"crystal": "Crystal " + checksums,
		"dart":    "Dart " + checksums,
		"deno":    "Deno " + checksums,
		"dotnet":  "the .NET SDK " + checksums,
		"flutter": "Flutter " + checksums,
		"ghc":     ghcup,
		"ghcup":   ghcup,
		"hls":     ghcup,
		"kotlin":  "Kotlin " + checksums,
		"kubectl": "Kubernetes signs kubectl with Sigstore, not with OpenPGP",
		"nim":     "Nim " + checksums,
		"python":  "python.org publishes no binaries for Linux, and the builds that others make carry no OpenPGP signature",
		"stack":   ghcup,
		"zig":     "Zig signs its downloads with minisign, not with OpenPGP",
	}
}
