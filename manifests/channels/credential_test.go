package channels_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/verify/verifytest"
)

// TestPasswordIsStoredSeparately checks that the settings of a channel never hold the
// password of its URL, and that a stored password goes only with its own URL.
func TestPasswordIsStoredSeparately(t *testing.T) {
	s, key := newStore(t), verifytest.NewKey(t, "a", day)
	const bare, full = "https://tools.acme.example/channel.toml", "https://joe:se%40cret@tools.acme.example/channel.toml"
	get := func() string {
		t.Helper()
		c, err := s.Get("acme")
		if err != nil {
			t.Fatal(err)
		}
		return c.URL
	}
	read := func(name string) string {
		t.Helper()
		data, err := s.Root.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	write := func(name, text string) {
		t.Helper()
		if err := s.Root.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	acme := channel("acme", key)
	acme.URL = full
	put(t, s, acme, key)
	settings := read("channels/acme.toml")
	if strings.Contains(settings, "joe") || strings.Contains(settings, "cret") || !strings.Contains(settings, bare) {
		t.Errorf("settings: %s", settings)
	}
	if got := read("channels/acme.credential"); got != full+"\n" {
		t.Errorf("credential: %q", got)
	}
	files(t, s) // all have mode 0600
	if got := get(); got != full {
		t.Errorf("URL %q", got)
	}

	// Beside another URL, an edited one for instance, it is ignored.
	write("channels/acme.toml", strings.Replace(settings, "tools.acme", "evil.acme", 1))
	if got := get(); got != "https://evil.acme.example/channel.toml" {
		t.Errorf("URL %q", got)
	}
	write("channels/acme.toml", settings)
	for _, text := range []string{"", "x", bare, "https://joe:pw@evil.example/channel.toml", full + "\nx"} {
		write("channels/acme.credential", text)
		if got := get(); got != bare {
			t.Errorf("with %q: URL %q", text, got)
		}
	}
	write("channels/acme.credential", strings.Repeat("x", channels.MaxCredential+1))
	var invalid *channels.SettingsError
	if _, err := s.Get("acme"); !errors.As(err, &invalid) || invalid.File != "channels/acme.credential" {
		t.Errorf("a credential that is too large: %v", err)
	}
	write("channels/acme.credential", full+"\n")

	// Settings that an earlier kist wrote work, and are split when they are next stored.
	write("channels/acme.toml", strings.Replace(settings, bare, "https://old:one@tools.acme.example/channel.toml", 1))
	if got := get(); got != "https://old:one@tools.acme.example/channel.toml" {
		t.Errorf("URL %q", got)
	}
	old, err := s.Get("acme")
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, old, key)
	if got := read("channels/acme.toml"); strings.Contains(got, "old:one") || get() != old.URL {
		t.Errorf("settings: %s", got)
	}

	// A URL without a password takes the old one away.
	acme.URL = bare
	put(t, s, acme, key)
	if got := files(t, s); slices.Contains(got, "channels/acme.credential") || get() != bare {
		t.Errorf("left: %q", got)
	}
}

func TestRemoveCredential(t *testing.T) {
	s, key := newStore(t), verifytest.NewKey(t, "a", day)
	acme := channel("acme", key)
	acme.URL = "https://joe:secret@tools.acme.example/channel.toml"
	owns := func() bool {
		t.Helper()
		own, err := s.Owns(nil)
		if err != nil {
			t.Fatal(err)
		}
		is, err := own("channels/acme.credential")
		if err != nil {
			t.Fatal(err)
		}
		return is
	}
	put(t, s, acme, key)
	if !owns() {
		t.Error("the credential of a channel is not kist's")
	}
	if err := s.RetireAll(); err != nil || !owns() {
		t.Errorf("while everything is removed, it is not kist's: %v", err)
	}
	put(t, s, acme, key)
	if kept, err := s.Remove("acme"); err != nil || len(kept) > 0 {
		t.Errorf("kept %q, %v", kept, err)
	}
	if got := files(t, s); slices.Contains(got, "channels/acme.credential") {
		t.Errorf("left: %q", got)
	}

	// Something else of that name stays, and is in the way of no removal.
	acme.URL = "https://tools.acme.example/channel.toml"
	put(t, s, acme, key)
	if err := s.Root.WriteFile("channels/acme.credential", []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if owns() {
		t.Error("a file without a URL is kist's")
	}
	if kept, err := s.Remove("acme"); err != nil || !slices.Equal(kept, []string{"channels/acme.credential"}) {
		t.Errorf("kept %q, %v", kept, err)
	}
	if _, err := s.Root.Lstat("channels/acme.credential"); errors.Is(err, os.ErrNotExist) {
		t.Error("it was removed")
	}
}

// TestObstacleInPlaceOfCredential checks that what took the name of a credential is never
// read as one, and does not keep the channel from being removed.
func TestObstacleInPlaceOfCredential(t *testing.T) {
	s, key := newStore(t), verifytest.NewKey(t, "a", day)
	put(t, s, channel("acme", key), key)
	if err := s.Root.Mkdir("channels/acme.credential", 0o700); err != nil {
		t.Fatal(err)
	}
	var invalid *channels.SettingsError
	if _, err := s.Get("acme"); !errors.As(err, &invalid) || invalid.File != "channels/acme.credential" {
		t.Errorf("get: %v", err)
	}
	own, err := s.Owns(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"channels/acme.toml": true, "channels/acme.credential": false} {
		if is, err := own(name); err != nil || is != want {
			t.Errorf("%s: %v, %v", name, is, err)
		}
	}
	if kept, err := s.Remove("acme"); err != nil || !slices.Equal(kept, []string{"channels/acme.credential"}) {
		t.Errorf("kept %q, %v", kept, err)
	}
}
