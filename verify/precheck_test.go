package verify_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
	"github.com/kist-tools/kist/verify/verifytest"
)

// Precheck checks signatures before the data is there. It must accept exactly those
// that Detached then accepts for the right data.
func TestPrecheckAgreesWithDetached(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ago := func(days int) time.Time { return now.AddDate(0, 0, -days) }
	key, other, stranger := verifytest.NewKey(t, "key", ago(300)), verifytest.NewKey(t, "other", ago(300)), verifytest.NewKey(t, "stranger", ago(300))
	short := verifytest.NewExpiringKey(t, "short", ago(300), 100*24*time.Hour)
	revoked := verifytest.NewKey(t, "revoked", ago(300))
	revoked.Revoke(t, ago(1), true)
	data := []byte("what was really signed")
	two := verifytest.Cosign(t, data, ago(10), key, other)
	for _, test := range []struct {
		name   string
		sig    []byte
		change func(*verify.Policy)
		rule   string // empty: it could count
	}{
		{"by the key", key.Sign(t, data, ago(10)), nil, ""},
		{"binary", verifytest.SignBinary(t, data, ago(10), key), nil, ""},
		{"by a stranger and the key", verifytest.Cosign(t, data, ago(10), stranger, key), nil, ""},
		{"by a stranger", stranger.Sign(t, data, ago(10)), nil, "not among those that may sign"},
		{"nothing", nil, nil, "empty"},
		{"no signature", []byte("<!DOCTYPE html>"), nil, "signature"},
		{"cut", key.Sign(t, data, ago(10))[:100], nil, "armor"},
		{"from the future", key.Sign(t, data, ago(-1)), nil, "in the future"},
		{"older than its key", key.Sign(t, data, ago(301)), nil, "key"},
		{"by a key that has expired since", short.Sign(t, data, ago(250)), nil, ""},
		{"by a key that had expired", short.Sign(t, data, ago(150)), nil, "expired"},
		{"of a manifest, by a key that has expired since", short.Sign(t, data, ago(250)), func(p *verify.Policy) { p.Use = verify.Manifest }, "expired"},
		{"by a compromised key", revoked.Sign(t, data, ago(10)), nil, "revoked"},
		{"from before the release", key.Sign(t, data, ago(10)), func(p *verify.Policy) { p.Released = ago(8) }, "before the release"},
		{"around the release", key.Sign(t, data, ago(10)), func(p *verify.Policy) { p.Released = ago(10) }, ""},
		{"two of two", two, func(p *verify.Policy) { p.Threshold = 2 }, ""},
		{"one of two", key.Sign(t, data, ago(10)), func(p *verify.Policy) { p.Threshold = 2 }, "0 of 2"},
		{"twice the same", verifytest.Cosign(t, data, ago(10), key, key), func(p *verify.Policy) { p.Threshold = 2 }, "of 2"},
		{"no keys", key.Sign(t, data, ago(10)), func(p *verify.Policy) { p.Keys = nil }, "no keyring"},
	} {
		p := verify.Policy{Keys: verifytest.Keyring(t, key, other, short, revoked), Threshold: 1, Now: now, Use: verify.Release}
		if test.change != nil {
			test.change(&p)
		}
		err := p.Precheck("x", test.sig)
		_, proved := p.Detached("x", data, test.sig)
		if (err == nil) != (test.rule == "") || err != nil && (!errors.Is(err, verify.ErrUntrusted) || !strings.Contains(err.Error(), test.rule)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.rule)
		}
		if (err == nil) != (proved == nil) {
			t.Errorf("%s: foreseen %v, but then %v", test.name, err, proved)
		}
	}
	p := verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1, Now: now, Use: verify.Release}
	elsewhere := key.Sign(t, []byte("something else"), ago(10))
	if err := p.Precheck("x", elsewhere); err != nil {
		t.Errorf("a signature of other data: %v", err)
	}
	if _, err := p.Detached("x", data, elsewhere); err == nil {
		t.Error("Foresee made a signature of other data count")
	}
}

