package bill_test

import (
	"strings"
	"time"

	"github.com/kist-tools/kist/install/bill"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

const (
	alice = verify.Fingerprint("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	bob   = verify.Fingerprint("BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB")
)

var made = time.Date(2026, 11, 30, 12, 0, 0, 500, time.FixedZone("elsewhere", 3600))

func digest(text string) verify.Digest { return verify.DigestOf([]byte(text)) }

func signed(name string, by ...verify.Fingerprint) verify.Evidence {
	e := verify.Evidence{Kind: verify.ByDetached, Name: name, Digest: digest(name)}
	for _, f := range by {
		e.Signers = append(e.Signers, verify.Signer{Primary: f, Key: f})
	}
	return e
}

func release(channel, tool, version string, e verify.Evidence, artifacts ...record.Artifact) bill.Installed {
	return bill.Installed{Head: record.Head{Channel: channel, Tool: tool, Version: version, Platform: manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"},
		Components: []string{tool}, Evidence: e, Artifacts: artifacts}, Tree: digest(channel + tool + version)}
}

// acme is a release of a native channel: one archive.
func acme(version string) bill.Installed {
	return release("acme", "hello", version, signed("https://acme.example/channel.toml", bob, alice), record.Artifact{
		Name: "hello.tar.gz", Component: "hello", URL: "https://acme.example/hello-" + version + ".tar.gz?a=1&b=2", Digest: digest("hello" + version),
		Evidence: verify.Evidence{Kind: verify.ByDigest, Digest: digest("hello" + version)}})
}

// samples are releases of every form.
func samples() []bill.Installed {
	list := signed("http://deb.debian.org/debian/dists/bookworm/InRelease", alice)
	list.Kind = verify.ByClearsigned
	index := verify.Evidence{Kind: verify.ByDigest, Name: "http://deb.debian.org/debian/dists/bookworm/main/binary-amd64/Packages.xz", Digest: digest("index"), Parent: &list}
	deb := func(name, version, file string) record.Artifact {
		return record.Artifact{Name: file, Component: name, Version: version, Digest: digest(file), Layout: manifests.Layout{Format: "deb"},
			URL: "http://deb.debian.org/debian/pool/" + file, Evidence: verify.Evidence{Kind: verify.ByDigest, Digest: digest(file)}}
	}
	tree := verify.Evidence{Kind: verify.ByTree, Name: "golang.org/toolchain@v0.0.1-go1.26.8.linux-amd64", Tree: &verify.Tree{Name: "sum.golang.org", H1: "h1:x="}}
	lone := signed("julia.tar.gz", bob)
	return []bill.Installed{
		acme("1.0"),
		release("debian-bookworm", "gcc", "4:12.2.0-3", index,
			deb("libstdc++6", "12.2.0-14+deb12u1", "libstdc++6_12.2.0-14+deb12u1_amd64.deb"),
			deb("gcc", "4:12.2.0-3", "gcc_12.2.0-3_amd64.deb"),
			deb("gcc-doc", "", "gcc-doc_5:1~rc1_all.deb")),
		release("go", "go", "1.26.8", tree, record.Artifact{Name: "v0.0.1.zip", Component: "go", Digest: digest("zip"), Evidence: tree}),
		release("julia", "julia", "1.12.0", verify.Evidence{}, record.Artifact{Name: "julia.tar.gz", Component: "julia", Digest: digest("julia"), Evidence: lone}),
		release("rust", "rust", "1.95.0", signed("/home/user/secret/channel-rust.toml", alice),
			record.Artifact{Name: "rustc.tar.xz", Component: "rustc", Digest: digest("rustc")},
			record.Artifact{Name: "rust-std.tar.xz", Component: "rust-std", Digest: digest("std1")},
			record.Artifact{Name: "rust-std-wasm.tar.xz", Component: "rust-std", Digest: digest("std2")}),
	}
}

// hostile has texts that no channel could have in it.
func hostile() bill.Installed {
	r := acme("1.0~<b>&\"")
	r.Components = []string{strings.Repeat("x", 3000), "\u202e\x00é"}
	r.Evidence.Name = "https://user:password@acme.example/\u202e\x1b[31m"
	return r
}
