package bundles_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/bundles"
	"github.com/kist-tools/kist/install/copies"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/bundle"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
)

var (
	linux  = manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}
	darwin = manifests.Platform{OS: "darwin", Arch: "arm64"}
)

// with returns a bundle with these contents, and an empty file for each URL.
func with(contents string, urls ...string) *bundle.Bundle {
	b := &bundle.Bundle{Contents: []byte(contents)}
	for _, u := range urls {
		b.Files = append(b.Files, bundle.File{URLs: []string{u}})
	}
	return b
}

func read(t *testing.T, b *bundle.Bundle) *bundles.Bundle {
	t.Helper()
	r, err := bundles.Read("b.tar", b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const two = `{"format":1,"releases":[
	{"channel":"acme","tool":"hello","asked":"1","version":"1.0","platform":"linux/amd64/gnu"},
	{"channel":"acme","tool":"hello","version":"1.0","platform":"linux/amd64/gnu"},
	{"channel":"go","tool":"go","version":"1.25.3","platform":"darwin/arm64"}]}`

func TestReadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing": "", "no object": "[]", "another format": `{"format":2}`, "an unknown field": `{"format":1,"x":1}`, "a second value": `{"format":1}{}`,
		"a platform that is none": `{"format":1,"releases":[{"platform":"x"}]}`,
		"too many releases":       `{"format":1,"releases":[` + strings.Repeat(`{},`, 10_000) + `{}]}`,
		"too many tree heads":     `{"format":1,"heads":[` + strings.Repeat(`{},`, copies.MaxHeads) + `{}]}`,
	} {
		if _, err := bundles.Read("b.tar", with(text)); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := read(t, with(two)); len(got.Releases) != 3 {
		t.Errorf("the honest twin: %+v", got.Releases)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(two))
	f.Add([]byte(`{"format":1,"heads":[{"channel":"go","serial":7}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := bundles.Read("b.tar", with(string(data)))
		if err != nil {
			if !errors.Is(err, verify.ErrUntrusted) {
				t.Fatal(err)
			}
			return
		}
		for _, r := range b.Releases {
			if r.Platform.Fit(linux) > 0 && len(b.Holds(linux)) == 0 {
				t.Fatalf("%+v is not held", r)
			}
		}
	})
}

// What a machine uses instead of its own proxies and archives.
func TestPlaces(t *testing.T) {
	b := read(t, with(two, "https://proxy.example/golang.org/toolchain/@v/list", "https://proxy.example/golang.org/toolchain/@v/v0.0.1-go1.25.3.zip",
		"https://other.example/go/golang.org/toolchain/@v/list", "https://proxy.example/sumdb/sum.golang.org/supported",
		"http://deb.example/debian/dists/bookworm/InRelease", "http://deb.example/debian/dists/bookworm/main/Packages.xz",
		"http://deb.example/debian-security/dists/bookworm-security/InRelease"))
	if got := b.GoProxies(); got != "https://other.example/go,https://proxy.example" {
		t.Errorf("proxies %q", got)
	}
	if got := read(t, with(two)).GoProxies(); got != "off" {
		t.Errorf("without any: %q", got)
	}
	var got []string
	for _, s := range b.AptSources() {
		got = append(got, s.URIs[0]+" "+s.Suites[0]+" "+s.Components[0])
	}
	if want := []string{"http://deb.example/debian bookworm main", "http://deb.example/debian-security bookworm-security main"}; !slices.Equal(got, want) {
		t.Errorf("archives %q", got)
	}
}

func TestExplain(t *testing.T) {
	b := read(t, with(two))
	if got := b.Holds(linux); !slices.Equal(got, []string{"acme/hello@1.0"}) {
		t.Errorf("holds %q", got)
	}
	hello, node := trust.Ref{Name: "hello", Version: "2"}, trust.Ref{Channel: "node", Name: "node"}
	for _, test := range []struct {
		err  error
		ref  trust.Ref
		on   manifests.Platform
		want string // "": the error itself
	}{
		{manifests.ErrNotFound, node, linux, "b.tar does not hold node/node for linux/amd64/gnu: it holds acme/hello@1.0"},
		{manifests.ErrUnreachable, node, darwin, "b.tar does not hold node/node for darwin/arm64: it holds go/go@1.25.3"},
		{manifests.ErrNotFound, hello, linux, "b.tar does not hold hello@2 for linux/amd64/gnu: it holds acme/hello@1.0 (not found)"},
		{manifests.ErrNotFound, node, manifests.Platform{OS: "windows", Arch: "amd64"}, "b.tar does not hold node/node for windows/amd64, or anything else for it"},
		{verify.Untrusted("no"), node, linux, ""},
		{errors.Join(manifests.ErrNotFound, verify.ErrStale), node, linux, ""},
		{io.ErrUnexpectedEOF, node, linux, ""},
	} {
		got := b.Explain(test.err, test.ref, test.on)
		if test.want == "" && got != test.err || test.want != "" && got.Error() != test.want {
			t.Errorf("%v of %v: %v", test.err, test.ref, got)
		}
	}
	var many []string
	for n := range 25 {
		many = append(many, `{"channel":"acme","tool":"t`+string(rune('a'+n))+`","version":"1","platform":"linux/amd64/gnu"}`)
	}
	all := read(t, with(`{"format":1,"releases":[`+strings.Join(many, ",")+`]}`))
	if text := all.Explain(manifests.ErrNotFound, node, linux).Error(); !strings.HasSuffix(text, "acme/tt@1 and 5 more") {
		t.Error(text)
	}
}

// A bundle that replaces another one keeps its tree heads, for machines that know one.
func TestHeadsAreKept(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	head := verify.Mark{Channel: "go", Serial: 7, Digest: verify.DigestOf([]byte("tree")), Head: []byte("head")}
	text, err := json.Marshal(map[string]any{"format": 1, "releases": []any{}, "heads": []verify.Mark{head}})
	if err != nil {
		t.Fatal(err)
	}
	c := &copies.Copier{Desk: &trust.Desk{}}
	store := copies.Store{Documents: root, Artifacts: root}
	d, err := bundles.Collect(t.Context(), c, store, nil, nil, read(t, with(string(text))))
	if err != nil || !bytes.Contains(d.Contents, []byte(head.Digest.Hex())) {
		t.Errorf("%s, %v", d.Contents, err)
	}
	if d, err = bundles.Collect(t.Context(), c, store, nil, nil, nil); err != nil || bytes.Contains(d.Contents, []byte("heads")) {
		t.Errorf("without an earlier one: %s, %v", d.Contents, err)
	}
	name := filepath.Join(t.TempDir(), "b.tar")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got := read(t, b); len(got.Releases) != 0 {
		t.Errorf("%+v", got.Releases)
	}
}
