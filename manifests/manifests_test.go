package manifests_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func TestNames(t *testing.T) {
	for _, good := range []string{"go", "g++", "rust-1.2", "a", "0ad", strings.Repeat("a", 64), "com", "com0", "console"} {
		if err := manifests.ValidName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "a..b", "a.", "-rf", "_a", "Go", "a/b", `a\b`, "a b", "a:b", "a~b", "gö", "ｇo", "go\n",
		"a\x00b", strings.Repeat("a", 65), "con", "nul.txt", "com1", "lpt9.x", "/abs", "~"} {
		if manifests.ValidName(bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	for _, good := range []string{"1.2.3", "1:2.3~rc1-4+b1", "V1", "2026-11-22"} {
		if err := manifests.ValidVersion(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "../x", "/abs", "a/b", "1.", "1..2", "-rf", "1\n", "CON", "1 2", ":1", "~1"} {
		if manifests.ValidVersion(bad) == nil {
			t.Errorf("version %q was accepted", bad)
		}
	}
}

func TestPlatforms(t *testing.T) {
	for _, s := range []string{"any", "linux/amd64", "linux/arm64/musl", "windows/386"} {
		p, err := manifests.ParsePlatform(s)
		if err != nil || p.String() != s {
			t.Errorf("%q: %v, %v", s, p, err)
		}
	}
	for _, s := range []string{"", "linux", "linux/", "/amd64", "linux/amd64/gnu/x", "Linux/amd64", "linux/../x"} {
		if p, err := manifests.ParsePlatform(s); err == nil {
			t.Errorf("%q: accepted as %v", s, p)
		}
	}
	glibc := manifests.Platform{"linux", "amd64", "gnu"}
	for s, want := range map[string]int{"any": 1, "linux/amd64": 2, "linux/amd64/gnu": 3, "linux/amd64/musl": 0, "linux/arm64": 0, "darwin/amd64": 0} {
		p, _ := manifests.ParsePlatform(s)
		if got := p.Fit(glibc); got != want {
			t.Errorf("%s on %s: fit %d, want %d", s, glibc, got, want)
		}
	}
}

func TestNear(t *testing.T) {
	have := []string{"rust", "go", "node", "terraform", "1.25.1", "1.25.10", "1.24.0"}
	for s, want := range map[string]string{"rsut": "rust", "noed": "node", "terafrom": "terraform", "1.25.2": "1.25.1", "python": ""} {
		got := manifests.Near(s, have)
		if want == "" && len(got) != 0 || want != "" && !slices.Contains(got, want) {
			t.Errorf("near %q: %v, want %q", s, got, want)
		}
	}
}

// What is farther than a typing mistake is not suggested.
func TestNearSuggestsOnlyTypingMistakes(t *testing.T) {
	have := []string{"bun", "go", "rust", "java", "packer", "helm", "golang", "node", "uninstall", "list"}
	for _, s := range []string{"", "uv", "gh", "jq", "ruby", "docker", "lua", "mvn", "hugo", "erlang", "gcc", "jav-a-la", "un", "lisp2"} {
		if got := manifests.Near(s, have); len(got) != 0 {
			t.Errorf("near %q: %v", s, got)
		}
	}
	for s, want := range map[string]string{"ndoe": "node", "javva": "java", "pakcre": "packer", "unistall": "uninstall", "lsit": "list"} {
		if got := manifests.Near(s, have); !slices.Contains(got, want) {
			t.Errorf("near %q: %v, want %s", s, got, want)
		}
	}
}

func TestPlainRequests(t *testing.T) {
	if err := (manifests.Request{Tool: "go", Components: []string{"x"}}).Plain("1.25"); err != nil {
		t.Errorf("without target and profile: %v", err)
	}
	var target *manifests.UnknownPartError
	if err := (manifests.Request{Tool: "go", Targets: []string{"wasm"}}).Plain("1.25"); !errors.As(err, &target) || target.Part != "target" || target.Name != "wasm" {
		t.Errorf("with a target: %v", err)
	}
	var profile *manifests.UnknownPartError
	if err := (manifests.Request{Tool: "go", Profile: "default"}).Plain("1.25"); !errors.As(err, &profile) || profile.Part != "profile" || profile.Name != "default" {
		t.Errorf("with a profile: %v", err)
	}
}

func validRelease() manifests.Release {
	return manifests.Release{Channel: "acme", Tool: "zig", Version: "1.0", Commands: []string{"bin/*"},
		Artifacts: []manifests.Artifact{{Name: "zig.tar", Refs: []string{"https://example.org/zig.tar"}, Size: 1,
			Integrity: manifests.Integrity{Digest: verify.DigestOf(nil)}, Layout: manifests.Layout{Format: "tar"}}}}
}

func TestValidate(t *testing.T) {
	if err := validRelease().Validate(); err != nil {
		t.Fatalf("a valid release: %v", err)
	}
	signature := func(a *manifests.Artifact) {
		a.Integrity = manifests.Integrity{Signature: &manifests.Signature{Data: []byte("s"), Policy: verify.Policy{Keys: &verify.Keyring{}, Threshold: 1}}}
		a.Witness = &manifests.Witness{Path: "VERSION", Contains: "1.0"}
	}
	r := validRelease()
	signature(&r.Artifacts[0])
	if err := r.Validate(); err != nil {
		t.Fatalf("a valid release with a signature: %v", err)
	}
	component := func(a *manifests.Artifact) {
		a.Layout = manifests.Layout{Format: "tar.gz", Strip: 1, Installer: &manifests.Installer{Dirs: []string{"rustc"}, Manifest: "lib/rustlib/manifest-rustc"}}
	}
	r = validRelease()
	component(&r.Artifacts[0])
	r.Files = []manifests.File{{Path: "lib/rustlib/components", Data: []byte("rustc\n")}, {Path: "empty"},
		{Path: "kist/bin/rustc", Data: []byte("#!/bin/sh\n"), Exec: true}, {Path: "kist/lib", Link: "../usr/lib"}}
	if err := r.Validate(); err != nil {
		t.Fatalf("a valid release with a component and files: %v", err)
	}
	chunked := func(a *manifests.Artifact) {
		a.Size = verify.ChunkSize + 1
		chunker := verify.NewChunker()
		chunker.Write(make([]byte, a.Size))
		a.Chunks = chunker.Chunks()
	}
	r = validRelease()
	chunked(&r.Artifacts[0])
	if err := r.Validate(); err != nil {
		t.Fatalf("a valid release with chunks: %v", err)
	}
	for name, spoil := range map[string]func(*manifests.Release, *manifests.Artifact){
		"chunks of a smaller file": func(_ *manifests.Release, a *manifests.Artifact) { chunked(a); a.Size = verify.ChunkSize },
		"chunks of a larger file":  func(_ *manifests.Release, a *manifests.Artifact) { chunked(a); a.Size = 2*verify.ChunkSize + 1 },
		"chunks without a size":    func(_ *manifests.Release, a *manifests.Artifact) { chunked(a); a.Size = 0 },
		"chunks without a digest":  func(_ *manifests.Release, a *manifests.Artifact) { chunked(a); signature(a) },
		"component in a zip":       func(_ *manifests.Release, a *manifests.Artifact) { component(a); a.Layout.Format = "zip" },
		"component without dir":    func(_ *manifests.Release, a *manifests.Artifact) { component(a); a.Layout.Installer.Dirs = nil },
		"component's list outside": func(_ *manifests.Release, a *manifests.Artifact) { component(a); a.Layout.Installer.Manifest = "../x" },
		"file outside":             func(r *manifests.Release, _ *manifests.Artifact) { r.Files = []manifests.File{{Path: "../x"}} },
		"files without a path":     func(r *manifests.Release, _ *manifests.Artifact) { r.Files = []manifests.File{{}} },
		"file too large": func(r *manifests.Release, _ *manifests.Artifact) {
			r.Files = []manifests.File{{Path: "x", Data: make([]byte, manifests.MaxManifest+1)}}
		},
		"link outside": func(r *manifests.Release, _ *manifests.Artifact) {
			r.Files = []manifests.File{{Path: "kist/lib", Link: "../../lib"}}
		},
		"link to the root": func(r *manifests.Release, _ *manifests.Artifact) {
			r.Files = []manifests.File{{Path: "kist/lib", Link: "/usr/lib"}}
		},
		"link with content": func(r *manifests.Release, _ *manifests.Artifact) {
			r.Files = []manifests.File{{Path: "x", Link: "y", Data: []byte("z")}}
		},
		"link that is a program": func(r *manifests.Release, _ *manifests.Artifact) {
			r.Files = []manifests.File{{Path: "x", Link: "y", Exec: true}}
		},
		"a merged /usr of a tar": func(_ *manifests.Release, a *manifests.Artifact) {
			a.Layout = manifests.Layout{Format: "tar", MergedUsr: true}
		},
		"too many files": func(r *manifests.Release, _ *manifests.Artifact) {
			r.Files = make([]manifests.File, manifests.MaxFiles+1)
		},
		"no integrity": func(_ *manifests.Release, a *manifests.Artifact) { a.Integrity = manifests.Integrity{} },
		"two integrities": func(_ *manifests.Release, a *manifests.Artifact) {
			signature(a)
			a.Integrity.Digest = verify.DigestOf(nil)
		},
		"signature, no witness": func(_ *manifests.Release, a *manifests.Artifact) { signature(a); a.Witness = nil },
		"signature, no keys": func(_ *manifests.Release, a *manifests.Artifact) {
			signature(a)
			a.Integrity.Signature.Policy.Keys = nil
		},
		"signature, threshold 0": func(_ *manifests.Release, a *manifests.Artifact) {
			signature(a)
			a.Integrity.Signature.Policy.Threshold = 0
		},
		"signature, empty": func(_ *manifests.Release, a *manifests.Artifact) { signature(a); a.Integrity.Signature.Data = nil },
		"tree hash without proof": func(_ *manifests.Release, a *manifests.Artifact) {
			a.Integrity = manifests.Integrity{Tree: &manifests.TreeHash{H1: "h1:x"}}
		},
		"no location":         func(_ *manifests.Release, a *manifests.Artifact) { a.Refs = nil },
		"negative size":       func(_ *manifests.Release, a *manifests.Artifact) { a.Size = -1 },
		"huge":                func(_ *manifests.Release, a *manifests.Artifact) { a.Size = manifests.MaxArtifact + 1 },
		"unpacked huge":       func(_ *manifests.Release, a *manifests.Artifact) { a.Unpacked = manifests.MaxUnpacked + 1 },
		"negative strip":      func(_ *manifests.Release, a *manifests.Artifact) { a.Layout.Strip = -1 },
		"unknown format":      func(_ *manifests.Release, a *manifests.Artifact) { a.Layout.Format = "rar" },
		"file without a path": func(_ *manifests.Release, a *manifests.Artifact) { a.Layout.Format = "file" },
		"into outside":        func(_ *manifests.Release, a *manifests.Artifact) { a.Layout.Into = "../x" },
		"witness outside": func(_ *manifests.Release, a *manifests.Artifact) {
			a.Witness = &manifests.Witness{Path: "/etc/x", Contains: "1"}
		},
		"witness without text":      func(_ *manifests.Release, a *manifests.Artifact) { a.Witness = &manifests.Witness{Path: "V"} },
		"command outside":           func(r *manifests.Release, _ *manifests.Artifact) { r.Commands = []string{"../bin/*"} },
		"absolute command":          func(r *manifests.Release, _ *manifests.Artifact) { r.Commands = []string{"/bin/sh"} },
		"malformed pattern":         func(r *manifests.Release, _ *manifests.Artifact) { r.Commands = []string{"bin/[a"} },
		"no artifacts":              func(r *manifests.Release, _ *manifests.Artifact) { r.Artifacts = nil },
		"version that is a path":    func(r *manifests.Release, _ *manifests.Artifact) { r.Version = "../../x" },
		"tool that is a path":       func(r *manifests.Release, _ *manifests.Artifact) { r.Tool = "a/b" },
		"channel that is an option": func(r *manifests.Release, _ *manifests.Artifact) { r.Channel = "-rf" },
	} {
		r := validRelease()
		spoil(&r, &r.Artifacts[0])
		if err := r.Validate(); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v, want an error that matches ErrUntrusted", name, err)
		}
	}
}
