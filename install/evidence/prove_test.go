package evidence_test

import (
	"errors"
	"testing"
	"time"

	"github.com/kist-tools/kist/install/evidence"
	"github.com/kist-tools/kist/manifests/channels"
	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

// The signers of an archive must be keys that may have signed it: it is not enough that their
// certificates are among the trusted ones.
func TestSignersOfAnArchiveAreCheckedAgain(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	desk := (&trust.Desk{Now: now, MachineRules: func() ([]channels.Rules, error) { return nil, nil }}).WithoutSettings()
	ring, err := keyrings.Lookup("helm")
	if err != nil {
		t.Fatal(err)
	}
	good := verify.Signer{Created: now.AddDate(0, -1, 0)}
	for _, c := range ring.Certificates() {
		for _, k := range append(c.Subkeys, c.Key) {
			if k.Signs && k.Revoked == "" && k.Expires.IsZero() && c.Revoked == "" && c.Expires.IsZero() {
				good.Primary, good.Key = c.Fingerprint, k.Fingerprint
			}
		}
	}
	early, unbound := good, good
	early.Created = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	unbound.Key = "0000000000000000000000000000000000000000"
	for name, test := range map[string]struct {
		signers []verify.Signer
		proved  bool
	}{
		"its key":                {[]verify.Signer{good}, true},
		"before the key existed": {[]verify.Signer{early}, false},
		"a subkey that the certificate does not have": {[]verify.Signer{unbound}, false},
		"nobody": {nil, false},
	} {
		err := evidence.WithoutArchive(desk, "helm", verify.Evidence{Kind: verify.ByDetached, Name: "helm.tar.gz", Signers: test.signers})
		if (err == nil) != test.proved || err != nil && !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
