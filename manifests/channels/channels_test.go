package channels_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

var day = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func newStore(t *testing.T) channels.Store {
	t.Helper()
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return channels.Store{root}
}

func channel(name string, keys ...*verifytest.Key) channels.Channel {
	c := channels.Channel{Name: name, URL: "https://tools.acme.example/channel.toml", Format: "native", Threshold: 1, Added: day}
	for _, k := range keys {
		c.Pins = append(c.Pins, k.Pin())
	}
	return c.Sorted()
}

func put(t *testing.T, s channels.Store, c channels.Channel, keys ...*verifytest.Key) {
	t.Helper()
	if err := s.Put(c, verifytest.Keyring(t, keys...)); err != nil {
		t.Fatal(err)
	}
}

func files(t *testing.T, s channels.Store) []string {
	t.Helper()
	var all []string
	err := fs.WalkDir(s.Root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			all = append(all, name)
			if info, err := e.Info(); err != nil || info.Mode() != 0o600 {
				t.Errorf("%s has mode %v, %v", name, info.Mode(), err)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPutGetListRemove(t *testing.T) {
	s := newStore(t)
	a, b := verifytest.NewKey(t, "a", day), verifytest.NewKey(t, "b", day)
	if list, err := s.List(); len(list) != 0 || err != nil {
		t.Errorf("empty store: %v, %v", list, err)
	}
	acme := channel("acme", a)
	acme.Tools = []string{"acme-*", "zig"}
	both := channel("both", a, b)
	both.Threshold, both.URL = 2, "https://joe:secret@tools.both.example/channel.toml"
	put(t, s, acme, a)
	put(t, s, both, b, a)
	got, err := s.List()
	if err != nil || !reflect.DeepEqual(got, []channels.Channel{acme, both}) {
		t.Errorf("list %+v, %v", got, err)
	}
	if c, err := s.Get("both"); err != nil || !reflect.DeepEqual(c, both) {
		t.Errorf("get %+v, %v", c, err)
	}
	ring, err := s.Keyring(both)
	if err != nil || len(ring.Pins()) != 2 {
		t.Errorf("keyring %v, %v", ring, err)
	}

	if _, err := s.Remove("acme"); err != nil {
		t.Fatal(err)
	}
	want := []string{"channels/both.credential", "channels/both.toml", "keys/" + string(a.Primary()) + ".asc", "keys/" + string(b.Primary()) + ".asc"}
	slices.Sort(want)
	if got := files(t, s); !slices.Equal(got, want) {
		t.Errorf("a key that is still used: %q, want %q", got, want)
	}
	if _, err := s.Remove("both"); err != nil {
		t.Fatal(err)
	}
	if got := files(t, s); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
	var unknown *channels.UnknownChannelError
	if _, err := s.Remove("both"); !errors.As(err, &unknown) {
		t.Errorf("removing again: %v", err)
	}
	put(t, s, acme, a)
	if _, err := s.Get("acne"); !errors.As(err, &unknown) || !slices.Equal(unknown.Near, []string{"acme"}) {
		t.Errorf("unknown: %v", err)
	}
}

// TestPutMergesKeys checks that Put never replaces a stored certificate.
func TestPutMergesKeys(t *testing.T) {
	s := newStore(t)
	key := verifytest.NewKey(t, "a", day)
	put(t, s, channel("acme", key), key)
	name := "keys/" + string(key.Primary()) + ".asc"
	before, err := s.Root.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, channel("other", key), key)
	after, err := s.Root.ReadFile(name)
	if err != nil || string(before) != string(after) {
		t.Errorf("the same copy again changed the file (%v)", err)
	}
	stranger := verifytest.NewKey(t, "b", day)
	if err := s.Root.WriteFile(name, stranger.Public(t), 0o600); err != nil {
		t.Fatal(err)
	}
	var invalid *channels.SettingsError
	if err := s.Put(channel("acme", key), verifytest.Keyring(t, key)); !errors.As(err, &invalid) || invalid.File != name {
		t.Errorf("over another key's file: %v", err)
	}
	if _, err := s.Keyring(channel("acme", key)); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("keyring of another key's file: %v", err)
	}
}

func TestPutRefuses(t *testing.T) {
	s := newStore(t)
	key, other := verifytest.NewKey(t, "a", day), verifytest.NewKey(t, "b", day)
	if err := s.Put(channel("acme", key, other), verifytest.Keyring(t, key)); err == nil {
		t.Error("stored a channel without one of its keys")
	}
	if list, err := s.List(); len(list) != 0 || err != nil {
		t.Errorf("list %+v, %v", list, err)
	}
	for name, change := range map[string]func(*channels.Channel){
		"name":         func(c *channels.Channel) { c.Name = "../acme" },
		"no url":       func(c *channels.Channel) { c.URL = "" },
		"path":         func(c *channels.Channel) { c.URL = "/srv/acme" },
		"scheme":       func(c *channels.Channel) { c.URL = "ftp://x.example/channel.toml" },
		"no host":      func(c *channels.Channel) { c.URL = "https:///channel.toml" },
		"format":       func(c *channels.Channel) { c.Format = "rpm" },
		"no threshold": func(c *channels.Channel) { c.Threshold = 0 },
		"threshold":    func(c *channels.Channel) { c.Threshold = 2 },
		"no keys":      func(c *channels.Channel) { c.Pins = nil },
		"key twice":    func(c *channels.Channel) { c.Pins = append(c.Pins, c.Pins[0]); c.Threshold = 2 },
		"short key":    func(c *channels.Channel) { c.Pins = []verify.Pin{{Primary: "0123456789ABCDEF"}} },
		"lower-case key": func(c *channels.Channel) {
			c.Pins = []verify.Pin{{Primary: verify.Fingerprint(strings.Repeat("a", 40))}}
		},
		"key is a path":  func(c *channels.Channel) { c.Pins = []verify.Pin{{Primary: "../../../../etc/passwd"}} },
		"subkey":         func(c *channels.Channel) { c.Pins[0].Subkeys = []verify.Fingerprint{"x"} },
		"pattern":        func(c *channels.Channel) { c.Tools = []string{"a*b"} },
		"pattern empty":  func(c *channels.Channel) { c.Tools = []string{""} },
		"pattern upper":  func(c *channels.Channel) { c.Tools = []string{"Zig"} },
		"too many tools": func(c *channels.Channel) { c.Tools = slices.Repeat([]string{"zig"}, channels.MaxTools+1) },
		"without a date": func(c *channels.Channel) { c.Added = time.Time{} },
		"too many subkeys": func(c *channels.Channel) {
			c.Pins[0].Subkeys = slices.Repeat([]verify.Fingerprint{c.Pins[0].Primary}, channels.MaxPins+1)
		},
	} {
		c := channel("acme", key)
		change(&c)
		if err := s.Put(c, verifytest.Keyring(t, key)); err == nil {
			t.Errorf("%s: stored %+v", name, c)
		}
	}
	put(t, s, channel("acme", key), key)
}

func TestHostileSettings(t *testing.T) {
	key := verifytest.NewKey(t, "a", day)
	good, err := channel("acme", key).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":          "",
		"not toml":       "url = \n",
		"unknown key":    "insecure = true\n" + string(good),
		"key twice":      "threshold = 1\n" + string(good),
		"no threshold":   strings.Replace(string(good), "threshold = 1\n", "", 1),
		"threshold 0":    strings.Replace(string(good), "threshold = 1", "threshold = 0", 1),
		"as text":        strings.Replace(string(good), "threshold = 1", "threshold = \"1\"", 1),
		"no keys":        string(good[:strings.Index(string(good), "[[key]]")]),
		"key ID":         strings.Replace(string(good), string(key.Primary()), string(key.Primary()[24:]), 1),
		"unknown in key": string(good) + "trust = 'ultimate'\n",
		"over the limit": string(good) + "#" + strings.Repeat("x", channels.MaxSettings),
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			put(t, s, channel("good", key), key)
			if err := s.Root.WriteFile("channels/acme.toml", []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			var invalid *channels.SettingsError
			if _, err := s.Get("acme"); !errors.As(err, &invalid) || invalid.File != "channels/acme.toml" {
				t.Errorf("get: %v", err)
			}
			list, err := s.List()
			if !errors.As(err, &invalid) || len(list) != 1 || list[0].Name != "good" {
				t.Errorf("list: %+v, %v", list, err)
			}
			put(t, s, channel("third", key), key)
			if _, err := s.Remove("third"); err != nil {
				t.Errorf("removing another: %v", err)
			}
			if _, err := s.Keyring(channel("good", key)); err != nil {
				t.Errorf("a key was removed while other settings are invalid: %v", err)
			}
			if _, err := s.Remove("acme"); !errors.As(err, &invalid) {
				t.Errorf("removing it: %v", err)
			}
			if owns, err := s.Owns(nil); err != nil {
				t.Error(err)
			} else if own, err := owns("channels/acme.toml"); err != nil || own {
				t.Errorf("invalid settings are kist's: %v, %v", own, err)
			}
			if kept, err := s.Root.ReadFile("channels/acme.toml"); err != nil || string(kept) != text {
				t.Errorf("it was removed, or changed: %v", err)
			}
			if err := s.Root.WriteFile("channels/acme.toml", good, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get("acme"); err != nil {
				t.Errorf("valid settings: %v", err)
			}
		})
	}
}

