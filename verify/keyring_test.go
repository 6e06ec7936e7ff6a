package verify

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func mustOpen(t testing.TB, files ...[]byte) *Keyring {
	t.Helper()
	ring, err := OpenKeyring(files...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestOpenKeyringRefusals(t *testing.T) {
	k := newEd25519Key(testNow.Add(-day))
	good := k.certificate()
	armored := enarmor(armorPublicKey, good)
	tooMany := func() []byte {
		var all []byte
		for i := range maxCertificates + 1 {
			all = rawPacket{tagPublicKey, append(bytes.Clone(k.public[:1]), append([]byte{0, 0, byte(i >> 8), byte(i)}, k.public[5:]...)...)}.appendTo(all)
		}
		return all
	}
	if _, err := OpenKeyring(good, armored); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, rule string
		files      [][]byte
	}{
		{"no file", "no certificate", nil},
		{"empty file", "no armored or binary", [][]byte{{}}},
		{"empty file after a good one", "no armored or binary", [][]byte{good, {}}},
		{"text", "no armored or binary", [][]byte{[]byte("hello\n")}},
		{"cut short", "longer than the data that holds it", [][]byte{good[:len(good)-1]}},
		{"armor cut short", "no END line", [][]byte{armored[:len(armored)-60]}},
		{"no primary key", "no certificate", [][]byte{userIDPacket("a").appendTo(nil)}},
		{"only a key of version 3", "no certificate that can be used", [][]byte{rawPacket{tagPublicKey, []byte{3, 0, 0, 0, 0, 0, 0, 1}}.appendTo(nil)}},
		{"secret key", "secret key", [][]byte{rawPacket{tagSecretKey, []byte{4}}.appendTo(nil)}},
		{"armored secret key", "secret key", [][]byte{[]byte("-----BEGIN PGP PRIVATE KEY BLOCK-----\n")}},
		{"message", "type 11", [][]byte{append(bytes.Clone(good), rawPacket{11, []byte("b")}.appendTo(nil)...)}},
		{"keybox", "no armored or binary", [][]byte{[]byte("\x00\x00\x00\x20\x01\x01KBXf")}},
		{"too long", "over the limit", [][]byte{good, make([]byte, MaxKeyring)}},
		{"a certificate too many", "more than 4096 certificates", [][]byte{tooMany()}},
		{"key packet with an octet too many", "no certificate that can be used", [][]byte{rawPacket{tagPublicKey, append(bytes.Clone(k.public), 0)}.appendTo(nil)}},
	} {
		if _, err := OpenKeyring(c.files...); !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), c.rule) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.rule)
		}
	}
}

func TestSelfSignatureCeiling(t *testing.T) {
	k := newEd25519Key(testNow.Add(-100 * day))
	packets := []rawPacket{userIDPacket("a")}
	for i := range maxSelfSignatures {
		packets = append(packets, k.certify("a", madeAt(k.made.Add(time.Duration(i)*time.Second))))
	}
	if _, err := OpenKeyring(k.cert(packets...)); err != nil {
		t.Fatal(err)
	}
	packets = append(packets, k.certify("a", madeAt(k.made.Add(day))))
	if _, err := OpenKeyring(k.cert(packets...)); err == nil || !strings.Contains(err.Error(), "more than 1024 self-signatures") {
		t.Errorf("got %v", err)
	}
	// Certifications by other keys do not count; real keys have thousands of them.
	stranger := newEd25519Key(k.made)
	packets = []rawPacket{userIDPacket("a"), k.certify("a")}
	for range maxSelfSignatures + 1 {
		packets = append(packets, stranger.certify("a"))
	}
	if ring := mustOpen(t, k.cert(packets...)); len(ring.Export()[0]) > 2000 {
		t.Error("certifications of strangers are kept")
	}
}

