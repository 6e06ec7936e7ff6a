package channels_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// TestRemoveDeletesOnlyItsOwn checks that Remove deletes the channel's settings and the
// keys that only this channel names, and no file that merely has the name of one. A key
// that no channel names belongs to the user.
func TestRemoveDeletesOnlyItsOwn(t *testing.T) {
	s := newStore(t)
	a, b, mine := verifytest.NewKey(t, "a", day), verifytest.NewKey(t, "b", day), verifytest.NewKey(t, "mine", day)
	put(t, s, channel("acme", a, b), a, b)
	keyOf := func(k *verifytest.Key) string { return "keys/" + string(k.Primary()) + ".asc" }
	armored, err := s.Root.ReadFile(keyOf(a))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, data []byte) {
		t.Helper()
		if err := s.Root.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	own := func(want bool, names ...string) {
		t.Helper()
		owns, err := s.Owns(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if got, err := owns(name); err != nil || got != want {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		}
	}
	own(true, "channels/acme.toml", keyOf(a), keyOf(b))
	put(t, s, channel("other", mine), mine)
	if _, err := s.Remove("other"); err != nil {
		t.Fatal(err)
	}
	write(keyOf(mine), armored)       // the key of another name
	write(keyOf(b), []byte("secret")) // not a key
	write("keys/my-key.asc", armored) // not the name of a key file
	write("channels/notes.toml", []byte("mine"))
	write("config.toml", []byte("mine"))
	foreign := []string{keyOf(mine), keyOf(b), "keys/my-key.asc", "channels/notes.toml", "config.toml"}
	own(false, append(foreign, "keys", "missing")...)
	if err := s.Root.Remove("channels/notes.toml"); err != nil { // invalid settings would keep all keys
		t.Fatal(err)
	}
	predicted, err := s.KeyFiles("acme")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := s.Remove("acme")
	if err != nil || !slices.Equal(kept, []string{keyOf(b)}) || !slices.Equal(kept, predicted) {
		t.Errorf("kept %v, %v; Kept returned %v", kept, err, predicted)
	}
	want := []string{"config.toml", keyOf(mine), keyOf(b), "keys/my-key.asc"}
	slices.Sort(want)
	if got := files(t, s); !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}

// A link in place of a settings file belongs to the user.
func TestRemoveKeepsLink(t *testing.T) {
	s := newStore(t)
	a := verifytest.NewKey(t, "a", day)
	put(t, s, channel("acme", a), a)
	if err := errors.Join(s.Root.Rename("channels/acme.toml", "real.toml"), s.Root.Symlink("../real.toml", "channels/acme.toml")); err != nil {
		t.Fatal(err)
	}
	var invalid *channels.SettingsError
	if _, err := s.Remove("acme"); !errors.As(err, &invalid) {
		t.Errorf("removed: %v", err)
	}
	if _, err := s.Get("acme"); err != nil {
		t.Errorf("the channel cannot be read: %v", err)
	}
}

func TestOwnsNewerCopiesOfBuiltinKeys(t *testing.T) {
	s := newStore(t)
	a, b := verifytest.NewKey(t, "a", day), verifytest.NewKey(t, "b", day)
	put(t, s, channel("acme", a), a)
	name := channels.RenewedFile(a.Primary())
	data, err := s.Root.ReadFile(channels.KeyFile(a.Primary()))
	if err == nil {
		err = s.Root.WriteFile(name, data, 0o600)
	}
	if err == nil {
		err = s.Root.WriteFile(channels.RenewedFile(b.Primary()), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		builtin []verify.Fingerprint
		name    string
		want    bool
	}{
		{[]verify.Fingerprint{a.Primary(), b.Primary()}, name, true},
		{[]verify.Fingerprint{a.Primary(), b.Primary()}, channels.RenewedFile(b.Primary()), false},
		{nil, name, false},
	} {
		owns, err := s.Owns(c.builtin)
		if err != nil {
			t.Fatal(err)
		}
		if own, err := owns(c.name); err != nil || own != c.want {
			t.Errorf("%s among %v: %v, %v", c.name, c.builtin, own, err)
		}
	}
}

// An interrupted removal leaves no channel without its keys, and Owns still recognizes
// the keys that are left.
func TestRetiredChannelsStillNameTheirKeys(t *testing.T) {
	s := newStore(t)
	a := verifytest.NewKey(t, "a", day)
	put(t, s, channel("acme", a), a)
	if err := s.RetireAll(); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(); err != nil || len(list) > 0 {
		t.Errorf("not retired: %v, %v", list, err)
	}
	owns, err := s.Owns(nil)
	if err != nil {
		t.Fatal(err)
	}
	left := files(t, s)
	if len(left) != 2 {
		t.Errorf("left %q", left)
	}
	for _, name := range left {
		if own, err := owns(name); err != nil || !own {
			t.Errorf("%s: %v, %v", name, own, err)
		}
	}
	put(t, s, channel("acme", a), a)
	if _, err := s.Keyring(channel("acme", a)); err != nil {
		t.Errorf("added again: %v", err)
	}
}
