package native_test

import (
	"errors"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/kist-tools/kist/verify"
)

// TestKeysVectors verifies testdata/keys.txtar. The documents were issued on
// 2026-11-22 and expire a year later.
func TestKeysVectors(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/keys.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range archive.Files {
		files[f.Name] = f.Data
	}
	served := func(names map[string]string) map[string]signedKeys {
		documents := map[string]signedKeys{}
		for as, name := range names {
			documents[as] = signedKeys{files[name], files[name+".asc"]}
		}
		return documents
	}
	all := map[string]string{"keys/1.toml": "keys/1.toml", "keys/2.toml": "keys/2.toml", "keys.toml": "keys/3.toml"}
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		given     string
		threshold int
		channel   string
		served    map[string]string
		now       time.Time
		version   uint64
		want      error
	}{
		"from the first key":      {"a.asc", 1, "acme", all, now, 3, nil},
		"from the second":         {"b.asc", 1, "acme", all, now, 3, nil},
		"the first version alone": {"a.asc", 1, "acme", map[string]string{"keys.toml": "keys/1.toml"}, now, 1, nil},
		"two of one":              {"a.asc", 2, "acme", all, now, 0, verify.ErrUntrusted},
		"another channel":         {"a.asc", 1, "acme2", all, now, 0, verify.ErrUntrusted},
		"signed by too few":       {"a.asc", 1, "acme", map[string]string{"keys/1.toml": "keys/1.toml", "keys/2.toml": "keys/2.toml", "keys.toml": "few.toml"}, now, 2, verify.ErrUntrusted},
		"expired":                 {"a.asc", 1, "acme", all, now.AddDate(1, 0, 0), 3, verify.ErrStale},
	} {
		ring, err := verify.OpenKeyring(files[test.given])
		if err != nil {
			t.Fatal(err)
		}
		s := source(verify.Policy{Keys: ring, Threshold: test.threshold})
		s.Channel = test.channel
		got, _, err := s.Rotate(t.Context(), keysUpstream(served(test.served)), test.now)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		if test.version > 0 && got.Edition.Version != test.version {
			t.Errorf("%s: version %d, want %d", name, got.Edition.Version, test.version)
		}
		if test.want == nil && test.version == 3 && (got.Edition.Restart != 43 || len(got.Edition.Revoked) != 1) {
			t.Errorf("%s: %+v", name, got.Edition)
		}
		if test.version != 3 || test.want != nil {
			continue
		}
		// After version 3, a later version must not list a key that version 3 revoked.
		again := served(map[string]string{"keys.toml": "again.toml"})
		if _, _, err := got.Rotate(t.Context(), keysUpstream(again), test.now); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s, then a revoked key again: %v", name, err)
		}
	}
}