func TestMissingKeyIsAnError(t *testing.T) {
	s := newStore(t)
	a, b := verifytest.NewKey(t, "a", day), verifytest.NewKey(t, "b", day)
	c := channel("acme", a, b)
	put(t, s, c, a, b)
	if err := s.Root.Remove("keys/" + string(b.Primary()) + ".asc"); err != nil {
		t.Fatal(err)
	}
	if ring, err := s.Keyring(c); ring != nil || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("keyring %v, %v", ring, err)
	}
}

func TestGrants(t *testing.T) {
	builtin := func(tool string) bool { return tool == "go" }
	for _, test := range []struct {
		format string
		tools  []string
		tool   string
		want   bool
	}{
		{"native", nil, "zig", true},
		{"native", nil, "go", false},
		{"native", nil, "go-evil", true},
		{"rust", nil, "rust", false},
		{"rust", []string{"rust"}, "rust", true},
		{"native", []string{"go"}, "go", true},
		{"native", []string{"go"}, "go-evil", false},
		{"native", []string{"zig"}, "zi", false},
		{"native", []string{"acme-*"}, "acme-cli", true},
		{"native", []string{"acme-*"}, "acme", false},
		{"native", []string{"acme-*"}, "x-acme-cli", false},
		{"native", []string{"*"}, "zig", true},
	} {
		c := channels.Channel{Format: test.format, Tools: test.tools}
		if got := c.Grants(test.tool, builtin); got != test.want {
			t.Errorf("%s %q grants %s: %v", test.format, test.tools, test.tool, got)
		}
	}
}

