package native_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// TestEveryOctetCounts changes every octet of a signed manifest and of its signature,
// one at a time. Each change must be refused, except in the unhashed area of the
// signature, which is not signed and is counted separately.
func TestEveryOctetCounts(t *testing.T) {
	now, key, w := world(t)
	policy := verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1}
	files := serve(t, w)
	manifest := files[location]
	sig := verifytest.SignBinary(t, manifest, now, key)
	from, to := unhashed(t, sig)
	fetch := func(manifest, sig []byte) error {
		u := &manifesttest.Upstream{Files: map[string][]byte{location: manifest, location + ".asc": enarmor(t, sig)}}
		_, err := source(policy).Fetch(context.Background(), u, manifests.Query{Now: now})
		return err
	}
	if err := fetch(manifest, sig); err != nil {
		t.Fatal(err)
	}
	change := func(data []byte, i int) []byte {
		data = bytes.Clone(data)
		data[i] ^= 1 << (i % 8)
		return data
	}
	for i := range manifest {
		if err := fetch(change(manifest, i), sig); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("octet %d of the manifest: %v", i, err)
		}
	}
	unsigned := 0
	for i := range sig {
		err := fetch(manifest, change(sig, i))
		switch {
		case i >= from && i < to:
			unsigned++
		case !errors.Is(err, verify.ErrUntrusted):
			t.Errorf("octet %d of the signature: %v", i, err)
		}
	}
	t.Logf("%d octets of the manifest and %d of the signature changed: none accepted; %d more in its unhashed area",
		len(manifest), len(sig)-unsigned, unsigned)
}

// unhashed returns the range of the unhashed area of a version 4 signature with a
// one-octet length. RFC 9580, sections 4.2.1 and 5.2.3.
func unhashed(t *testing.T, sig []byte) (from, to int) {
	t.Helper()
	if sig[0] != 0xc2 || sig[1] >= 192 || sig[2] != 4 {
		t.Fatalf("not a version 4 signature with a one-octet length: %x", sig[:3])
	}
	length := func(at int) int { return int(sig[at])<<8 | int(sig[at+1]) }
	from = 2 + 4 + 2 + length(2+4) + 2
	return from, from + length(from-2)
}
