package publish_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
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

// A desk is a publisher with a key and a new directory.
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
	art, err := publish.Measure(strings.NewReader(content))
	if err != nil {
		panic(err)
	}
	art.Platform, art.Format, art.Strip = p, "tar.gz", 1
	return publish.Addition{Tool: "zig", Version: version, Commands: []string{"zig"}, Name: "zig-" + version + ".tar.gz", Artifact: art,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
}

// addAll adds files and writes the draft.
func (d *desk) addAll(list ...publish.Addition) ([]publish.Added, error) {
	draft, err := d.Begin()
	if err != nil {
		return nil, err
	}
	added, err := draft.Add(list)
	if err != nil {
		return nil, err
	}
	return added, draft.Write()
}

func (d *desk) add(a publish.Addition) publish.Added {
	d.Helper()
	added, err := d.addAll(a)
	if err != nil {
		d.Fatal(err)
	}
	return added[0]
}

func (d *desk) sign() publish.Signed {
	d.Helper()
	signed, err := d.Sign(d.secret, d.stamp())
	if err != nil {
		d.Fatal(err)
	}
	return signed
}

// verify checks the directory as a user does who trusts all the given keys.
func (d *desk) verify(keys ...*verifytest.Key) (publish.Report, error) {
	var files [][]byte
	for _, k := range keys {
		files = append(files, k.Public(d))
	}
	return d.Verify(publish.Verification{Now: d.now, Threshold: max(1, len(keys)), Keys: files})
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

// snapshot returns the content of every file of the directory.
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

// mustRefuse checks that do fails with want and changes nothing.
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

func TestInitRefusesSecondChannel(t *testing.T) {
	d := newDesk(t)
	if err := d.Init("acme"); !errors.Is(err, publish.ErrExists) || !strings.Contains(err.Error(), publish.DraftFile) {
		t.Errorf("over a draft: %v", err)
	}
	d.sign()
	if err := d.Init("acme"); !errors.Is(err, publish.ErrExists) || !strings.Contains(err.Error(), publish.ManifestFile) {
		t.Errorf("over a manifest: %v", err)
	}
	empty, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if err := (publish.Dir{Root: empty}).Init("../acme"); !errors.Is(err, manifests.ErrInput) {
		t.Errorf("bad name: %v", err)
	}
	if _, err := (publish.Dir{Root: empty}).Begin(); !errors.Is(err, publish.ErrNoChannel) {
		t.Errorf("add without init: %v", err)
	}
}
