package manifests

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/verify"
)

func TestNames(t *testing.T) {
	for _, good := range []string{"go", "g++", "rust-1.2", "a", "0ad", strings.Repeat("a", 64), "com", "com0", "console"} {
		if err := ValidName(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", ".", "..", "a..b", "a.", "-rf", "_a", "Go", "a/b", `a\b`, "a b", "a:b", "a~b", "gö", "ｇo", "go\n",
		"a\x00b", strings.Repeat("a", 65), "con", "nul.txt", "com1", "lpt9.x", "/abs", "~"} {
		if ValidName(bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	for _, good := range []string{"1.2.3", "1:2.3~rc1-4+b1", "V1", "2026-11-22"} {
		if err := ValidVersion(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{"", "../x", "/abs", "a/b", "1.", "1..2", "-rf", "1\n", "CON", "1 2", ":1", "~1"} {
		if ValidVersion(bad) == nil {
			t.Errorf("version %q was accepted", bad)
		}
	}
}

func TestPlatforms(t *testing.T) {
	for _, s := range []string{"any", "linux/amd64", "linux/arm64/musl", "windows/386"} {
		p, err := ParsePlatform(s)
		if err != nil || p.String() != s {
			t.Errorf("%q: %v, %v", s, p, err)
		}
	}
	for _, s := range []string{"", "linux", "linux/", "/amd64", "linux/amd64/gnu/x", "Linux/amd64", "linux/../x"} {
		if p, err := ParsePlatform(s); err == nil {
			t.Errorf("%q: accepted as %v", s, p)
		}
	}
	glibc := Platform{"linux", "amd64", "gnu"}
	for s, want := range map[string]int{"any": 1, "linux/amd64": 2, "linux/amd64/gnu": 3, "linux/amd64/musl": 0, "linux/arm64": 0, "darwin/amd64": 0} {
		p, _ := ParsePlatform(s)
		if got := p.Fit(glibc); got != want {
			t.Errorf("%s on %s: fit %d, want %d", s, glibc, got, want)
		}
	}
}

func TestNear(t *testing.T) {
	have := []string{"rust", "go", "node", "terraform", "1.25.1", "1.25.10", "1.24.0"}
	for s, want := range map[string]string{"rsut": "rust", "noed": "node", "terafrom": "terraform", "1.25.2": "1.25.1", "python": ""} {
		got := Near(s, have)
		if want == "" && len(got) != 0 || want != "" && !slices.Contains(got, want) {
			t.Errorf("near %q: %v, want %q", s, got, want)
		}
	}
}

// What is farther than a typing mistake is not suggested.
func TestNearSuggestsOnlyTypingMistakes(t *testing.T) {
	have := []string{"bun", "go", "rust", "java", "packer", "helm", "golang", "node", "uninstall", "list"}
	for _, s := range []string{"", "uv", "gh", "jq", "ruby", "docker", "lua", "mvn", "hugo", "erlang", "gcc", "jav-a-la", "un", "lisp2"} {
		if got := Near(s, have); len(got) != 0 {
			t.Errorf("near %q: %v", s, got)
		}
	}
	for s, want := range map[string]string{"ndoe": "node", "javva": "java", "pakcre": "packer", "unistall": "uninstall", "lsit": "list"} {
		if got := Near(s, have); !slices.Contains(got, want) {
			t.Errorf("near %q: %v, want %s", s, got, want)
		}
	}
}

func TestPlainRequests(t *testing.T) {
	if err := (Request{Tool: "go", Components: []string{"x"}}).Plain("1.25"); err != nil {
		t.Errorf("without target and profile: %v", err)
	}
	var target *UnknownPartError
	if err := (Request{Tool: "go", Targets: []string{"wasm"}}).Plain("1.25"); !errors.As(err, &target) || target.Part != "target" || target.Name != "wasm" {
		t.Errorf("with a target: %v", err)
	}
	var profile *UnknownPartError
	if err := (Request{Tool: "go", Profile: "default"}).Plain("1.25"); !errors.As(err, &profile) || profile.Part != "profile" || profile.Name != "default" {
		t.Errorf("with a profile: %v", err)
	}
}

func validRelease() Release {
	return Release{Channel: "acme", Tool: "zig", Version: "1.0", Commands: []string{"bin/*"},
		Artifacts: []Artifact{{Name: "zig.tar", Refs: []string{"https://example.org/zig.tar"}, Size: 1,
			Integrity: Integrity{Digest: verify.DigestOf(nil)}, Layout: Layout{Format: "tar"}}}}
}

func TestValidate(t *testing.T) {
	if err := validRelease().Validate(); err != nil {
		t.Fatalf("a valid release: %v", err)
	}
	signature := func(a *Artifact) {
		a.Integrity = Integrity{Signature: &Signature{Data: []byte("s"), Policy: verify.Policy{Keys: &verify.Keyring{}, Threshold: 1}}}
		a.Witness = &Witness{Path: "VERSION", Contains: "1.0"}
	}
	r := validRelease()
	signature(&r.Artifacts[0])
	if err := r.Validate(); err != nil {
		t.Fatalf("a valid release with a signature: %v", err)
	}
	component := func(a *Artifact) {
		a.Layout = Layout{Format: "tar.gz", Strip: 1, Installer: &Installer{Dirs: []string{"rustc"}, Manifest: "lib/rustlib/manifest-rustc"}}
	}
	r = validRelease()
	component(&r.Artifacts[0])
	r.Files = []File{{Path: "lib/rustlib/components", Data: []byte("rustc\n")}, {Path: "empty"},
		{Path: "kist/bin/rustc", Data: []byte("#!/bin/sh\n"), Exec: true}, {Path: "kist/lib", Link: "../usr/lib"}}
	if err := r.Validate(); err != nil {
		t.Fatalf("a valid release with a component and files: %v", err)
	}
	chunked := func(a *Artifact) {
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
	for name, spoil := range map[string]func(*Release, *Artifact){
		"chunks of a smaller file":  func(_ *Release, a *Artifact) { chunked(a); a.Size = verify.ChunkSize },
		"chunks of a larger file":   func(_ *Release, a *Artifact) { chunked(a); a.Size = 2*verify.ChunkSize + 1 },
		"chunks without a size":     func(_ *Release, a *Artifact) { chunked(a); a.Size = 0 },
		"chunks without a digest":   func(_ *Release, a *Artifact) { chunked(a); signature(a) },
		"component in a zip":        func(_ *Release, a *Artifact) { component(a); a.Layout.Format = "zip" },
		"component without dir":     func(_ *Release, a *Artifact) { component(a); a.Layout.Installer.Dirs = nil },
		"component's list outside":  func(_ *Release, a *Artifact) { component(a); a.Layout.Installer.Manifest = "../x" },
		"file outside":              func(r *Release, _ *Artifact) { r.Files = []File{{Path: "../x"}} },
		"files without a path":      func(r *Release, _ *Artifact) { r.Files = []File{{}} },
		"file too large":            func(r *Release, _ *Artifact) { r.Files = []File{{Path: "x", Data: make([]byte, MaxManifest+1)}} },
		"link outside":              func(r *Release, _ *Artifact) { r.Files = []File{{Path: "kist/lib", Link: "../../lib"}} },
		"link to the root":          func(r *Release, _ *Artifact) { r.Files = []File{{Path: "kist/lib", Link: "/usr/lib"}} },
		"link with content":         func(r *Release, _ *Artifact) { r.Files = []File{{Path: "x", Link: "y", Data: []byte("z")}} },
		"link that is a program":    func(r *Release, _ *Artifact) { r.Files = []File{{Path: "x", Link: "y", Exec: true}} },
		"a merged /usr of a tar":    func(_ *Release, a *Artifact) { a.Layout = Layout{Format: "tar", MergedUsr: true} },
		"too many files":            func(r *Release, _ *Artifact) { r.Files = make([]File, MaxFiles+1) },
		"no integrity":              func(_ *Release, a *Artifact) { a.Integrity = Integrity{} },
		"two integrities":           func(_ *Release, a *Artifact) { signature(a); a.Integrity.Digest = verify.DigestOf(nil) },
		"signature, no witness":     func(_ *Release, a *Artifact) { signature(a); a.Witness = nil },
		"signature, no keys":        func(_ *Release, a *Artifact) { signature(a); a.Integrity.Signature.Policy.Keys = nil },
		"signature, threshold 0":    func(_ *Release, a *Artifact) { signature(a); a.Integrity.Signature.Policy.Threshold = 0 },
		"signature, empty":          func(_ *Release, a *Artifact) { signature(a); a.Integrity.Signature.Data = nil },
		"tree hash without proof":   func(_ *Release, a *Artifact) { a.Integrity = Integrity{Tree: &TreeHash{H1: "h1:x"}} },
		"no location":               func(_ *Release, a *Artifact) { a.Refs = nil },
		"negative size":             func(_ *Release, a *Artifact) { a.Size = -1 },
		"huge":                      func(_ *Release, a *Artifact) { a.Size = MaxArtifact + 1 },
		"unpacked huge":             func(_ *Release, a *Artifact) { a.Unpacked = MaxUnpacked + 1 },
		"negative strip":            func(_ *Release, a *Artifact) { a.Layout.Strip = -1 },
		"unknown format":            func(_ *Release, a *Artifact) { a.Layout.Format = "rar" },
		"file without a path":       func(_ *Release, a *Artifact) { a.Layout.Format = "file" },
		"into outside":              func(_ *Release, a *Artifact) { a.Layout.Into = "../x" },
		"witness outside":           func(_ *Release, a *Artifact) { a.Witness = &Witness{Path: "/etc/x", Contains: "1"} },
		"witness without text":      func(_ *Release, a *Artifact) { a.Witness = &Witness{Path: "V"} },
		"command outside":           func(r *Release, _ *Artifact) { r.Commands = []string{"../bin/*"} },
		"absolute command":          func(r *Release, _ *Artifact) { r.Commands = []string{"/bin/sh"} },
		"malformed pattern":         func(r *Release, _ *Artifact) { r.Commands = []string{"bin/[a"} },
		"no artifacts":              func(r *Release, _ *Artifact) { r.Artifacts = nil },
		"version that is a path":    func(r *Release, _ *Artifact) { r.Version = "../../x" },
		"tool that is a path":       func(r *Release, _ *Artifact) { r.Tool = "a/b" },
		"channel that is an option": func(r *Release, _ *Artifact) { r.Channel = "-rf" },
	} {
		r := validRelease()
		spoil(&r, &r.Artifacts[0])
		if err := r.Validate(); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v, want an error that matches ErrUntrusted", name, err)
		}
	}
}
