package publish_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// A desk is a publisher at work in a new directory.
type desk struct {
	*testing.T
	publish.Dir
	now    time.Time
	key    *verifytest.Key
	secret *verify.SecretKey
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	d := &desk{T: t, Dir: publish.Dir{Root: root}, now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	d.key, d.secret = d.signer("publisher")
	if err := d.Init("acme"); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) signer(name string) (*verifytest.Key, *verify.SecretKey) {
	d.Helper()
	key := verifytest.NewKey(d, name, d.now.AddDate(-1, 0, 0))
	secret, err := verify.ReadSecretKey(key.Secret(d))
	if err != nil {
		d.Fatal(err)
	}
	return key, secret
}

func (d *desk) stamp() publish.Stamp { return publish.Stamp{Now: d.now} }

func addition(version, platform, content string) publish.Addition {
	p, err := manifests.ParsePlatform(platform)
	if err != nil {
		panic(err)
	}
	return publish.Addition{Tool: "zig", Version: version, Commands: []string{"zig"}, Name: "zig-" + version + ".tar.gz",
		Artifact: native.Artifact{Platform: p, Format: "tar.gz", Strip: 1}, Content: strings.NewReader(content)}
}

func (d *desk) add(a publish.Addition) publish.Added {
	d.Helper()
	added, err := d.Add(a)
	if err != nil {
		d.Fatal(err)
	}
	return added
}

func (d *desk) sign() publish.Signed {
	d.Helper()
	signed, err := d.Sign(d.secret, d.stamp())
	if err != nil {
		d.Fatal(err)
	}
	return signed
}

// verify judges the directory as a user of all the given keys would.
func (d *desk) verify(keys ...*verifytest.Key) (publish.Report, error) {
	var files [][]byte
	for _, k := range keys {
		files = append(files, k.Public(d))
	}
	return d.Verify(d.now, max(1, len(keys)), files...)
}

func (d *desk) read(name string) []byte {
	d.Helper()
	data, err := d.Root.ReadFile(name)
	if err != nil {
		d.Fatal(err)
	}
	return data
}

func (d *desk) has(name string) bool {
	_, err := d.Root.Lstat(name)
	return err == nil
}

// snapshot is every file of the directory.
func (d *desk) snapshot() map[string]string {
	d.Helper()
	all := map[string]string{}
	err := fs.WalkDir(d.Root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			data, err := d.Root.ReadFile(name)
			all[name] = string(data)
			return err
		}
		return err
	})
	if err != nil {
		d.Fatal(err)
	}
	return all
}

// mustRefuse holds that do fails with want and changes nothing.
func (d *desk) mustRefuse(name string, want error, do func() error) {
	d.Helper()
	before := d.snapshot()
	if err := do(); !errors.Is(err, want) {
		d.Errorf("%s: got %v, want %v", name, err, want)
	}
	after := d.snapshot()
	for file := range after {
		if before[file] != after[file] {
			d.Errorf("%s: %s was changed", name, file)
		}
	}
	if len(before) != len(after) {
		d.Errorf("%s: %d files became %d", name, len(before), len(after))
	}
}

func TestPublishAndUse(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "linux/amd64", "linux 1.0.0"))
	d.add(addition("1.0.0", "darwin/arm64", "darwin 1.0.0"))
	signed := d.sign()
	if signed.Mark.Serial != 1 || !signed.Mark.Issued.Equal(d.now) || signed.Mark.Expires.Sub(d.now) != publish.DefaultValidity || signed.Cosigned {
		t.Errorf("signed %+v", signed)
	}
	report, err := d.verify() // by publisher.asc
	if err != nil {
		t.Fatal(err)
	}
	if report.Files != 2 || len(report.Notes) != 0 || report.Manifest.Channel != "acme" {
		t.Errorf("report %+v", report)
	}

	u := &manifesttest.Upstream{Files: map[string][]byte{}}
	for name, data := range d.snapshot() {
		u.Files["https://tools.acme.example/"+name] = []byte(data)
	}
	source := native.Source{Channel: "acme", URL: "https://tools.acme.example/channel.toml", Granted: func(string) bool { return true },
		Policy: verify.Policy{Keys: verifytest.Keyring(t, d.key), Threshold: 1}}
	catalog, err := source.Fetch(context.Background(), u, manifests.Query{Now: d.now})
	if err != nil {
		t.Fatal(err)
	}
	r, err := catalog.Resolve(manifests.Request{Tool: "zig", Platform: manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}})
	if err != nil {
		t.Fatal(err)
	}
	a := r.Artifacts[0]
	blob, err := manifests.ReadAll(context.Background(), u, a.Refs[0], a.Size)
	if err != nil {
		t.Fatal(err)
	}
	if string(blob) != "linux 1.0.0" || verify.DigestOf(blob) != a.Integrity.Digest || a.Name != "zig-1.0.0.tar.gz" {
		t.Errorf("artifact %+v is %q", a, blob)
	}
}

