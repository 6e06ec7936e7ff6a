package channels_test

import (
	"errors"
	"os"
	"testing"

	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// TestRevocationOfBuiltinKeyStays checks that a built-in key stays revoked after an older
// copy is stored, and after a channel with the same key is removed.
func TestRevocationOfBuiltinKeyStays(t *testing.T) {
	s := newStore(t)
	key := verifytest.NewKey(t, "upstream", day.AddDate(-1, 0, 0))
	builtin := verifytest.Keyring(t, key)
	data := []byte("the list of 1.0")
	signature := key.Sign(t, data, day.AddDate(0, -1, 0))
	counts := func() bool {
		t.Helper()
		ring, err := s.Renewed(builtin)
		if err != nil {
			t.Fatal(err)
		}
		_, err = verify.Policy{Keys: ring, Threshold: 1, Now: day, Use: verify.Release}.Detached("list", data, signature)
		return err == nil
	}
	if !counts() {
		t.Error("without a newer copy the signature does not count")
	}
	old, err := verify.OpenKeyring(key.Public(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Renew(old); err != nil || !counts() {
		t.Errorf("with the same copy again: %v", err)
	}
	put(t, s, channel("acme", key), key)
	key.Revoke(t, day, true)
	revoked, err := verify.OpenKeyring(key.Public(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Renew(revoked); err != nil || counts() {
		t.Errorf("a key revoked as compromised counts (%v)", err)
	}
	if err := s.Renew(old); err != nil || counts() {
		t.Errorf("an older copy undid the revocation (%v)", err)
	}
	if _, err := s.Remove("acme"); err != nil || counts() {
		t.Errorf("removing a channel undid the revocation (%v)", err)
	}

	// Other keys are unaffected, and a damaged copy is an error.
	other := verifytest.Keyring(t, verifytest.NewKey(t, "other", day))
	if ring, err := s.Renewed(other); err != nil || ring != other {
		t.Errorf("another upstream's keys: %v", err)
	}
	name := channels.RenewedFile(key.Primary())
	for _, text := range []string{"", "no key", string(verifytest.NewKey(t, "mallory", day).Public(t))} {
		root := s.Root
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteString(text)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		var invalid *channels.SettingsError
		if _, err := s.Renewed(builtin); !errors.As(err, &invalid) || invalid.File != name {
			t.Errorf("%.10q in its place: %v", text, err)
		}
	}
}