func TestEqual(t *testing.T) {
	a, b := verifytest.NewKey(t, "a", day), verifytest.NewKey(t, "b", day)
	base := channel("acme", a, b)
	base.Tools = []string{"zig", "zag"}
	same := base
	same.Tools, same.Pins, same.Added = []string{"zag", "zig", "zig"}, []verify.Pin{b.Pin(), a.Pin()}, day.Add(time.Hour)
	if !base.Equal(same) || !same.Equal(base) {
		t.Error("order, repetition or date make a difference")
	}
	for name, change := range map[string]func(*channels.Channel){
		"name":      func(c *channels.Channel) { c.Name = "acme2" },
		"url":       func(c *channels.Channel) { c.URL += "x" },
		"format":    func(c *channels.Channel) { c.Format = "rust" },
		"threshold": func(c *channels.Channel) { c.Threshold = 2 },
		"tools":     func(c *channels.Channel) { c.Tools = []string{"zig"} },
		"keys":      func(c *channels.Channel) { c.Pins = []verify.Pin{a.Pin()} },
		"subkeys": func(c *channels.Channel) {
			c.Pins = []verify.Pin{a.Pin(), {Primary: b.Primary(), Subkeys: []verify.Fingerprint{a.Primary()}}}
		},
	} {
		other := base
		change(&other)
		if base.Equal(other) {
			t.Errorf("another %s makes no difference", name)
		}
	}
}