func TestInitRefusesASecondChannel(t *testing.T) {
	d := newDesk(t)
	var exists *publish.ExistsError
	if err := d.Init("acme"); !errors.As(err, &exists) || exists.File != publish.DraftFile {
		t.Errorf("over a draft: %v", err)
	}
	d.sign()
	if err := d.Init("acme"); !errors.As(err, &exists) || exists.File != publish.ManifestFile {
		t.Errorf("over a manifest: %v", err)
	}
	empty, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	var input *publish.InputError
	if err := (publish.Dir{Root: empty}).Init("../acme"); !errors.As(err, &input) {
		t.Errorf("bad name: %v", err)
	}
	var none *publish.NoChannelError
	if _, err := (publish.Dir{Root: empty}).Add(addition("1", "any", "x")); !errors.As(err, &none) {
		t.Errorf("add without init: %v", err)
	}
}

func TestAddReplacesAndMovesLabels(t *testing.T) {
	d := newDesk(t)
	first := addition("1.0.0", "linux/amd64", "one")
	first.Labels = []string{"stable", "lts"}
	first.Witness = &native.Witness{Path: "VERSION", Contains: "1.0.0"}
	d.add(first)
	d.sign()
	second := addition("1.1.0", "linux/amd64", "two")
	second.Labels, second.Commands = []string{"stable"}, []string{"zig", "zag"}
	if added := d.add(second); !slices.Equal(added.Moved, []string{"stable"}) || added.Replaced {
		t.Errorf("added %+v", added)
	}
	if added := d.add(addition("1.1.0", "linux/amd64", "two again")); !added.Replaced || len(added.Release.Artifacts) != 1 {
		t.Errorf("replacing: %+v", added)
	}
	other := addition("1.1.0", "linux/amd64", "two as zip")
	other.Artifact.Format, other.Name = "zip", "zig.zip"
	if added := d.add(other); added.Replaced || len(added.Release.Artifacts) != 2 {
		t.Errorf("alternative: %+v", added)
	}
	part := addition("1.1.0", "any", "docs")
	part.Artifact.Component, part.Artifact.Optional, part.Name = "docs", true, "docs.tar.gz"
	d.add(part)

	m, err := native.ParseDraft(d.read(publish.DraftFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Releases) != 2 || m.Releases[0].Version != "1.1.0" || m.Releases[1].Version != "1.0.0" {
		t.Fatalf("releases %+v", m.Releases)
	}
	newer, older := m.Releases[0], m.Releases[1]
	if !slices.Equal(newer.Labels, []string{"stable"}) || !slices.Equal(older.Labels, []string{"lts"}) ||
		!slices.Equal(newer.Commands, []string{"zig", "zag"}) || older.Witness == nil || newer.Witness != nil || len(newer.Artifacts) != 3 {
		t.Errorf("releases %+v", m.Releases)
	}
	if bytes.Contains(d.read(publish.ManifestFile), []byte("1.1.0")) {
		t.Error("what is published changed before it was signed")
	}
	if s := d.sign(); s.Mark.Serial != 2 {
		t.Errorf("serial %d", s.Mark.Serial)
	}
	report, err := d.verify(d.key)
	if err != nil {
		t.Fatal(err)
	}
	orphan := path.Join("blobs", verify.DigestOf([]byte("two")).Hex(), "zig-1.1.0.tar.gz")
	if report.Files != 4 || !slices.Equal(report.Notes, []string{orphan + ": the manifest names no such file"}) {
		t.Errorf("report %+v", report)
	}
}

func TestAddRefuses(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "linux/amd64", "one"))
	change := func(f func(*publish.Addition)) publish.Addition {
		a := addition("1.1.0", "linux/amd64", "two")
		f(&a)
		return a
	}
	refused := errors.New("no command in it")
	for name, a := range map[string]publish.Addition{
		"tool":            change(func(a *publish.Addition) { a.Tool = "../zig" }),
		"version":         change(func(a *publish.Addition) { a.Version = "/1" }),
		"label":           change(func(a *publish.Addition) { a.Labels = []string{"a b"} }),
		"command leaves":  change(func(a *publish.Addition) { a.Commands = []string{"../zig"} }),
		"command pattern": change(func(a *publish.Addition) { a.Commands = []string{"[z"} }),
		"witness leaves":  change(func(a *publish.Addition) { a.Witness = &native.Witness{Path: "/V", Contains: "1"} }),
		"component":       change(func(a *publish.Addition) { a.Artifact.Component = "A" }),
		"format":          change(func(a *publish.Addition) { a.Artifact.Format = "rar" }),
		"strip":           change(func(a *publish.Addition) { a.Artifact.Strip = -1 }),
		"file name":       change(func(a *publish.Addition) { a.Name = "../zig.tar.gz" }),
		"no file name":    change(func(a *publish.Addition) { a.Name = "" }),
		"backslash":       change(func(a *publish.Addition) { a.Name = `a\b` }),
		"empty file":      change(func(a *publish.Addition) { a.Content = strings.NewReader("") }),
	} {
		d.mustRefuse(name, nil, func() error {
			var input *publish.InputError
			if _, err := d.Add(a); !errors.As(err, &input) {
				t.Errorf("%s: %v, want an InputError", name, err)
			}
			return nil
		})
	}
	d.mustRefuse("inspection", refused, func() error {
		_, err := d.Add(change(func(a *publish.Addition) {
			a.Inspect = func(*os.File, native.Release, native.Artifact) (int64, error) { return 0, refused }
		}))
		return err
	})
	d.mustRefuse("contradicting component", verify.ErrUntrusted, func() error {
		_, err := d.Add(change(func(a *publish.Addition) {
			a.Version, a.Artifact.Platform.OS, a.Artifact.Optional, a.Content = "1.0.0", "plan9", true, strings.NewReader("one")
			a.Name = "zig-1.0.0.tar.gz"
		}))
		return err
	})
	if added := d.add(change(func(a *publish.Addition) {
		a.Inspect = func(f *os.File, r native.Release, a native.Artifact) (int64, error) {
			data, err := os.ReadFile(f.Name())
			if string(data) != "two" || r.Version != "1.1.0" || a.Size != 3 {
				t.Errorf("inspected %q of %+v", data, r)
			}
			return 42, err
		}
	})); added.Artifact.Unpacked != 42 || added.Release.Artifacts[0].Unpacked != 42 {
		t.Errorf("honest twin: %+v", added)
	}
}