// A keyring refuses two pins with the same secret. It accepts copies of one
// certificate, and a certificate with several subkeys.
func TestKeyringRefusesPinsThatShareASecret(t *testing.T) {
	made := testNow.Add(-100 * day)
	a, b, sub, sub2 := newEd25519Key(made), newEd25519Key(made), newEd25519Key(made), newEd25519Key(made)
	older, six := newForger(4, 22, a.secret, made.Add(-day)), newForger(6, 27, a.secret, made)
	id := userIDPacket("a")
	withSubs := a.cert(id, a.certify("a"), sub.subkeyPacket(), a.bind(sub), sub2.subkeyPacket(), a.bind(sub2))
	adopted := b.cert(id, b.certify("a"), sub.subkeyPacket(), b.bind(sub))
	stolen := b.cert(id, b.certify("a"), sub.subkeyPacket(), b.bindWith(sub, nil)) // without a back-signature
	for _, c := range []struct {
		name  string
		pins  []*forger
		files [][]byte
		fits  bool
	}{
		{"two keys", []*forger{a, b}, [][]byte{a.certificate(), b.certificate()}, true},
		{"a refreshed copy", []*forger{a, b}, [][]byte{a.certificate(), b.certificate(), withSubs}, true},
		{"two creation times", []*forger{a, older}, [][]byte{a.certificate(), older.certificate()}, false},
		{"versions 4 and 6", []*forger{a, six}, [][]byte{a.certificate(), six.certificate()}, false},
		{"only one of them pinned", []*forger{a}, [][]byte{a.certificate(), older.certificate()}, true},
		{"a shared subkey", []*forger{a, b}, [][]byte{withSubs, adopted}, false},
		{"a subkey that cannot sign for the other", []*forger{a, b}, [][]byte{withSubs, stolen}, true},
	} {
		var pins []Pin
		for _, s := range c.pins {
			pins = append(pins, Pin{Primary: s.fpr})
		}
		_, err := NewKeyring(pins, c.files...)
		if c.fits && err != nil || !c.fits && (!errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), "one key under two fingerprints")) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestNewKeyringHoldsOnlyPinnedKeys(t *testing.T) {
	a, b, sub := newEd25519Key(testNow.Add(-100*day)), newEd25519Key(testNow.Add(-100*day)), newEd25519Key(testNow.Add(-100*day))
	withSub := a.cert(userIDPacket("a"), a.certify("a"), sub.subkeyPacket(), a.bind(sub))
	files := [][]byte{b.certificate(), withSub}
	ring, err := NewKeyring([]Pin{{Primary: a.fpr, Subkeys: []Fingerprint{sub.fpr}}}, files...)
	if err != nil {
		t.Fatal(err)
	}
	if certs := ring.Certificates(); len(certs) != 1 || certs[0].Fingerprint != a.fpr || !certs[0].Pinned || !certs[0].Subkeys[0].Pinned {
		t.Errorf("got %+v", certs)
	}
	if pins := ring.Pins(); len(pins) != 1 || pins[0].Primary != a.fpr || !slices.Equal(pins[0].Subkeys, []Fingerprint{sub.fpr}) {
		t.Errorf("got %+v", pins)
	}
	for _, c := range []struct {
		name, rule string
		pins       []Pin
	}{
		{"nothing pinned", "nothing is pinned", nil},
		{"unknown primary", "pinned but in no file", []Pin{{Primary: newEd25519Key(testNow).fpr}}},
		{"one known, one unknown", "pinned but in no file", []Pin{{Primary: a.fpr}, {Primary: newEd25519Key(testNow).fpr}}},
		{"subkey as primary", "pinned but in no file", []Pin{{Primary: sub.fpr}}},
		{"unknown subkey", "not in the certificate", []Pin{{Primary: a.fpr, Subkeys: []Fingerprint{b.fpr}}}},
		{"subkey of another", "not in the certificate", []Pin{{Primary: b.fpr, Subkeys: []Fingerprint{sub.fpr}}}},
		{"empty fingerprint", "pinned but in no file", []Pin{{}}},
	} {
		if _, err := NewKeyring(c.pins, files...); !errors.Is(err, ErrUntrusted) || !strings.Contains(err.Error(), c.rule) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

// An exported keyring accepts and refuses the same signatures as the original.
func TestExportKeepsEveryVerdict(t *testing.T) {
	for _, v := range corpus(testNow) {
		_, before := v.check(testNow)
		ring, err := OpenKeyring(v.ring)
		if err != nil {
			continue
		}
		exported := v
		exported.ring = bytes.Join(ring.Export(), []byte("\n"))
		_, after := exported.check(testNow)
		if (before == nil) != (after == nil) || before != nil && before.Error() != after.Error() {
			t.Errorf("%s: before %v, after %v", v.name, before, after)
		}
		again := mustOpen(t, exported.ring)
		if !slices.EqualFunc(ring.Export(), again.Export(), bytes.Equal) {
			t.Errorf("%s: a second export differs", v.name)
		}
	}
}

func TestMergeAddsAndNeverRemoves(t *testing.T) {
	made := testNow.Add(-100 * day)
	k, sub, stranger := newEd25519Key(made), newEd25519Key(made.Add(day)), newEd25519Key(made)
	id := userIDPacket("a")
	old := k.cert(id, k.certify("a", keyExpires(50*day)))
	revoked := k.cert(k.revoke(made.Add(day), 2), id, k.certify("a"))
	renewed := k.cert(id, k.certify("a", madeAt(testNow.Add(-60*day))))
	proves := func(t *testing.T, ring *Keyring, by *forger) error {
		t.Helper()
		_, err := Policy{Keys: ring, Threshold: 1, Now: testNow}.Detached("x", corpusData, by.detached(corpusData))
		return err
	}
	merge := func(t *testing.T, ring *Keyring, refreshed []byte) *Keyring {
		t.Helper()
		merged, err := ring.Merge(mustOpen(t, refreshed))
		if err != nil {
			t.Fatal(err)
		}
		return merged
	}
	t.Run("a new expiry", func(t *testing.T) {
		ring := mustOpen(t, old)
		if err := proves(t, ring, k); err == nil {
			t.Fatal("the expired key proves")
		}
		merged := merge(t, ring, renewed)
		if err := proves(t, merged, k); err != nil {
			t.Error(err)
		}
		if err := proves(t, ring, k); err == nil {
			t.Error("Merge changed its receiver")
		}
	})
	t.Run("a revocation stays", func(t *testing.T) {
		for _, merged := range []*Keyring{merge(t, mustOpen(t, revoked), renewed), merge(t, mustOpen(t, renewed), revoked)} {
			if err := proves(t, merged, k); err == nil || !strings.Contains(err.Error(), "revoked") {
				t.Errorf("got %v", err)
			}
			again := mustOpen(t, merged.Export()...)
			if err := proves(t, again, k); err == nil || !strings.Contains(err.Error(), "revoked") {
				t.Errorf("exported: got %v", err)
			}
		}
	})
	t.Run("a new subkey", func(t *testing.T) {
		pinnedRing, err := NewKeyring([]Pin{{Primary: k.fpr}}, k.certificate())
		if err != nil {
			t.Fatal(err)
		}
		if err := proves(t, merge(t, pinnedRing, k.cert(id, k.certify("a"), sub.subkeyPacket(), k.bind(sub))), sub); err != nil {
			t.Error(err)
		}
		weak := k.cert(id, k.certify("a"), sub.subkeyPacket(), k.bind(sub, withHash(2)))
		if err := proves(t, merge(t, pinnedRing, weak), sub); err == nil || !strings.Contains(err.Error(), "SHA-1") {
			t.Errorf("weakly bound: %v", err)
		}
		alone := k.cert(id, k.certify("a"), sub.subkeyPacket(), k.bindWith(sub, nil))
		if err := proves(t, merge(t, pinnedRing, alone), sub); err == nil || !strings.Contains(err.Error(), "has not signed") {
			t.Errorf("without back-signature: %v", err)
		}
	})
	t.Run("another primary", func(t *testing.T) {
		if _, err := mustOpen(t, old).Merge(mustOpen(t, renewed, stranger.certificate())); !errors.Is(err, ErrUntrusted) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a pin stays", func(t *testing.T) {
		weak := k.cert(id, k.certify("a", withHash(2)))
		ring, err := NewKeyring([]Pin{{Primary: k.fpr}}, weak)
		if err != nil {
			t.Fatal(err)
		}
		if err := proves(t, merge(t, ring, weak), k); err != nil {
			t.Error(err)
		}
	})
}

func TestCertificatesDescribesKeys(t *testing.T) {
	made := testNow.Add(-100 * day)
	k, signs, encrypts := newEd25519Key(made), newEd25519Key(made), newEd25519Key(made)
	ring := mustOpen(t, k.cert(
		k.revoke(made.Add(10*day), 1),
		userIDPacket("old <old@example.org>"), k.certify("old <old@example.org>", keyExpires(50*day)),
		userIDPacket("new\x1b[2J <new@example.org>"), k.certify("new\x1b[2J <new@example.org>", keyExpires(500*day), madeAt(made.Add(day)), withHashed(subpacket(subPrimaryID, false, 1))),
		userIDPacket("newest"), k.certify("newest", keyExpires(500*day), madeAt(made.Add(2*day))),
		signs.subkeyPacket(), k.bind(signs, withHash(2), keyExpires(20*day)),
		encrypts.subkeyPacket(), k.bind(encrypts, withFlags(12)),
	))
	got := ring.Certificates()
	if len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
	c := got[0]
	if c.UserID != "new\ufffd[2J <new@example.org>" || c.Algorithm != "Ed25519" || !c.Created.Equal(made) || !c.Expires.Equal(made.Add(500*day)) ||
		!c.Signs || c.Weak || c.Pinned || !strings.Contains(c.Revoked, "superseded") {
		t.Errorf("got %+v", c)
	}
	if len(c.Subkeys) != 1 {
		t.Fatalf("got %+v", c.Subkeys)
	}
	if s := c.Subkeys[0]; s.Fingerprint != signs.fpr || !s.Weak || !s.Expires.Equal(made.Add(20*day)) || s.Revoked != "" {
		t.Errorf("got %+v", s)
	}
	if pins := ring.Pins(); !slices.Equal(pins[0].Subkeys, []Fingerprint{signs.fpr}) {
		t.Errorf("got %+v", pins)
	}
}

func TestLintReportsProblems(t *testing.T) {
	made := testNow.Add(-100 * day)
	k, sub, rfc9580Subkey := newEd25519Key(made), newEd25519Key(made), newForger(4, 27, edSecret(), made)
	id := userIDPacket("a")
	for _, c := range []struct {
		name            string
		ring            []byte
		at              time.Time
		refuse, warn    bool
		problem, remedy string
	}{
		{name: "good", ring: k.certificate()},
		{name: "lasts three years", ring: k.cert(id, k.certify("a", keyExpires(3*365*day)))},
		{name: "ends within two years", ring: k.cert(id, k.certify("a", keyExpires(365*day))), warn: true, problem: string(k.fpr) + " expires on " + date(made.Add(365*day)) + ", within two years", remedy: "extend"},
		{name: "expired", ring: k.cert(id, k.certify("a", keyExpires(50*day))), refuse: true, problem: "expired on", remedy: "extend"},
		{name: "SHA-1", ring: k.cert(id, k.certify("a", withHash(2))), refuse: true, problem: "SHA-1", remedy: "again with SHA-256"},
		{name: "revoked", ring: k.cert(k.revoke(made, 1), id, k.certify("a")), refuse: true, problem: "revoked", remedy: "new key"},
		{name: "certifies only", ring: k.cert(id, k.certify("a", withFlags(1))), refuse: true, problem: "not a signing key", remedy: "add a subkey"},
		{name: "certifies only, with a signing subkey", ring: k.cert(id, k.certify("a", withFlags(1)), sub.subkeyPacket(), k.bind(sub))},
		{name: "signing subkey expired", ring: k.cert(id, k.certify("a", withFlags(1)), sub.subkeyPacket(), k.bind(sub, keyExpires(50*day))), refuse: true, problem: string(sub.fpr) + " expired", remedy: "extend"},
		{name: "no back-signature", ring: k.cert(id, k.certify("a", withFlags(1)), sub.subkeyPacket(), k.bindWith(sub, nil)), refuse: true, problem: "has not signed", remedy: "have the subkey sign"},
		{name: "RSA-1024", ring: newForger(4, 1, rsaKey(1024), made).certificate(), refuse: true, problem: "RSA-1024", remedy: "Ed25519"},
		{name: "RSA-2048", ring: newForger(4, 1, rsaKey(2048), made).certificate()},
		{name: "RSA-2048, two years before its end", ring: newForger(4, 1, rsaKey(2048), made).certificate(), at: time.Date(2028, 2, 1, 0, 0, 0, 0, time.UTC), warn: true, problem: "in two years' time, key ", remedy: "Ed25519"},
		{name: "RSA-2048, and why it ends", ring: newForger(4, 1, rsaKey(2048), made).certificate(), at: time.Date(2028, 2, 1, 0, 0, 0, 0, time.UTC), warn: true, problem: "refused from 2030-01-01", remedy: "Ed25519"},
		{name: "RSA-2048, at its end", ring: newForger(4, 1, rsaKey(2048), made).certificate(), at: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), refuse: true, problem: "refused from 2030-01-01", remedy: "Ed25519"},
		{name: "version 6", ring: newForger(6, 27, edSecret(), made).certificate(), warn: true, problem: "gpgv does not support", remedy: "of version 4"},
		{name: "Ed25519 of RFC 9580", ring: newForger(4, 27, edSecret(), made).certificate(), warn: true, problem: "gpgv does not support", remedy: "of version 4"},
		{name: "Ed25519 of RFC 9580 as the only signing subkey", ring: k.cert(id, k.certify("a", withFlags(1)), rfc9580Subkey.subkeyPacket(), k.bind(rfc9580Subkey)), warn: true, problem: "gpgv does not support", remedy: "of version 4"},
		{name: "Ed25519 of RFC 9580 as a signing subkey beside an older one", ring: k.cert(id, k.certify("a", withFlags(1)), rfc9580Subkey.subkeyPacket(), k.bind(rfc9580Subkey), sub.subkeyPacket(), k.bind(sub))},
		{name: "from the future", ring: newEd25519Key(testNow.Add(day)).certificate(), refuse: true, problem: "was made only on", remedy: "clock"},
	} {
		at := c.at
		if at.IsZero() {
			at = testNow
		}
		findings := Lint(mustOpen(t, c.ring), at)
		if !c.refuse && !c.warn {
			if len(findings) != 0 {
				t.Errorf("%s: %+v", c.name, findings)
			}
			continue
		}
		if len(findings) != 1 || findings[0].Refuse != c.refuse || !strings.Contains(findings[0].Problem, c.problem) || !strings.Contains(findings[0].Remedy, c.remedy) {
			t.Errorf("%s: got %+v", c.name, findings)
		}
	}
}

func TestLintWarnsOfSHA1OnPinnedKeys(t *testing.T) {
	k := newEd25519Key(testNow.Add(-100 * day))
	for _, c := range []struct {
		hash     byte
		findings int
	}{{2, 1}, {8, 0}} {
		ring, err := NewKeyring([]Pin{{Primary: k.fpr}}, k.cert(userIDPacket("a"), k.certify("a", withHash(c.hash))))
		if err != nil {
			t.Fatal(err)
		}
		findings := Lint(ring, testNow)
		if len(findings) != c.findings || c.findings == 1 && (findings[0].Refuse || !strings.Contains(findings[0].Problem, "only because it is pinned")) {
			t.Errorf("digest %d: got %+v", c.hash, findings)
		}
	}
}

// Changing the input of OpenKeyring afterwards does not change the keyring.
func TestKeyringCopiesItsInput(t *testing.T) {
	k := newEd25519Key(testNow.Add(-100 * day))
	file := k.certificate()
	ring := mustOpen(t, file)
	before := ring.Export()[0]
	clear(file)
	if !bytes.Equal(ring.Export()[0], before) {
		t.Error("the ring changed")
	}
}
