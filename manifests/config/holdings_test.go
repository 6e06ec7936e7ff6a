package config_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/config"
)

func TestHoldingsAreReadBack(t *testing.T) {
	list := []config.Holding{
		{Name: "go/go@1.25", Platforms: []manifests.Platform{{OS: "linux", Arch: "amd64", Libc: "gnu"}, {OS: "darwin", Arch: "arm64"}}, Last: 3},
		{Name: "rust/rust", Platforms: []manifests.Platform{{OS: "linux", Arch: "arm64"}}, Last: 1,
			Components: []string{"clippy"}, Targets: []string{"wasm32-unknown-unknown"}, Profile: "default"},
	}
	for _, want := range []config.Holdings{{URL: "https://mirror.example/kist/", Tools: list}, {Tools: list}, {}} {
		got, err := config.ParseHoldings(config.HoldingsFile, config.EncodeHoldings(want))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestReplacedHoldings(t *testing.T) {
	linux, darwin := manifests.Platform{OS: "linux", Arch: "amd64"}, manifests.Platform{OS: "darwin", Arch: "arm64"}
	had := config.Holdings{URL: "https://a.example/", Tools: []config.Holding{
		{Name: "go/go", Platforms: []manifests.Platform{linux}, Last: 1},
		{Name: "acme/zig", Platforms: []manifests.Platform{linux}, Last: 2, Components: []string{"docs"}},
		{Name: "rust/rust", Platforms: []manifests.Platform{linux}, Last: 1},
	}}
	next := config.Holdings{URL: "https://b.example/", Tools: []config.Holding{
		{Name: "go/go", Platforms: []manifests.Platform{linux, darwin}, Last: 3},
		{Name: "node/node", Platforms: []manifests.Platform{linux}, Last: 1},
		{Name: "rust/rust", Platforms: []manifests.Platform{linux}, Last: 1, Profile: "default"},
	}}
	want := []config.Replaced{
		{"", "url", "https://a.example/", "https://b.example/"},
		{"go/go", "platforms", "linux/amd64", "linux/amd64, darwin/arm64"}, {"go/go", "last", "1", "3"},
		{"acme/zig", "name", "acme/zig", ""},
		{"rust/rust", "profile", "", "default"},
	}
	if got := had.ReplacedBy(next); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got := had.ReplacedBy(had); len(got) > 0 {
		t.Errorf("by itself: %+v", got)
	}
	if got := (config.Holdings{}).ReplacedBy(had); len(got) > 0 {
		t.Errorf("nothing: %+v", got)
	}
}

func TestHoldingsAreRefused(t *testing.T) {
	const good = "format = 1\n[[tool]]\nname = \"go\"\nplatforms = [\"linux/amd64\"]\nlast = 1\n"
	if _, err := config.ParseHoldings("mirror.toml", []byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"no format":           strings.TrimPrefix(good, "format = 1\n"),
		"another format":      strings.Replace(good, "format = 1", "format = 2", 1),
		"no name":             strings.Replace(good, "name = \"go\"\n", "", 1),
		"no platforms":        strings.Replace(good, "\"linux/amd64\"", "", 1),
		"any platform":        strings.Replace(good, "linux/amd64", "any", 1),
		"a strange platform":  strings.Replace(good, "linux/amd64", "../..", 1),
		"no versions":         strings.Replace(good, "last = 1", "last = 0", 1),
		"too many versions":   strings.Replace(good, "last = 1", "last = 1001", 1),
		"an unknown key":      good + "key = 1\n",
		"a URL with a user":   "url = \"https://u:p@a.example/\"\n" + good,
		"a URL of a file":     "url = \"https://a.example/x\"\n" + good,
		"a strange URL":       "url = \"ftp://a.example/\"\n" + good,
		"a strange component": good + "components = [\"../x\"]\n",
		"a broken line":       good + "x\n",
		"too large":           good + strings.Repeat("# \n", config.MaxHoldings/3),
	} {
		_, err := config.ParseHoldings("mirror.toml", []byte(text))
		var wrong *config.Error
		if !errors.As(err, &wrong) {
			t.Errorf("%s: %v, want an *Error", name, err)
		}
	}
}

func FuzzHoldings(f *testing.F) {
	f.Add([]byte("format = 1\nurl = \"https://a.example/\"\n[[tool]]\nname = \"go\"\nplatforms = [\"linux/amd64\"]\nlast = 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := config.ParseHoldings("mirror.toml", data)
		if err != nil {
			return
		}
		again, err := config.ParseHoldings("mirror.toml", config.EncodeHoldings(list))
		if err != nil || len(again.Tools) != len(list.Tools) || again.URL != list.URL {
			t.Fatalf("%+v, %v", again, err)
		}
	})
}

func TestEncodedMirrorsAreReadBack(t *testing.T) {
	list := []config.Mirror{
		{From: "https://a.example/", To: []string{"https://m.example/a.example/"}, Only: true},
		{From: "http://b.example:8080/x/", To: []string{"file:///srv/m/", "https://m.example/"}},
	}
	c, err := config.Parse("", "/home/u", config.EncodeMirrors(list))
	if err != nil || !reflect.DeepEqual(c.Mirrors, list) {
		t.Errorf("%+v, %v", c.Mirrors, err)
	}
}
