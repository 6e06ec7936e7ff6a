package store_test

import (
	"errors"
	"os"
	"runtime"
	"testing"

	"github.com/kist-tools/kist/install/internal/store"
	"github.com/kist-tools/kist/verify"
)

// Evidence of which the cache has a copy is stored once, and is as good as another copy.
func TestEvidenceIsLinkedToACopy(t *testing.T) {
	for name, test := range map[string]struct {
		copy   string // in the cache
		mode   os.FileMode
		linked bool
	}{
		"a copy":             {"document", 0o600, runtime.GOOS != "windows"},
		"a damaged copy":     {"another", 0o600, false},
		"one linked before":  {"document", 0o644, runtime.GOOS != "windows"},
		"one of other users": {"document", 0o640, false}, // on Windows nothing is linked
		"no copy":            {"", 0o600, false},
	} {
		s := newStore(t)
		cache := newStore(t).Data
		d := verify.DigestOf([]byte("document"))
		if test.copy != "" {
			if err := errors.Join(cache.WriteFile("f", []byte(test.copy), 0o600), cache.Chmod("f", test.mode)); err != nil {
				t.Fatal(err)
			}
		}
		s.FindCopy = func(got verify.Digest) (*os.Root, string, bool) { return cache, "f", got == d }
		blobs := []verify.Blob{{Digest: d, Data: []byte("document")}, {Digest: verify.DigestOf([]byte("x")), Data: []byte("x")}}
		if err := s.PutEvidence(blobs); err != nil {
			t.Fatal(err)
		}
		for _, b := range blobs {
			if data, err := s.Evidence(b.Digest); err != nil || string(data) != string(b.Data) {
				t.Errorf("%s: %q, %v", name, data, err)
			}
		}
		stored, err := s.State.Lstat(store.EvidenceFile(d))
		if err != nil || stored.Mode() != 0o644 && runtime.GOOS != "windows" {
			t.Fatalf("%s: %v, %v", name, stored, err)
		}
		if in, err := cache.Lstat("f"); (err == nil && os.SameFile(in, stored)) != test.linked {
			t.Errorf("%s: linked %v, want %v", name, !test.linked, test.linked)
		}
		if !test.linked {
			continue
		}
		// A change of one is noticed where the other is used; removing one leaves the other.
		if err := cache.WriteFile("f", []byte("changed"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Evidence(d); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s, changed: %v", name, err)
		}
		if err := cache.WriteFile("f", []byte("document"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.SweepEvidence(nil); err != nil {
			t.Fatal(err)
		}
		if data, err := cache.ReadFile("f"); err != nil || string(data) != "document" || !isMissing(s.State, store.EvidenceFile(d)) {
			t.Errorf("%s, swept: %q, %v", name, data, err)
		}
	}
}
