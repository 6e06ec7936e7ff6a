package channels_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

func rules(t *testing.T, text string) channels.Rules {
	t.Helper()
	r, err := channels.ParseRules("policy.toml", []byte("format = 1\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParseRulesRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":              "",
		"not toml":           "format = \n",
		"another format":     "format = 2\n",
		"format as text":     "format = \"1\"\n",
		"unknown key":        "format = 1\nallow = true\n",
		"another case":       "format = 1\nThreshold = 2\n",
		"a key twice":        "format = 1\nthreshold = 2\nthreshold = 1\n",
		"no threshold":       "format = 1\nthreshold = 0\n",
		"threshold as text":  "format = 1\nthreshold = \"2\"\n",
		"channels as text":   "format = 1\nchannels = \"acme\"\n",
		"not a channel name": "format = 1\nchannels = [\"Acme\"]\n",
		"a number among":     "format = 1\nchannels = [\"acme\", 1]\n",
		"weaker RSA":         "format = 1\nrsa = 1024\n",
		"no URL":             "format = 1\nurls = [\"tools.acme.example/*\"]\n",
		"open host":          "format = 1\nurls = [\"https://tools.acme.example*\"]\n",
		"any host":           "format = 1\nurls = [\"https://*\"]\n",
		"star inside":        "format = 1\nurls = [\"https://*.acme.example/*\"]\n",
		"an age as number":   "format = 1\nminimum_age = 72\n",
		"no age":             "format = 1\nminimum_age = \"\"\n",
		"a negative age":     "format = 1\nminimum_age = \"-1h\"\n",
		"an endless age":     "format = 1\nminimum_age = \"367d\"\n",
		"an age in weeks":    "format = 1\nminimum_age = \"2w\"\n",
		"deny as text":       "format = 1\ndeny = \"go@<1.26.3\"\n",
		"deny a tool":        "format = 1\ndeny = [\"go\"]\n",
		"deny no version":    "format = 1\ndeny = [\"go@\"]\n",
		"deny no tool":       "format = 1\ndeny = [\"@1.26\"]\n",
		"deny two channels":  "format = 1\ndeny = [\"a/b/go@1.26\"]\n",
		"deny a pattern":     "format = 1\ndeny = [\"*@1.26\"]\n",
		"deny an npm range":  "format = 1\ndeny = [\"go@~1.26\"]\n",
		"deny too much":      "format = 1\ndeny = [" + strings.Repeat("\"go@1\",", 1025) + "]\n",
		"a user name":        "format = 1\nurls = [\"https://tools.acme.example@evil.example/*\"]\n",
		"dots":               "format = 1\nurls = [\"https://tools.acme.example/a/../*\"]\n",
		"over the limit":     "format = 1\n#" + strings.Repeat("x", channels.MaxRules),
	} {
		var invalid *channels.RulesError
		if _, err := channels.ParseRules("/etc/kist/policy.toml", []byte(text)); !errors.As(err, &invalid) || !errors.Is(err, verify.ErrUntrusted) || invalid.File != "/etc/kist/policy.toml" {
			t.Errorf("%s: %v", name, err)
		}
	}
	rules(t, "channels = [\"go\"]\nurls = [\"https://tools.acme.example/*\", \"file:///srv/acme/channel.toml\"]\nthreshold = 2\nrsa = 3072\n")
}

func TestRulesAllow(t *testing.T) {
	const location = "https://tools.acme.example/kist/channel.toml"
	for _, test := range []struct {
		rules, name, location string
		want                  bool
	}{
		{"", "acme", location, true},
		{"", "go", "", true},
		{`channels = ["acme"]`, "acme", location, true},
		{`channels = ["acme"]`, "acm", location, false},
		{`channels = ["acme"]`, "go", "", false},
		{`channels = []`, "acme", location, false},
		{`urls = []`, "go", "", true},
		{`urls = []`, "acme", location, false},
		{`urls = ["https://tools.acme.example/*"]`, "acme", location, true},
		{`urls = ["https://tools.acme.example/kist/*"]`, "acme", location, true},
		{`urls = ["https://tools.acme.example/kist/channel.toml"]`, "acme", location, true},
		{`urls = ["https://tools.acme.example/kist/"]`, "acme", location, false},
		{`urls = ["https://TOOLS.acme.example/*"]`, "acme", location, true},
		{`urls = ["http://tools.acme.example/*"]`, "acme", location, false},
		{`urls = ["https://tools.acme.example/*"]`, "acme", "https://tools.acme.example:8443/channel.toml", false},
		{`urls = ["https://tools.acme.example/*"]`, "acme", "https://tools.acme.example.evil.example/channel.toml", false},
		{`urls = ["https://tools.acme.example/*"]`, "acme", "https://tools.acme.example./channel.toml", false},
		{`urls = ["https://tools.acme.example/*"]`, "acme", "https://tools.acme.example@evil.example/channel.toml", false},
		{`urls = ["https://tools.acme.example/*"]`, "acme", "https://tοols.acme.example/channel.toml", false}, // Greek ο
		{`urls = ["https://tools.acme.example/kist/*"]`, "acme", "https://tools.acme.example/kistevil/channel.toml", false},
		{`urls = ["https://tools.acme.example/kist/*"]`, "acme", "https://tools.acme.example/kist/../evil/channel.toml", false},
		{`urls = ["https://tools.acme.example/kist/*"]`, "acme", "https://tools.acme.example/kist/%2e%2e/evil/channel.toml", false},
		{`urls = ["https://tools.acme.example/*"]`, "acme", "https://joe:secret@tools.acme.example/channel.toml", true},
	} {
		var refused *channels.RuleError
		err := rules(t, test.rules).Allows(test.name, test.location)
		if test.want && err != nil || !test.want && (!errors.As(err, &refused) || !errors.Is(err, verify.ErrUntrusted)) {
			t.Errorf("%s allows %s from %s: %v", test.rules, test.name, test.location, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("a password in %v", err)
		}
	}
}

func TestRulesNarrowKeys(t *testing.T) {
	a, b := verifytest.NewKey(t, "a", day), verifytest.NewKey(t, "b", day)
	ring := verifytest.Keyring(t, a, b)
	if n := rules(t, "threshold = 2").Threshold(1); n != 2 {
		t.Errorf("threshold 1 with minimum 2: %d", n)
	}
	if n := rules(t, "threshold = 2").Threshold(3); n != 3 {
		t.Errorf("threshold 3 with minimum 2: %d", n)
	}
	if got, err := rules(t, "rsa = 4096").Keys("acme", ring, 2); err != nil || len(got.Certificates()) != 2 {
		t.Errorf("Ed25519 keys under a rule for RSA: %v", err)
	}
	var refused *channels.RuleError
	if _, err := rules(t, "").Keys("acme", ring, 3); !errors.As(err, &refused) {
		t.Errorf("two keys where three must sign: %v", err)
	}
}

func FuzzRules(f *testing.F) {
	f.Add([]byte("format = 1\nchannels = [\"go\"]\nurls = [\"https://tools.acme.example/*\"]\nthreshold = 2\nrsa = 3072\n"))
	f.Add([]byte("format = 1\nminimum_age = \"72h\"\ndeny = [\"acme/trivy@0.69.4\", \"go@>=1.25 <1.26.3 || =1.20\"]\n"))
	f.Add([]byte("format = 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := channels.ParseRules("policy.toml", data)
		if err != nil && !errors.Is(err, verify.ErrUntrusted) {
			t.Fatalf("%v does not match ErrUntrusted", err)
		}
		if err == nil && r.Threshold(1) < 1 {
			t.Fatalf("%+v lowers the threshold", r)
		}
		if err == nil {
			r.Denied("go", "go", "1.26.2", manifests.Order{})
			if r.MinimumAge() < 0 || r.MinimumAge() > channels.MaxAge {
				t.Fatalf("a minimum age of %v", r.MinimumAge())
			}
		}
	})
}

func TestAges(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"72h": 72 * time.Hour, "3d": 72 * time.Hour, "0s": 0, "0d": 0, "1h30m": 90 * time.Minute, "366d": 366 * 24 * time.Hour, "8784h": 366 * 24 * time.Hour,
	} {
		if got, err := channels.ParseAge(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		if got := rules(t, "minimum_age = \""+text+"\"\n").MinimumAge(); got != want {
			t.Errorf("%s in a policy: %v", text, got)
		}
	}
}

func TestDenied(t *testing.T) {
	r := rules(t, `deny = ["acme/trivy@=0.69.4", "go@<1.26.3"]`)
	for _, test := range []struct {
		channel, tool, version string
		denied                 bool
	}{
		{"acme", "trivy", "0.69.4", true}, {"acme", "trivy", "0.69.5", false}, {"bolt", "trivy", "0.69.4", false},
		{"go", "go", "1.26.2", true}, {"mirror", "go", "1.25.9", true}, {"go", "go", "1.26.3", false}, {"go", "gofmt", "1.26.2", false},
	} {
		if d, ok := r.Denied(test.channel, test.tool, test.version, manifests.Order{}); ok != test.denied || ok && d.File != "policy.toml" {
			t.Errorf("%+v: %+v, %v", test, d, ok)
		}
	}
}