// The signature is a real one by Julia's compromised key.
func TestPrecheckNamesADistrustedKey(t *testing.T) {
	sig, err := os.ReadFile("../manifests/internal/signedfiles/testdata/julia-1.10.0-linux-x86_64.tar.gz.asc")
	if err != nil {
		t.Fatal(err)
	}
	for _, upstream := range []string{"julia", "rust"} {
		ring, err := keyrings.Lookup(upstream)
		if err != nil {
			t.Fatal(err)
		}
		p := verify.Policy{Keys: ring, Threshold: 1, Now: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Use: verify.Release}
		if err := p.Precheck("x", sig); err == nil || !strings.Contains(err.Error(), "compromised") {
			t.Errorf("with the keys of %s: %v", upstream, err)
		}
	}
}

// Recheck has the signers that were found and the keys of today. It must refuse exactly those
// whose signatures Detached refuses by these keys.
func TestRecheckAgreesWithDetached(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	ago := func(days int) time.Time { return now.AddDate(0, 0, -days) }
	data := []byte("what was really signed")
	for _, test := range []struct {
		name      string
		threshold int
		change    func(p *verify.Policy, one, two *verifytest.Key)
		rule      string // empty: it still counts
	}{
		{"the same keys", 2, nil, ""},
		{"a key was compromised since", 2, func(_ *verify.Policy, one, _ *verifytest.Key) { one.Revoke(t, ago(1), true) }, "revoked"},
		{"a key was compromised since, and the other is enough", 1, func(_ *verify.Policy, one, _ *verifytest.Key) { one.Revoke(t, ago(1), true) }, ""},
		{"a key was superseded since", 2, func(_ *verify.Policy, one, _ *verifytest.Key) { one.Revoke(t, ago(1), false) }, ""},
		{"a key was superseded before it signed", 2, func(_ *verify.Policy, one, _ *verifytest.Key) { one.Revoke(t, ago(20), false) }, "revoked"},
		{"of a manifest, a key was superseded since", 2, func(p *verify.Policy, one, _ *verifytest.Key) {
			one.Revoke(t, ago(1), false)
			p.Use = verify.Manifest
		}, "revoked"},
		{"more must sign now", 3, nil, "2 of 3"},
		{"a key is no longer trusted", 2, func(p *verify.Policy, _, two *verifytest.Key) { p.Keys = verifytest.Keyring(t, two) }, "not among those that may sign"},
		{"no clock", 2, func(p *verify.Policy, _, _ *verifytest.Key) { p.Now = time.Time{} }, "no current time"},
		{"a threshold that accepts everything", 0, nil, "threshold below 1"},
	} {
		one, two := verifytest.NewKey(t, "one", ago(300)), verifytest.NewKey(t, "two", ago(300))
		sig := verifytest.Cosign(t, data, ago(10), one, two)
		was, err := verify.Policy{Keys: verifytest.Keyring(t, one, two), Threshold: 2, Now: ago(5), Use: verify.Release}.Detached("x", data, sig)
		if err != nil {
			t.Fatal(err)
		}
		p := verify.Policy{Threshold: test.threshold, Now: now, Use: verify.Release}
		if test.change != nil {
			test.change(&p, one, two)
		}
		if p.Keys == nil {
			p.Keys = verifytest.Keyring(t, one, two)
		}
		err = p.Recheck("x", was.Evidence().Signers)
		_, proved := p.Detached("x", data, sig)
		if (err == nil) != (test.rule == "") || err != nil && (!errors.Is(err, verify.ErrUntrusted) || !strings.Contains(err.Error(), test.rule)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.rule)
		}
		if (err == nil) != (proved == nil) {
			t.Errorf("%s: rechecked %v, but proved %v", test.name, err, proved)
		}
	}
	p := verify.Policy{Keys: verifytest.Keyring(t, verifytest.NewKey(t, "one", ago(300))), Threshold: 1, Now: now, Use: verify.Release}
	if err := p.Recheck("x", nil); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("nobody signed: %v", err)
	}
}
