package channels

import (
	"errors"
	"slices"
	"testing"

	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// Removing a channel takes its settings and the keys that only it names, each where it
// is one. A key that no channel names is the user's own.
func TestRemoveTakesOnlyItsOwn(t *testing.T) {
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
	write(keyOf(mine), armored)       // another key than its name says
	write(keyOf(b), []byte("secret")) // no key at all
	write("keys/my-key.asc", armored) // by another name
	write("channels/notes.toml", []byte("mine"))
	write("config.toml", []byte("mine"))
	foreign := []string{keyOf(mine), keyOf(b), "keys/my-key.asc", "channels/notes.toml", "config.toml"}
	own(false, append(foreign, "keys", "missing")...)
	if err := s.Root.Remove("channels/notes.toml"); err != nil { // it puts all keys in doubt
		t.Fatal(err)
	}
	foreseen, err := s.Kept("acme")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := s.Remove("acme")
	if err != nil || !slices.Equal(kept, []string{keyOf(b)}) || !slices.Equal(kept, foreseen) {
		t.Errorf("kept %v, %v; foreseen %v", kept, err, foreseen)
	}
	want := []string{"config.toml", keyOf(mine), keyOf(b), "keys/my-key.asc"}
	slices.Sort(want)
	if got := files(t, s); !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}

// A link in the place of settings is the user's.
func TestRemoveKeepsALink(t *testing.T) {
	s := newStore(t)
	a := verifytest.NewKey(t, "a", day)
	put(t, s, channel("acme", a), a)
	if err := errors.Join(s.Root.Rename("channels/acme.toml", "real.toml"), s.Root.Symlink("../real.toml", "channels/acme.toml")); err != nil {
		t.Fatal(err)
	}
	var fault *SettingsError
	if _, err := s.Remove("acme"); !errors.As(err, &fault) {
		t.Errorf("removed: %v", err)
	}
	if _, err := s.Get("acme"); err != nil {
		t.Errorf("it cannot be read: %v", err)
	}
}

func TestOwnsNewerCopiesOfBuiltinKeys(t *testing.T) {
	s := newStore(t)
	a, b := verifytest.NewKey(t, "a", day), verifytest.NewKey(t, "b", day)
	put(t, s, channel("acme", a), a)
	name := renewedFile(a.Primary())
	data, err := s.Root.ReadFile(keyFile(a.Primary()))
	if err == nil {
		err = s.Root.WriteFile(name, data, 0o600)
	}
	if err == nil {
		err = s.Root.WriteFile(renewedFile(b.Primary()), data, 0o600)
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
		{[]verify.Fingerprint{a.Primary(), b.Primary()}, renewedFile(b.Primary()), false},
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

// A removal that was interrupted leaves keys that are known for kist's, and no channel
// without its keys.
func TestRetiredChannelsStillNameTheirKeys(t *testing.T) {
	s := newStore(t)
	a := verifytest.NewKey(t, "a", day)
	put(t, s, channel("acme", a), a)
	if err := s.RetireAll(); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(); err != nil || len(list) > 0 {
		t.Errorf("still there: %v, %v", list, err)
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