func TestSignAgainIssuesAnew(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "any", "one"))
	d.sign()
	d.now = d.now.Add(24 * time.Hour)
	again := d.sign()
	if again.Mark.Serial != 2 || !again.Mark.Issued.Equal(d.now) || again.Cosigned || len(again.Claims) != 1 {
		t.Errorf("signed %+v", again)
	}
	if d.has(publish.DraftFile) {
		t.Error("a draft is left")
	}
	if _, err := d.verify(d.key); err != nil {
		t.Error(err)
	}
	d.now = d.now.Add(publish.DefaultValidity)
	if _, err := d.verify(d.key); !errors.Is(err, verify.ErrStale) {
		t.Errorf("expired: %v", err)
	}
	d.sign()
	if _, err := d.verify(d.key); err != nil {
		t.Errorf("issued anew: %v", err)
	}
}

func TestCosigning(t *testing.T) {
	d := newDesk(t)
	second, secret := d.signer("second")
	d.add(addition("1.0.0", "any", "one"))
	d.sign()
	if _, err := d.verify(d.key, second); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("one signature of two: %v", err)
	}
	text := d.read(publish.ManifestFile)
	signed, err := d.Sign(secret, d.stamp())
	if err != nil {
		t.Fatal(err)
	}
	if !signed.Cosigned || len(signed.Claims) != 2 || !bytes.Equal(text, d.read(publish.ManifestFile)) {
		t.Errorf("signed %+v", signed)
	}
	if _, err := d.verify(d.key, second); err != nil {
		t.Error(err)
	}
	if _, err := d.verify(); err != nil {
		t.Errorf("by publisher.asc: %v", err)
	}

	d.now = d.now.Add(2 * publish.DefaultValidity)
	signed, err = d.Sign(secret, d.stamp())
	if err != nil || signed.Cosigned || signed.Mark.Serial != 2 {
		t.Errorf("an expired edition is issued anew: %+v, %v", signed, err)
	}
}