func TestRedacted(t *testing.T) {
	c := channels.Channel{URL: "https://joe:secret@x.example:8443/d/channel.toml"}
	if got := c.Redacted(); got != "https://x.example:8443/d/channel.toml" {
		t.Errorf("got %s", got)
	}
	c.URL = "https://joe:se cret@x.example/%zz"
	if got := c.Redacted(); strings.Contains(got, "cret") {
		t.Errorf("got %s", got)
	}
}

func TestErrorsHideThePassword(t *testing.T) {
	c := channel("acme", verifytest.NewKey(t, "a", day))
	for _, u := range []string{"ftp://joe:secret@x.example/", "https://joe:secret@x.example/#f", "https://joe:secret@/%zz"} {
		c.URL = u
		if err := c.Validate(); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func TestEncodeParseIdentity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fingerprint := rapid.StringMatching(`[0-9A-F]{40}|[0-9A-F]{64}`)
		c := channels.Channel{Name: rapid.StringMatching(`[a-z][a-z0-9-]{0,20}[a-z]`).Draw(t, "name"),
			URL:    rapid.SampledFrom([]string{"https://x.example/channel.toml", "file:///srv/a%20b/channel.toml", "http://joe:p'w@x/c"}).Draw(t, "url"),
			Format: rapid.SampledFrom(channels.Formats()).Draw(t, "format"),
			Tools:  rapid.SliceOfN(rapid.StringMatching(`[a-z][a-z0-9-]{0,8}\*?`), 0, 4).Draw(t, "tools"),
			Added:  time.Unix(rapid.Int64Range(1, 4e9).Draw(t, "added"), 0).UTC()}
		for _, f := range rapid.SliceOfNDistinct(fingerprint, 1, 4, rapid.ID).Draw(t, "keys") {
			pin := verify.Pin{Primary: verify.Fingerprint(f)}
			for _, sub := range rapid.SliceOfN(fingerprint, 0, 2).Draw(t, "subkeys") {
				pin.Subkeys = append(pin.Subkeys, verify.Fingerprint(sub))
			}
			c.Pins = append(c.Pins, pin)
		}
		c.Threshold = rapid.IntRange(1, len(c.Pins)).Draw(t, "threshold")
		if rapid.Bool().Draw(t, "rotated") {
			fingerprints := func(name string) (list []verify.Fingerprint) {
				for _, f := range rapid.SliceOfN(fingerprint, 0, 4).Draw(t, name) {
					list = append(list, verify.Fingerprint(f))
				}
				return list
			}
			c.Rotation = &channels.Rotation{Edition: native.Edition{KeysMark: verify.KeysMark{Version: 2, Digest: verify.DigestOf(nil), Restart: 9, Restarted: 2}, Issued: c.Added, Expires: c.Added,
				Revoked: fingerprints("revoked")}, Taken: c.Added, Threshold: 1, Pins: c.Pins[:1], Retired: fingerprints("retired")}
		}
		data, err := c.Encode()
		if err != nil {
			t.Fatalf("%v: %+v", err, c)
		}
		if c.Rotation != nil { // the settings do not store it
			c.Rotation.Restart, c.Rotation.Restarted = 0, 0
		}
		back, err := channels.Parse(c.Name, data)
		if err != nil || !reflect.DeepEqual(back, c.Sorted()) {
			t.Fatalf("%v\ngot  %+v\nwant %+v\n%s", err, back, c, data)
		}
	})
}

