package config_test

import (
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests/config"
)

const good = `format = 1
stores = ["/opt/kist", "~/shared"]

[[mirror]]
from = "https://static.rust-lang.org/"
to   = "https://mirror.corp.example/rust/"
only = true

[[mirror]]
from = "https://go.dev/dl/"
to   = ["file:///srv/go/", "http://mirror.corp.example/go/"]

[[credential]]
url        = "https://mirror.corp.example/"
token-file = "/run/secrets/mirror"

[[credential]]
url = "https://mirror.corp.example/rust/"
user = "ci"
password-file = "~/.mirror"
`

func parse(t *testing.T, text string) config.Config {
	t.Helper()
	c, err := config.Parse("/etc/kist/config.toml", "/home/u", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestParse(t *testing.T) {
	const file = "/etc/kist/config.toml"
	want := config.Config{
		Mirrors: []config.Mirror{
			{From: "https://static.rust-lang.org/", To: []string{"https://mirror.corp.example/rust/"}, Only: true, File: file},
			{From: "https://go.dev/dl/", To: []string{"file:///srv/go/", "http://mirror.corp.example/go/"}, File: file},
		},
		Credentials: []config.Credential{
			{URL: "https://mirror.corp.example/", TokenFile: "/run/secrets/mirror", File: file},
			{URL: "https://mirror.corp.example/rust/", User: "ci", PasswordFile: "/home/u/.mirror", File: file},
		},
		Stores: []string{"/opt/kist", "/home/u/shared"},
	}
	if got := parse(t, good); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestInvalidFiles(t *testing.T) {
	const mirror, credential = "format = 1\n[[mirror]]\n", "format = 1\n[[credential]]\nurl = \"https://h/\"\n"
	for text, want := range map[string]string{
		"":                               "format is missing",
		"format = 2":                     "format 2 is not known",
		"format = 1\nkeys = 1":           `unknown key "keys"`,
		"format = 1\nformat = 1":         "line 2",
		"format = 1\nstores = [\"opt\"]": "not an absolute path",
		"format = 1\nstores = \"/opt\"":  "stores is not a list",
		mirror + `from = "https://h/"`:   "to is missing",
		mirror + `to = "https://h/"`:     "from is missing",
		mirror + "from = \"https://h\"\nto = \"https://m/\"":          "does not end in a slash",
		mirror + "from = \"https://h/\"\nto = \"https://m/x\"":        "does not end in a slash",
		mirror + "from = \"file:///h/\"\nto = \"https://m/\"":         "not an https or http URL",
		mirror + "from = \"https://h/\"\nto = \"ftp://m/\"":           "not an https or http or file or oci URL",
		mirror + "from = \"https://h/\"\nto = \"oci://m\"":            "name of a repository",
		mirror + "from = \"https://h/\"\nto = \"oci://m/r:t/f\"":      "oci://REGISTRY/REPOSITORY",
		mirror + "from = \"https://h/\"\nto = \"oci://u:pw@m/r\"":     "[[credential]]",
		mirror + "from = \"https://h/\"\nto = \"https://u:pw@m/\"":    "use a [[credential]]",
		mirror + "from = \"https://h/\"\nto = \"https://m/?a/\"":      "does not end in a slash",
		mirror + "from = \"https://h/\"\nto = []":                     "names no mirror",
		mirror + "from = \"https://h/\"\nto = \"https://m/\"\nonly=1": "not true or false",
		mirror + "from = \"https://h/\"\nto = \"https://m/\"\nrun=1":  `unknown key "run"`,
		credential: "want one of",
		credential + "token-file = \"/a\"\nhelper = \"/b\"":    "want one of",
		credential + "password-file = \"/a\"":                  "belong together",
		credential + "user = \"u\"\ntoken-file = \"/a\"":       "belong together",
		credential + "user = \"u:v\"\npassword-file = \"/a\"":  "does not allow",
		credential + "helper = \"docker-credential-x\"":        "not an absolute path",
		credential + "token = \"secret\"\ntoken-file = \"/a\"": `unknown key "token"`,
		"format = 1\n#" + strings.Repeat("x", config.MaxFile):  "larger than the limit",
	} {
		_, err := config.Parse("config.toml", "/home/u", []byte(text))
		var broken *config.Error
		if !errors.As(err, &broken) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "pw@") {
			t.Errorf("%.80q: got %v, want an *Error with %q", text, err, want)
		}
	}
}

func TestLocations(t *testing.T) {
	c := parse(t, good)
	for ref, want := range map[string][]string{
		"https://static.rust-lang.org/dist/a.toml?x=1": {"https://mirror.corp.example/rust/dist/a.toml?x=1"},
		"https://STATIC.rust-lang.org/dist/a%20b":      {"https://mirror.corp.example/rust/dist/a%20b"},
		"https://go.dev/dl/go1.tar.gz":                 {"file:///srv/go/go1.tar.gz", "http://mirror.corp.example/go/go1.tar.gz", "https://go.dev/dl/go1.tar.gz"},
		"https://static.rust-lang.org:443/dist/x":      {"https://mirror.corp.example/rust/dist/x"},
		"https://static.rust-lang.org./dist/x":         {"https://mirror.corp.example/rust/dist/x"},
		"https://static.rust-lang.org:444/dist/x":      {"https://static.rust-lang.org:444/dist/x"},
		"https://go.dev/doc":                           {"https://go.dev/doc"},
		"http://static.rust-lang.org/dist":             {"http://static.rust-lang.org/dist"},
		"https://static.rust-lang.org.evil.example/":   {"https://static.rust-lang.org.evil.example/"},
		"https://go.dev/dl/../../etc/passwd":           {"https://go.dev/dl/../../etc/passwd"},
		"https://go.dev/dl/%2e%2e/passwd":              {"https://go.dev/dl/%2e%2e/passwd"},
	} {
		got, mirrored := c.Locations(ref)
		if !reflect.DeepEqual(got, want) || mirrored != (got[0] != ref) {
			t.Errorf("%s: got %q %v, want %q", ref, got, mirrored, want)
		}
	}
}

// A mirror in a registry has files by their whole URLs.
func TestLocationsInRegistry(t *testing.T) {
	c := parse(t, "format = 1\n[[mirror]]\nfrom = \"https://go.dev/dl/\"\nto = [\"oci://registry.example:5000/m\", \"oci://registry.example/m:old\"]\n")
	got, mirrored := c.Locations("https://Go.dev/dl/a@b.zip?mode=json")
	want := []string{"oci://registry.example:5000/m:head/https://go.dev/dl/a@b.zip", "oci://registry.example/m:old/https://go.dev/dl/a@b.zip", "https://Go.dev/dl/a@b.zip?mode=json"}
	if !mirrored || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCredentialWithLongestURL(t *testing.T) {
	c := parse(t, good)
	for ref, want := range map[string]string{
		"https://mirror.corp.example/go/x":   "/run/secrets/mirror",
		"https://mirror.corp.example/rust/x": "/home/u/.mirror",
		"https://other.example/rust/x":       "",
		"http://mirror.corp.example/go/x":    "",
	} {
		u, err := url.Parse(ref)
		if err != nil {
			t.Fatal(err)
		}
		found, ok := c.For(u)
		if got := found.TokenFile + found.PasswordFile; got != want || ok != (want != "") {
			t.Errorf("%s: got %q, want %q", ref, got, want)
		}
	}
}

func TestWithKeepsOrder(t *testing.T) {
	c := parse(t, good)
	both := c.With(parse(t, "format = 1\n[[mirror]]\nfrom = \"https://go.dev/\"\nto = \"https://later.example/\"\nonly = true\n"))
	got, _ := both.Locations("https://go.dev/dl/x")
	if want := []string{"file:///srv/go/x", "http://mirror.corp.example/go/x", "https://later.example/dl/x"}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(c.Mirrors) != 2 {
		t.Error("With changed its receiver")
	}
}

func TestKeepAndCacheMaxSize(t *testing.T) {
	if c := parse(t, good); c.Kept() != config.DefaultKeep || c.CacheMaxSize != 0 {
		t.Errorf("by default: keep %d, cache-max-size %d", c.Kept(), c.CacheMaxSize)
	}
	user, machine := parse(t, "format = 1\nkeep = 0"), parse(t, "format = 1\nkeep = 100\ncache-max-size = \"1.5 GB\"")
	if c := user.With(machine); c.Kept() != 0 || c.CacheMaxSize != 1_500_000_000 {
		t.Errorf("together: keep %d, cache-max-size %d", c.Kept(), c.CacheMaxSize)
	}
	for text, want := range map[string]string{
		"keep = -1":                           "keep",
		"keep = 101":                          "keep",
		"keep = \"all\"":                      "keep",
		"cache-max-size = 2":                  "not a string",
		"cache-max-size = \"2\"":              "is not a size",
		"cache-max-size = \"-2 GB\"":          "is not a size",
		"cache-max-size = \"9e9 TB\"":         "is not a size",
		"cache-max-size = \"NaN GB\"":         "is not a size",
		"cache-max-size = \"2  GB\"":          "is not a size",
		"cache-max-size = \"2 GB \"":          "is not a size",
		"cache-max-size = \"99999999999 TB\"": "is not a size",
	} {
		if _, err := config.Parse("config.toml", "/home/u", []byte("format = 1\n"+text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", text, err, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0 B": 0, "17B": 17, "500 MB": 500e6, "2GB": 2e9, "1.5 GiB": 3 << 29, "1 TiB": 1 << 40, "3 kB": 3000, "4 KiB": 4096, "0.1 MB": 100000,
	} {
		if got, err := config.ParseSize(text); got != want || err != nil {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "B", " B", "1", "1 gb", "-1 B", "+1 B", "1e3 B", "0x1 B", "1.2.3 B", "1 GB ", "1 000 B", "5000000 TB"} {
		if got, err := config.ParseSize(text); err == nil {
			t.Errorf("%q is %d bytes", text, got)
		}
	}
}

func TestParseAge(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{"30d": 30 * day, "2w": 14 * day, "12h": 12 * time.Hour, "0s": 0, "1.5d": 36 * time.Hour, "90m": 90 * time.Minute} {
		if got, err := config.ParseAge(text); got != want || err != nil {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "30", "-1d", "1e3d", "1h30m", "30 d", "99999d", "1y", "Infd"} {
		if got, err := config.ParseAge(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func FuzzParseSize(f *testing.F) {
	f.Add("2 GB")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := config.ParseSize(text); err == nil && n < 0 {
			t.Errorf("%q is %d bytes", text, n)
		}
		if d, err := config.ParseAge(text); err == nil && d < 0 {
			t.Errorf("%q is %v", text, d)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(good)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse("config.toml", "/home/u", []byte(text))
		if err != nil {
			return
		}
		for _, m := range c.Mirrors {
			if urls, mirrored := c.Locations(m.From + "x"); !mirrored || len(urls) == 0 {
				t.Errorf("%q is not mirrored", m.From)
			}
		}
	})
}
