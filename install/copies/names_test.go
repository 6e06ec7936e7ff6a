package copies

import (
	"errors"
	"path"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
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
