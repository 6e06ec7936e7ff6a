package native_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// TestSignedVector verifies testdata/signed.txtar as its comment describes.
func TestSignedVector(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/signed.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range archive.Files {
		files[f.Name] = f.Data
	}
	manifest := files["channel.toml"]
	first, second := files["publisher.asc"], files["second.asc"]
	good := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	stranger := verifytest.NewKey(t, "stranger", good.AddDate(-1, 0, 0)).Public(t)

	fetch := func(channel string, manifest []byte, threshold int, now time.Time, keys ...[]byte) error {
		ring, err := verify.OpenKeyring(keys...)
		if err != nil {
			t.Fatal(err)
		}
		s := source(verify.Policy{Keys: ring, Threshold: threshold})
		s.Channel = channel
		u := &manifesttest.Upstream{Files: map[string][]byte{location: manifest, location + ".asc": files["channel.toml.asc"]}}
		catalog, err := s.Fetch(context.Background(), u, manifests.Query{Now: now})
		if err != nil {
			return err
		}
		return catalog.Mark().Supersedes(verify.Mark{}, now)
	}
	for name, test := range map[string]struct {
		got, want error
	}{
		"with the first key":           {fetch("acme", manifest, 1, good, first), nil},
		"with the second":              {fetch("acme", manifest, 1, good, second), nil},
		"with both":                    {fetch("acme", manifest, 2, good, first, second), nil},
		"just issued":                  {fetch("acme", manifest, 1, time.Date(2026, 11, 22, 9, 55, 0, 0, time.UTC), first), nil},
		"to the last second":           {fetch("acme", manifest, 1, time.Date(2027, 2, 20, 9, 59, 59, 0, time.UTC), first), nil},
		"expired":                      {fetch("acme", manifest, 1, time.Date(2027, 2, 20, 10, 0, 0, 0, time.UTC), first), verify.ErrStale},
		"one of two":                   {fetch("acme", manifest, 2, good, first, stranger), verify.ErrUntrusted},
		"signed in the future":         {fetch("acme", manifest, 1, time.Date(2026, 11, 22, 9, 54, 59, 0, time.UTC), first), verify.ErrUntrusted},
		"with another key":             {fetch("acme", manifest, 1, good, stranger), verify.ErrUntrusted},
		"as a channel of another name": {fetch("acme2", manifest, 1, good, first), verify.ErrUntrusted},
	} {
		if !errors.Is(test.got, test.want) {
			t.Errorf("%s: %v, want %v", name, test.got, test.want)
		}
	}
	ring, err := verify.OpenKeyring(first)
	if err != nil {
		t.Fatal(err)
	}
	policy := verify.Policy{Keys: ring, Threshold: 1, Now: good}
	for i := range manifest {
		changed := bytes.Clone(manifest)
		changed[i] ^= 1 << (i % 8)
		if _, err := policy.Detached("channel.toml", changed, files["channel.toml.asc"]); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("octet %d changed: %v", i, err)
		}
	}
}