// TestSettingsAtEveryCeilingCanBeRead writes a channel with every part at its ceiling,
// and reads it back. One more revoked key cannot be written.
func TestSettingsAtEveryCeilingCanBeRead(t *testing.T) {
	next := 0
	fingerprint := func() verify.Fingerprint {
		next++
		return verify.Fingerprint(fmt.Sprintf("%064X", next))
	}
	pins := func() (list []verify.Pin) {
		for range channels.MaxPins {
			pin := verify.Pin{Primary: fingerprint()}
			for range channels.MaxPins {
				pin.Subkeys = append(pin.Subkeys, fingerprint())
			}
			list = append(list, pin)
		}
		return list
	}
	for _, quotes := range []string{"'\"", `"\`} {
		c := channels.Channel{Name: strings.Repeat("n", 64), Format: "checksums", Threshold: channels.MaxPins, Added: day.Add(1), Pins: pins()}
		c.URL = "file:///"
		for len(c.URL)+len(quotes) <= 4096 {
			c.URL += quotes
		}
		for i := range channels.MaxTools {
			c.Tools = append(c.Tools, fmt.Sprintf("%063d*", i))
		}
		c.Rotation = &channels.Rotation{Edition: native.Edition{KeysMark: verify.KeysMark{Version: 1<<63 - 1, Digest: verify.DigestOf(nil)}, Issued: day.Add(1), Expires: day.Add(1)},
			Taken: day.Add(1), Threshold: channels.MaxPins, Pins: pins()}
		for range channels.MaxRetired {
			c.Rotation.Retired, c.Rotation.Revoked = append(c.Rotation.Retired, fingerprint()), append(c.Rotation.Revoked, fingerprint())
		}
		data, err := c.Encode()
		if err != nil || len(data) > channels.MaxSettings {
			t.Fatalf("%d bytes, over the limit of %d: %v", len(data), channels.MaxSettings, err)
		}
		if back, err := channels.Parse(c.Name, data); err != nil || !reflect.DeepEqual(back, c.Sorted()) {
			t.Fatalf("read back: %v", err)
		}
		c.Rotation.Revoked = append(c.Rotation.Revoked, fingerprint())
		if _, err := c.Encode(); err == nil {
			t.Errorf("%d revoked keys were written", len(c.Rotation.Revoked))
		}
	}
}

// TestHostileSettingsAreWithinBudget parses each hostile document as settings and as a
// policy file.
func TestHostileSettingsAreWithinBudget(t *testing.T) {
	for name, text := range short.Rows(t, manifesttest.HostileTOML("url = 'https://x.example/channel.toml'\n", channels.MaxSettings), 5) {
		t.Run(name, func(t *testing.T) {
			data := text()
			manifesttest.Budget(t, func() {
				if _, err := channels.Parse("acme", data); err == nil {
					t.Error("accepted")
				}
			})
		})
	}
	for name, text := range short.Rows(t, manifesttest.HostileTOML("format = 1\n", channels.MaxRules), 5) {
		t.Run("policy: "+name, func(t *testing.T) {
			data := text()
			manifesttest.Budget(t, func() {
				if _, err := channels.ParseRules("policy.toml", data); err == nil && name != "one comment" {
					t.Error("accepted")
				}
			})
		})
	}
}

// FuzzChannelSettings checks that the parser accepts only valid channels, and that each
// of them can be written and parsed again.
func FuzzChannelSettings(f *testing.F) {
	pin := "[[key]]\nprimary = '" + strings.Repeat("A", 40) + "'\n"
	head := "url = 'https://x.example/channel.toml'\nformat = 'native'\nthreshold = 1\nadded = 2026-11-22T10:00:00Z\n"
	for _, seed := range []string{head + pin, head + "tools = ['zig', 'a*']\n" + pin, head, pin,
		strings.Replace(head, "https", "https://joe:pw@", 1) + pin, fmt.Sprint(head, pin, pin)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := channels.Parse("acme", data)
		if err != nil {
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatalf("accepted %+v: %v", c, err)
		}
		text, err := c.Encode()
		if err != nil {
			t.Fatalf("accepted %+v, but cannot be written: %v", c, err)
		}
		back, err := channels.Parse("acme", text)
		if err != nil || !reflect.DeepEqual(back, c) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, back, c)
		}
	})
}
