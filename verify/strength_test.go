package verify

import (
	"errors"
	"testing"
)

// Stronger removes exactly the weaker RSA keys, so that their signatures no longer
// count.
func TestStrongerRemovesWeakRSAKeys(t *testing.T) {
	made := testNow.Add(-100 * day)
	small, large, other := newForger(4, 1, rsaKey(2048), made), newForger(4, 1, rsaKey(3072), made), newEd25519Key(made)
	ring, err := OpenKeyring(small.certificate(), large.certificate(), other.certificate())
	if err != nil {
		t.Fatal(err)
	}
	strong, err := ring.Stronger(3072)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key           *forger
		before, after error
	}{
		"RSA-2048": {small, nil, ErrUntrusted},
		"RSA-3072": {large, nil, nil},
		"Ed25519":  {other, nil, nil},
	} {
		sig := test.key.detached(corpusData)
		for k, want := range map[*Keyring]error{ring: test.before, strong: test.after} {
			p := Policy{Keys: k, Threshold: 1, Now: testNow}
			if _, err := p.Detached("x", corpusData, sig); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
	}
	alone, err := OpenKeyring(small.certificate())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alone.Stronger(3072); !errors.Is(err, ErrUntrusted) {
		t.Errorf("nothing left: %v", err)
	}
	if same, err := alone.Stronger(2048); err != nil || len(same.Certificates()) != 1 {
		t.Errorf("strong enough: %v", err)
	}
}
