package lockfile_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/lockfile"
	"github.com/kist-tools/kist/manifests/project"
	"github.com/kist-tools/kist/verify"
)

var linux = manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}

const alice, bob = verify.Fingerprint("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), verify.Fingerprint("BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB")

// release returns a release of rust with two components, signed by signers.
func release(signers ...verify.Fingerprint) manifests.Release {
	e := verify.Evidence{Kind: verify.ByDetached, Name: "https://a.example/channel.toml", Digest: verify.DigestOf([]byte("manifest")),
		Mark: &verify.Mark{Channel: "acme", Serial: 7, Issued: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}}
	for _, f := range signers {
		e.Signers = append(e.Signers, verify.Signer{Primary: f})
	}
	file := func(component, name string) manifests.Artifact {
		return manifests.Artifact{Name: name, Component: component, Size: 9, Integrity: manifests.Integrity{Digest: verify.DigestOf([]byte(name))}}
	}
	rustc := file("rustc", "rustc.tar.gz")
	rustc.Alternatives = []manifests.Artifact{file("rustc", "rustc.tar.xz")}
	return manifests.Release{Channel: "acme", Tool: "rust", Version: "1.95.0", Platform: linux, Evidence: e,
		Components: []string{"rustc", "cargo"}, Artifacts: []manifests.Artifact{rustc, file("cargo", "cargo.tar.gz")}}
}

func ask() project.Ask {
	return project.Ask{Channel: "acme", Tool: "rust", Version: "1.95", Components: []string{"cargo"}}
}

func entry() lockfile.Tool {
	other := release(alice, bob)
	other.Platform = manifests.Platform{OS: "darwin", Arch: "arm64"}
	return lockfile.Of(ask(), []manifests.Release{release(alice, bob), other})
}

func TestEncode(t *testing.T) {
	tool := entry()
	tool.Platforms[1].Tree = verify.DigestOf([]byte("tree"))
	go1 := lockfile.Tool{Ask: "go@1.26", Channel: "go", Name: "go", Version: "1.26.3", Origin: "go.dev", Proof: lockfile.Proof{Signers: []verify.Fingerprint{alice}},
		Platforms: []lockfile.Platform{{Platform: linux, Files: []lockfile.File{
			{Component: "go", Name: "go.tar.gz", Signature: verify.DigestOf([]byte("sig"))}, {Component: "go", Name: "go.zip", Size: 3, H1: "h1:abc="}}}}}
	text := lockfile.Lock{Tools: []lockfile.Tool{tool, go1}}.Encode()
	back, err := lockfile.Parse("kist.lock", text)
	if err != nil {
		t.Fatal(err)
	}
	if want := (lockfile.Lock{Tools: []lockfile.Tool{go1, tool}}); !reflect.DeepEqual(back, want) {
		t.Errorf("got  %+v\nwant %+v\n%s", back, want, text)
	}
	if again := back.Encode(); !bytes.Equal(again, text) {
		t.Errorf("encoded again: %s", again)
	}
	for _, line := range []string{`ask = "acme/rust@1.95"`, `serial = 7`, `issued = 2026-11-01T00:00:00Z`, `  platform = "linux/amd64/gnu"`, `origin = "go.dev"`} {
		if !strings.Contains(string(text), line+"\n") {
			t.Errorf("no line %s in\n%s", line, text)
		}
	}
}

// A channel with several lines has a manifest for each, and a lock names all of them.
func TestLockNamesEachManifest(t *testing.T) {
	a, b := verify.Mark{Line: "a", Digest: verify.DigestOf([]byte("a"))}, verify.Mark{Line: "b", Digest: verify.DigestOf([]byte("b"))}
	tool := entry()
	tool.Proof.Digest = b.Digest
	for range 2 { // for two platforms
		tool.Proof.AddLines(verify.JoinLines("acme", b, a, verify.Mark{Line: "c"}))
	}
	text := lockfile.Lock{Tools: []lockfile.Tool{tool}}.Encode()
	l, err := lockfile.Parse("kist.lock", text)
	if err != nil || !bytes.Equal(l.Encode(), text) {
		t.Fatalf("%v\n%s", err, text)
	}
	p := l.Tools[0].Proof
	for d, want := range map[verify.Digest]bool{a.Digest: true, b.Digest: true, p.Digest: true, verify.DigestOf([]byte("c")): false, {}: false} {
		if p.Names(d) != want {
			t.Errorf("%v: %v, want %v", d, !want, want)
		}
	}
	if (lockfile.Proof{}).Names(verify.Digest{}) {
		t.Error("a lock without a manifest names one")
	}
	if _, err := lockfile.Parse("kist.lock", bytes.Replace(text, []byte(`manifests = ["`), []byte(`manifests = ["x`), 1)); err == nil {
		t.Error("what is no digest was accepted")
	}
	tool.Proof.Digest = verify.DigestOf([]byte("c"))
	if _, err := lockfile.Parse("kist.lock", lockfile.Lock{Tools: []lockfile.Tool{tool}}.Encode()); err == nil {
		t.Error("a lock whose manifest is not among its manifests was accepted")
	}
}

func TestRefusedLocks(t *testing.T) {
	const tool = "format = 1\n[[tool]]\nask = \"go\"\nchannel = \"go\"\nname = \"go\"\nversion = \"1\"\n"
	const platform = tool + "[[tool.platform]]\nplatform = \"linux/amd64\"\n"
	for text, want := range map[string]string{
		"":                               "format is missing",
		"format = 2":                     "format 2 is not known",
		"format = 1\nurl = \"x\"":        `unknown key "url"`,
		"format = 1\n[[tool]]":           "ask is missing",
		tool + "run = \"sh\"":            `unknown key "run"`,
		tool + "signers = [\"AB\"]":      "full fingerprint",
		tool + "serial = 0":              "less than 1",
		tool + "manifest = \"00\"":       "wrong length",
		tool + "components = [\"../x\"]": "may occur",
		platform + "tree = \"zz\"":       "not hexadecimal",
		platform + "key = \"x\"":         `unknown key "key"`,
		platform + "files = [{component = \"go\", name = \"x\"}]":                                                                 "want one of",
		platform + "files = [{component = \"go\", name = \"x\", h1 = \"sha\"}]":                                                   "want one of",
		platform + "files = [{component = \"go\", name = \"x\", h1 = \"h1:a\", signature = \"" + strings.Repeat("0", 64) + "\"}]": "want one of",
		platform + "files = [{component = \"go\", name = \"x\", size = 0, h1 = \"h1:a\"}]":                                        "less than 1",
		strings.Replace(tool, `name = "go"`, `name = "Go"`, 1):                                                                    "lower case",
		"#" + strings.Repeat("x", lockfile.MaxFile):                                                                               "larger than the limit",
	} {
		_, err := lockfile.Parse("dir/kist.lock", []byte(text))
		var refused *lockfile.Error
		if !errors.As(err, &refused) || refused.Path != "dir/kist.lock" || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: got %v, want an *Error with %q", text, err, want)
		}
	}
}

