package mirror

import (
	"encoding/json"
	"errors"
	"path"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

func TestName(t *testing.T) {
	for ref, want := range map[string]string{
		"https://static.rust-lang.org/dist/channel-rust-stable.toml": "static.rust-lang.org/dist/channel-rust-stable.toml",
		"https://User:secret@Host.Example:8443/a?token=secret":       "host.example_8443/a",
		"https://go.dev/dl/?mode=json&include=all":                   "go.dev/dl/index.html",
		"https://h.example":                  "h.example/index.html",
		"http://[::1]:80/x":                  "__1_80/x",
		"https://h.example/1.2~rc%2B1/a%20b": "h.example/1.2~rc+1/a b",
		"file:///srv/acme/channel.toml":      "_file/srv/acme/channel.toml",
		"file:///home/a/.b/channel.toml":     "_file/home/a/.b/channel.toml",
		"https://h.example/a./b..c/d.":       "h.example/a./b..c/d.",
	} {
		got, err := Name(ref)
		if err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", ref, got, err, want)
		}
	}
	for _, ref := range []string{
		"", "ftp://h.example/a", "https://h.example/a/../b", "https://h.example/a%2fb", "https://h.example/%2e%2e/b", "https://h.example/a//b",
		"https://h.example/a%00b", "https://h.example/a%5Cb", "https://h.example/a%0Ab", "https://../a", "https://_file/a", "https://./a", "file://host/a",
		"https://h.example/.htaccess", "https://h.example/a/.user.ini", "https://h.example/.well-known/a", "https://h.example/a/%2ehtaccess", "file:///srv/.htaccess",
	} {
		if got, err := Name(ref); !errors.Is(err, ErrName) {
			t.Errorf("%s: %q, %v; want ErrName", ref, got, err)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, ref := range []string{"https://h.example:1/a?b", "file:///a", "https://[::1]/", "https://h/%2e%2e/x"} {
		f.Add(ref)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		name, err := Name(ref)
		if err != nil {
			if !errors.Is(err, ErrName) {
				t.Fatal(err)
			}
			return
		}
		if manifests.ValidPath(name) != nil || !strings.Contains(name, "/") || path.Clean(name) != name {
			t.Fatalf("%q: %q", ref, name)
		}
	})
}

func FuzzRecord(f *testing.F) {
	good, err := json.Marshal(record{Format: 1, Entries: []entry{{Path: "h/a", Digest: verify.DigestOf(nil)}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"format":1,"entries":[{"path":"../x"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRecord("1.json", data)
		if err != nil {
			var damaged *RecordError
			if !errors.As(err, &damaged) {
				t.Fatal(err)
			}
			return
		}
		for _, e := range r.Entries {
			if manifests.ValidPath(e.Path) != nil || e.Size < 0 || e.Digest.Algorithm() != "sha256" {
				t.Fatalf("%+v", e)
			}
		}
	})
}

func TestRecordIsRefused(t *testing.T) {
	digest := verify.DigestOf(nil)
	good := record{Format: 1, Entries: []entry{{Path: "h/a", Digest: digest, Size: 1}}, Releases: []heldRelease{}, Origins: []string{}}
	encode := func(r record) string {
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if got, err := parseRecord("1.json", []byte(encode(good))); err != nil || !got.same(good) {
		t.Fatalf("%+v, %v", got, err)
	}
	with := func(e entry) string {
		r := good
		r.Entries = append(r.Entries[:1:1], e)
		return encode(r)
	}
	for name, text := range map[string]string{
		"nothing":          "",
		"another format":   encode(record{Format: 2}),
		"an unknown key":   strings.Replace(encode(good), `"format"`, `"x":1,"format"`, 1),
		"a second value":   encode(good) + "{}",
		"a path above":     with(entry{Path: "../a", Digest: digest}),
		"an absolute path": with(entry{Path: "/a", Digest: digest}),
		"a path twice":     with(entry{Path: "h/a", Digest: digest}),
		"no digest":        with(entry{Path: "h/b"}),
		"a negative size":  with(entry{Path: "h/b", Digest: digest, Size: -1}),
		"too many heads":   encode(record{Format: 1, Heads: make([]verify.Mark, maxHeads+1)}),
	} {
		if _, err := parseRecord("1.json", []byte(text)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestFileBelowFileIsRefused(t *testing.T) {
	if err := noFileIsDirectory(map[string]entry{"h/a": {}, "h/b/c": {}}); err != nil {
		t.Error(err)
	}
	if err := noFileIsDirectory(map[string]entry{"h/a": {}, "h/a/c": {}}); !errors.Is(err, ErrName) {
		t.Errorf("%v, want ErrName", err)
	}
}
