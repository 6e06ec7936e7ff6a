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
	got, err := config.ParseHoldings(config.HoldingsFile, config.EncodeHoldings(list))
	if err != nil || !reflect.DeepEqual(got, list) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := config.ParseHoldings(config.HoldingsFile, config.EncodeHoldings(nil)); err != nil || len(got) > 0 {
		t.Errorf("%+v, %v", got, err)
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
	f.Add([]byte("format = 1\n[[tool]]\nname = \"go\"\nplatforms = [\"linux/amd64\"]\nlast = 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := config.ParseHoldings("mirror.toml", data)
		if err != nil {
			return
		}
		again, err := config.ParseHoldings("mirror.toml", config.EncodeHoldings(list))
		if err != nil || len(again) != len(list) {
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