// A lock narrows: every change of what a channel offers for the locked version is refused.
func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(r *manifests.Release)
		also []string // installed components
		want string   // "" if it fits
	}{
		{"the same", func(*manifests.Release) {}, nil, ""},
		{"a newer manifest", func(r *manifests.Release) {
			r.Evidence.Digest, r.Evidence.Mark = verify.DigestOf([]byte("newer")), &verify.Mark{Serial: 8}
		}, nil, ""},
		{"an older manifest", func(r *manifests.Release) {
			r.Evidence.Digest, r.Evidence.Mark = verify.DigestOf([]byte("older")), &verify.Mark{Serial: 6}
		}, nil, ""},
		{"another manifest with the serial", func(r *manifests.Release) { r.Evidence.Digest = verify.DigestOf([]byte("evil")) }, nil, "other bytes under the same serial"},
		{"the manifest with another serial", func(r *manifests.Release) { m := *r.Evidence.Mark; m.Serial++; r.Evidence.Mark = &m }, nil, "another serial or date"},
		{"the manifest with another date", func(r *manifests.Release) {
			m := *r.Evidence.Mark
			m.Issued = m.Issued.AddDate(0, 0, 1)
			r.Evidence.Mark = &m
		}, nil, "another serial or date"},
		{"the manifest of one version", func(r *manifests.Release) {
			r.Evidence.Digest, r.Evidence.Mark.Fixed = verify.DigestOf([]byte("again")), true
		}, nil, ""},
		{"one signer fewer", func(r *manifests.Release) { r.Evidence.Signers = r.Evidence.Signers[:1] }, nil, ""},
		{"another signer", func(r *manifests.Release) { r.Evidence.Signers[0].Primary = "CCCC" }, nil, "was none of its signers"},
		{"no signer", func(r *manifests.Release) { r.Evidence.Signers = nil }, nil, "nobody signed it"},
		{"another kind of proof", func(r *manifests.Release) { r.Evidence.Kind = verify.ByTree }, nil, "not by openpgp-detached"},
		{"another origin", func(r *manifests.Release) { r.Origin = "mirror" }, nil, "published by mirror"},
		{"another version", func(r *manifests.Release) { r.Version = "1.95.1" }, nil, "it names acme/rust@1.95.0"},
		{"another channel", func(r *manifests.Release) { r.Channel = "evil" }, nil, "it names acme/rust@1.95.0"},
		{"other bytes", func(r *manifests.Release) { r.Artifacts[1].Integrity.Digest = verify.DigestOf([]byte("evil")) }, nil, "cargo.tar.gz has other bytes"},
		{"another size", func(r *manifests.Release) { r.Artifacts[1].Size++ }, nil, "cargo.tar.gz has other bytes"},
		{"another alternative", func(r *manifests.Release) { r.Artifacts[0].Alternatives[0].Name = "evil.tar.xz" }, nil, "evil.tar.xz is another one"},
		{"a component more", func(r *manifests.Release) {
			r.Artifacts = append(r.Artifacts, manifests.Artifact{Component: "evil", Name: "evil.tar.gz"})
		}, nil, "evil.tar.gz is another one"},
		{"a component more, which is installed", func(r *manifests.Release) {
			r.Artifacts = append(r.Artifacts, manifests.Artifact{Component: "docs", Name: "docs.tar.gz"})
		}, []string{"docs"}, ""},
		{"a component fewer", func(r *manifests.Release) { r.Artifacts = r.Artifacts[:1] }, nil, "component cargo is missing"},
		{"by a signature instead", func(r *manifests.Release) {
			r.Artifacts[1].Integrity = manifests.Integrity{Tree: &manifests.TreeHash{H1: "h1:x"}}
		}, nil, "cargo.tar.gz has other bytes"},
	} {
		r := release(alice, bob)
		test.edit(&r)
		err := entry().Check("kist.lock", r, test.also)
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		var mismatch *lockfile.MismatchError
		if !errors.As(err, &mismatch) || !errors.Is(err, verify.ErrUntrusted) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want a *MismatchError with %q", test.name, err, test.want)
		}
	}
	r := release(alice, bob)
	r.Platform.Arch = "riscv64"
	var missing *lockfile.MissingError
	if err := entry().Check("kist.lock", r, nil); !errors.As(err, &missing) {
		t.Errorf("another platform: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	l := lockfile.Lock{Tools: []lockfile.Tool{entry()}}
	if tools, err := l.Answers("kist.lock", []project.Want{{Ask: ask()}}); err != nil || len(tools) != 1 {
		t.Errorf("%v, %v", tools, err)
	}
	for name, edit := range map[string]func(*project.Ask){
		"version":    func(a *project.Ask) { a.Version = "1.96" },
		"components": func(a *project.Ask) { a.Components = nil },
		"targets":    func(a *project.Ask) { a.Targets = []string{"wasm32"} },
		"profile":    func(a *project.Ask) { a.Profile = "complete" },
		"channel":    func(a *project.Ask) { a.Channel = "" },
		"range":      func(a *project.Ask) { a.Version, a.Range = "", ">=1" },
	} {
		other := ask()
		edit(&other)
		var missing *lockfile.MissingError
		if _, err := l.Answers("kist.lock", []project.Want{{Ask: other, Path: "kist.toml"}}); !errors.As(err, &missing) || missing.Kind() != "lock" {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

// An entry that states the request and names another release does not answer it, while
// every release that the request can mean does.
func TestAnswersOnlyByWhatTheRequestCanMean(t *testing.T) {
	for _, test := range []struct {
		ask                    project.Ask
		channel, name, version string
		want                   bool
	}{
		{project.Ask{Tool: "go", Version: "1.26"}, "go", "go", "1.26.3", true},
		{project.Ask{Tool: "go", Version: "1.26"}, "acme", "zig", "0.1", false},
		{project.Ask{Tool: "go", Version: "1.26"}, "go", "go", "1.25.3", false},
		{project.Ask{Tool: "go", Version: "1.26"}, "go", "go", "1.260", false},
		{project.Ask{Tool: "go", Version: "=1.26.3"}, "go", "go", "1.26.3", true},
		{project.Ask{Tool: "go", Version: "=1.26.3"}, "go", "go", "1.26.30", false},
		{project.Ask{Channel: "bookworm", Tool: "rustc", Version: "1.63"}, "bookworm", "rustc", "1.63.0+dfsg1-2", true},
		{project.Ask{Channel: "bookworm", Tool: "clang", Version: "=14.0"}, "bookworm", "clang", "1:14.0-55.7", true},
		{project.Ask{Channel: "bookworm", Tool: "clang", Version: "1"}, "bookworm", "clang", "1:14.0-55.7", false},
		{project.Ask{Tool: "go", Version: "=go1.26.3"}, "go", "go", "1.26.3", true},
		{project.Ask{Tool: "go", Version: "=go1.26.3"}, "go", "go", "1.25.3", false},
		{project.Ask{Tool: "java", Version: "21.0.5+11-LTS"}, "java", "java", "21.0.5+11", true},
		{project.Ask{Tool: "go"}, "go", "go", "1.20", true},
		{project.Ask{Tool: "node", Version: "lts"}, "node", "node", "22.1.0", true},
		{project.Ask{Tool: "node", Version: "lts"}, "node", "deno", "22.1.0", false},
		{project.Ask{Tool: "node", Range: ">=20 <23"}, "node", "node", "22.1.0", true},
		{project.Ask{Tool: "node", Range: ">=20 <23"}, "node", "node", "18.1.0", false},
		{project.Ask{Channel: "acme", Tool: "zig", Version: "0.14"}, "acme", "zig", "0.14.1", true},
		{project.Ask{Channel: "acme", Tool: "zig", Version: "0.14"}, "evil", "zig", "0.14.1", false},
	} {
		l := lockfile.Lock{Tools: []lockfile.Tool{{Ask: test.ask.String(), Channel: test.channel, Name: test.name, Version: test.version}}}
		if _, got := l.Answering(test.ask); got != test.want {
			t.Errorf("%s/%s@%s answers %s: got %v, want %v", test.channel, test.name, test.version, test.ask, got, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(string(lockfile.Lock{Tools: []lockfile.Tool{entry()}}.Encode()))
	f.Fuzz(func(t *testing.T, text string) {
		l, err := lockfile.Parse("kist.lock", []byte(text))
		if err != nil {
			return
		}
		again, err := lockfile.Parse("kist.lock", l.Encode())
		if err != nil {
			t.Fatalf("%q was encoded as %q: %v", text, l.Encode(), err)
		}
		if !bytes.Equal(again.Encode(), l.Encode()) {
			t.Errorf("%q is not stable", text)
		}
	})
}