func TestHandEditedManifestIsTheDraft(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "any", "one"))
	d.sign()
	edited := bytes.Replace(d.read(publish.ManifestFile), []byte(`commands = ["zig"]`), []byte("# by hand\ncommands = [\"zig\", \"bin/*\"]"), 1)
	if err := d.Root.WriteFile(publish.ManifestFile, edited, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := d.verify(d.key); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("before signing: %v", err)
	}
	_, secret := d.signer("second")
	if signed, err := d.Sign(secret, d.stamp()); err != nil || signed.Cosigned || signed.Mark.Serial != 2 || len(signed.Claims) != 1 {
		t.Errorf("signed %+v, %v", signed, err)
	}
	report, err := d.verify()
	if err != nil || !slices.Contains(report.Manifest.Releases[0].Commands, "bin/*") {
		t.Errorf("report %+v, %v", report, err)
	}
}

func TestSignRefuses(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "any", "one"))
	d.sign()
	for name, validity := range map[string]time.Duration{"negative": -time.Hour, "over 400 days": 401 * 24 * time.Hour} {
		d.mustRefuse(name, nil, func() error {
			var input *publish.InputError
			if _, err := d.Sign(d.secret, publish.Stamp{Now: d.now, Validity: validity}); !errors.As(err, &input) {
				t.Errorf("%s: %v", name, err)
			}
			return nil
		})
	}
	if _, err := d.Sign(d.secret, publish.Stamp{Now: d.now, Validity: 400 * 24 * time.Hour}); err != nil {
		t.Errorf("400 days: %v", err)
	}
	d.mustRefuse("a key from the future", nil, func() error {
		var key *publish.KeyError
		if _, err := d.Sign(d.secret, publish.Stamp{Now: d.now.AddDate(-2, 0, 0)}); !errors.As(err, &key) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	draft := []byte("format = 1\nchannel = \"other\"\n")
	if err := d.Root.WriteFile(publish.DraftFile, draft, 0o644); err != nil {
		t.Fatal(err)
	}
	d.mustRefuse("draft of another channel", verify.ErrUntrusted, func() error {
		_, err := d.Sign(d.secret, d.stamp())
		return err
	})
}

func TestVerifyRefuses(t *testing.T) {
	d := newDesk(t)
	blob := d.add(addition("1.0.0", "any", "one")).Artifact.Path
	if _, err := d.verify(d.key); !errors.As(err, new(*publish.NoChannelError)) {
		t.Errorf("a draft only: %v", err)
	}
	d.sign()
	stranger, _ := d.signer("stranger")
	for name, test := range map[string]struct {
		file    string
		content string // empty: removed
	}{
		"blob missing":       {blob, ""},
		"blob changed":       {blob, "two"},
		"blob longer":        {blob, "one and more"},
		"blob shorter":       {blob, "on"},
		"signature missing":  {publish.SignatureFile, ""},
		"signature empty":    {publish.SignatureFile, "\n"},
		"manifest edited":    {publish.ManifestFile, string(d.read(publish.ManifestFile)) + "# more\n"},
		"manifest empty":     {publish.ManifestFile, "\n"},
		"certificate broken": {publish.KeysFile, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"},
	} {
		t.Run(name, func(t *testing.T) {
			honest := d.read(test.file)
			var err error
			if test.content == "" {
				err = d.Root.Remove(test.file)
			} else {
				err = d.Root.WriteFile(test.file, []byte(test.content), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.verify(); !errors.Is(err, verify.ErrUntrusted) {
				t.Errorf("got %v", err)
			}
			if err := d.Root.WriteFile(test.file, honest, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := d.verify(); err != nil {
				t.Errorf("honest twin: %v", err)
			}
		})
	}
	if _, err := d.verify(stranger); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("with a stranger's key: %v", err)
	}
	if err := d.Root.Remove(publish.KeysFile); err != nil {
		t.Fatal(err)
	}
	if _, err := d.verify(); !errors.As(err, new(*publish.NoKeysError)) {
		t.Errorf("without keys: %v", err)
	}
	if _, err := d.verify(d.key); err != nil {
		t.Errorf("with the key given: %v", err)
	}
}
