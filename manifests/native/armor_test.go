package native_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp/armor"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// dearmor returns the binary form of a block of signatures.
func dearmor(t *testing.T, block []byte) []byte {
	t.Helper()
	b, err := armor.Decode(bytes.NewReader(block))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(b.Body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// enarmor returns a block of signatures in armor.
func enarmor(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, "PGP SIGNATURE", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSignaturesAreArmored checks that the signatures of a manifest and of a keys
// document count only in armor.
func TestSignaturesAreArmored(t *testing.T) {
	now, key, w := world(t)
	files := serve(t, w)
	p := newPeople(t, "ab")
	keys := p.sign(t, p.keysDocument(t, 1, "ab", 1), "a")
	policy := verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1}
	for name, test := range map[string]struct {
		form func(block []byte) []byte
		want error
	}{
		"armored":          {func(block []byte) []byte { return block }, nil},
		"after empty line": {func(block []byte) []byte { return append([]byte("\n"), block...) }, nil},
		"binary":           {func(block []byte) []byte { return dearmor(t, block) }, verify.ErrUntrusted},
		"both":             {func(block []byte) []byte { return append(dearmor(t, block), block...) }, verify.ErrUntrusted},
	} {
		u := &manifesttest.Upstream{Files: map[string][]byte{location: files[location], location + ".asc": test.form(files[location+".asc"])}}
		if _, err := source(policy).Fetch(context.Background(), u, manifests.Query{Now: now}); !errors.Is(err, test.want) {
			t.Errorf("manifest, %s: %v, want %v", name, err, test.want)
		}
		trusted := source(verify.Policy{Keys: verifytest.Keyring(t, p['a']), Threshold: 1})
		u = keysUpstream(map[string]signedKeys{"keys.toml": {keys.data, test.form(keys.sig)}})
		_, accepted, err := trusted.Rotate(context.Background(), u, noon)
		if !errors.Is(err, test.want) || (len(accepted) == 1) != (test.want == nil) {
			t.Errorf("keys document, %s: accepted %d, %v, want %v", name, len(accepted), err, test.want)
		}
	}
}
