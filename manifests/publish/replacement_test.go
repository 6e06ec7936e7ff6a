package publish

import (
	"testing"
	"time"

	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// TestReplacementIsValidAtEveryStep checks that the manifest matches its signatures at
// every step of a replacement, so also after a crash.
func TestReplacementIsValidAtEveryStep(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	key := verifytest.NewKey(t, "publisher", now.AddDate(-1, 0, 0))
	second := verifytest.NewKey(t, "second", now.AddDate(-1, 0, 0))
	sign := func(text string, by ...*verifytest.Key) []byte {
		return verifytest.Cosign(t, []byte(text), now, by...)
	}
	policy := verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1, Now: now, Use: verify.Manifest}
	const old, next = "old", "new"

	for name, test := range map[string]struct {
		s     state
		data  string
		block []byte
		steps int
	}{
		"another edition":      {state{published: []byte(old), block: sign(old, key)}, next, sign(next, key), 3},
		"of two signers":       {state{published: []byte(old), block: sign(old, key, second)}, next, sign(next, second, key), 3},
		"the first edition":    {state{}, next, sign(next, key), 2},
		"after a crash before": {state{published: []byte(old), block: mustJoin(t, sign(old, key), sign(next, key))}, next, sign(next, key), 3},
	} {
		writes, err := test.s.replacement(ManifestFile, []byte(test.data), test.block, now, []group{{policy.Keys, 1}}, []group{{policy.Keys, 1}})
		if err != nil || len(writes) != test.steps {
			t.Errorf("%s: %d steps, %v", name, len(writes), err)
			continue
		}
		on := map[string][]byte{ManifestFile: test.s.published, SignatureFile: test.s.block}
		for i, w := range writes {
			on[w.name] = w.data
			if on[ManifestFile] == nil {
				continue // nothing is served yet
			}
			if _, err := policy.Detached(ManifestFile, on[ManifestFile], on[SignatureFile]); err != nil {
				t.Errorf("%s: after step %d: %v", name, i+1, err)
			}
		}
		if string(on[ManifestFile]) != test.data {
			t.Errorf("%s: in force is %q", name, on[ManifestFile])
		}
	}
}

func mustJoin(t *testing.T, a, b []byte) []byte {
	t.Helper()
	both, err := verify.AppendSignature(a, b)
	if err != nil {
		t.Fatal(err)
	}
	return both
}
