package verify

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// entity makes a key pair with the library, as other programs do.
func entity(t *testing.T, made time.Time, algorithm packet.PublicKeyAlgorithm, v6 bool) *openpgp.Entity {
	t.Helper()
	config := &packet.Config{Algorithm: algorithm, RSABits: 2048, V6Keys: v6, Time: func() time.Time { return made }}
	if algorithm == packet.PubKeyAlgoECDSA {
		config.Curve = packet.CurveNistP256
	}
	e, err := openpgp.NewEntity("Ada", "", "ada@example.org", config)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func serialize(t *testing.T, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func secretBytes(t *testing.T, e *openpgp.Entity) []byte {
	return serialize(t, func(w io.Writer) error { return e.SerializePrivateWithoutSigning(w, nil) })
}

func TestSignMakesAnAcceptedSignature(t *testing.T) {
	made := testNow.Add(-time.Hour)
	for _, c := range []struct {
		name      string
		algorithm packet.PublicKeyAlgorithm
		v6        bool
		subkey    bool
	}{
		{"Ed25519, older", packet.PubKeyAlgoEdDSA, false, false},
		{"Ed25519", packet.PubKeyAlgoEd25519, true, false},
		{"Ed448", packet.PubKeyAlgoEd448, true, false},
		{"ECDSA P-256", packet.PubKeyAlgoECDSA, false, false},
		{"RSA-2048", packet.PubKeyAlgoRSA, false, false},
		{"a subkey", packet.PubKeyAlgoEdDSA, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := entity(t, made, c.algorithm, c.v6)
			if c.subkey {
				if err := e.AddSigningSubkey(&packet.Config{Algorithm: c.algorithm, Time: func() time.Time { return made }}); err != nil {
					t.Fatal(err)
				}
			}
			for _, data := range [][]byte{secretBytes(t, e), enarmor(armorSecretKey, secretBytes(t, e))} {
				key, err := ReadSecretKey(data)
				if err != nil {
					t.Fatal(err)
				}
				sig, err := key.Sign("channel.toml", corpusData, testNow)
				if err != nil {
					t.Fatal(err)
				}
				ring := mustOpen(t, key.PublicKey())
				doc, err := Policy{Keys: ring, Threshold: 1, Now: testNow}.Detached("channel.toml", corpusData, sig)
				if err != nil {
					t.Fatal(err)
				}
				signer := doc.Evidence().Signers[0]
				if signer.Hash != "SHA-512" || !signer.Created.Equal(testNow) || (signer.Key == signer.Primary) == c.subkey {
					t.Errorf("got %+v", signer)
				}
				claims, err := Claims(sig, corpusData)
				if err != nil || len(claims) != 1 || claims[0].Issuer != signer.Key || !claims[0].Fits {
					t.Errorf("claims %+v, %v", claims, err)
				}
				if _, _, err := openpgp.VerifyDetachedSignature(openpgp.EntityList{e}, bytes.NewReader(corpusData), bytes.NewReader(mustPackets(t, sig)),
					&packet.Config{Time: func() time.Time { return testNow }}); err != nil {
					t.Errorf("the library: %v", err)
				}
			}
		})
	}
}

func mustPackets(t *testing.T, block []byte) []byte {
	t.Helper()
	packets, err := signatureBlock(block)
	if err != nil {
		t.Fatal(err)
	}
	return joinPackets(packets)
}

func TestReadSecretKeyRefusals(t *testing.T) {
	e := entity(t, testNow, packet.PubKeyAlgoEdDSA, false)
	good := secretBytes(t, e)
	if _, err := ReadSecretKey(good); err != nil {
		t.Fatal(err)
	}
	public := serialize(t, e.Serialize)
	locked := entity(t, testNow, packet.PubKeyAlgoEdDSA, false)
	if err := locked.EncryptPrivateKeys([]byte("secret"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadSecretKey(secretBytes(t, locked)); !errors.Is(err, ErrPassphrase) {
		t.Errorf("with a passphrase: %v", err)
	}
	for _, c := range []struct {
		name, rule string
		data       []byte
	}{
		{"empty", "no \"PGP PRIVATE KEY BLOCK\"", nil},
		{"public key", "no secret key in it", public},
		{"armored public key", "no \"PGP PRIVATE KEY BLOCK\"", enarmor(armorPublicKey, public)},
		{"cut short", "longer than the data that holds it", good[:len(good)-1]},
		{"two keys", "more than one", append(bytes.Clone(good), good...)},
		{"two armored keys", "something follows", append(enarmor(armorSecretKey, good), enarmor(armorSecretKey, good)...)},
		{"too long", "over the limit", make([]byte, MaxKeyring+1)},
		{"garbage", "secret key", rawPacket{tagSecretKey, []byte{4, 1, 2}}.appendTo(nil)},
	} {
		if _, err := ReadSecretKey(c.data); err == nil || !strings.Contains(err.Error(), c.rule) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func TestSignRefusesKeysThatCannotSign(t *testing.T) {
	lasting := uint32(3600)
	e, err := openpgp.NewEntity("Ada", "", "", &packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, KeyLifetimeSecs: lasting, Time: func() time.Time { return testNow }})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ReadSecretKey(secretBytes(t, e))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Sign("x", corpusData, testNow.Add(time.Minute)); err != nil {
		t.Error(err)
	}
	if _, err := key.Sign("x", corpusData, testNow.Add(2*time.Hour)); err == nil || !strings.Contains(err.Error(), "expired on") {
		t.Errorf("expired: %v", err)
	}
	if _, err := key.Sign("x", corpusData, testNow.Add(-2*time.Hour)); err == nil || !strings.Contains(err.Error(), "was made only on") {
		t.Errorf("not yet made: %v", err)
	}
}

// GnuPG exports signing subkeys with a primary key that has no secret.
func TestSignWithoutThePrimarySecret(t *testing.T) {
	e := entity(t, testNow.Add(-time.Hour), packet.PubKeyAlgoEdDSA, false)
	if err := e.AddSigningSubkey(&packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Time: func() time.Time { return testNow.Add(-time.Hour) }}); err != nil {
		t.Fatal(err)
	}
	packets, err := splitPackets(secretBytes(t, e), maxPackets)
	if err != nil {
		t.Fatal(err)
	}
	public, err := splitPackets(serialize(t, e.Serialize), maxPackets)
	if err != nil {
		t.Fatal(err)
	}
	// S2K usage 255, cipher 7, S2K 101 ("GNU", mode 1): no secret here.
	packets[0].body = append(bytes.Clone(public[0].body), 255, 7, 101, 0, 'G', 'N', 'U', 1)
	key, err := ReadSecretKey(joinPackets(packets))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.Sign("x", corpusData, testNow); err != nil {
		t.Error(err)
	}
	alone, err := ReadSecretKey(joinPackets(packets[:3]))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alone.Sign("x", corpusData, testNow); err == nil || !strings.Contains(err.Error(), "is missing") {
		t.Errorf("got %v", err)
	}
}

func TestAppendSignature(t *testing.T) {
	a, b := newEd25519Key(testNow.Add(-10*day)), newEd25519Key(testNow.Add(-10*day))
	byA, byB := a.detached(corpusData), b.detached(corpusData)
	joined, err := AppendSignature(enarmor(armorSignature, byA), byB)
	if err != nil {
		t.Fatal(err)
	}
	p := Policy{Keys: mustOpen(t, a.certificate(), b.certificate()), Threshold: 2, Now: testNow}
	if _, err := p.Detached("x", corpusData, joined); err != nil {
		t.Error(err)
	}
	again, err := AppendSignature(joined, byA)
	if err != nil || !bytes.Equal(again, joined) {
		t.Errorf("the same signature again: %v\n%s", err, again)
	}
	var many []byte
	for i := range maxSignaturePackets {
		many = append(many, a.detached(corpusData, madeAt(a.made.Add(time.Duration(i)*time.Second)))...)
	}
	if _, err := AppendSignature(many, byB); err == nil || !strings.Contains(err.Error(), "more than 16") {
		t.Errorf("the 17th signature: %v", err)
	}
	for _, bad := range [][]byte{nil, []byte("hello"), a.certificate()} {
		if _, err := AppendSignature(joined, bad); err == nil {
			t.Errorf("%q was accepted as a signature", bad)
		}
		if _, err := AppendSignature(bad, joined); err == nil {
			t.Errorf("%q was accepted as a block", bad)
		}
	}
}

func TestSplitSignatures(t *testing.T) {
	a, b := newEd25519Key(testNow.Add(-10*day)), newEd25519Key(testNow.Add(-10*day))
	joined, err := AppendSignature(a.detached(corpusData), b.detached(corpusData))
	if err != nil {
		t.Fatal(err)
	}
	singles, err := SplitSignatures(joined)
	if err != nil || len(singles) != 2 {
		t.Fatalf("%d, %v", len(singles), err)
	}
	for i, who := range []*forger{a, b} {
		p := Policy{Keys: mustOpen(t, who.certificate()), Threshold: 1, Now: testNow, Armored: true}
		if _, err := p.Detached("x", corpusData, singles[i]); err != nil {
			t.Error(err)
		}
		if _, err := p.Detached("x", corpusData, singles[1-i]); err == nil {
			t.Error("the other key's signature was accepted")
		}
	}
	for _, bad := range [][]byte{nil, []byte("hello"), a.certificate()} {
		if _, err := SplitSignatures(bad); err == nil {
			t.Errorf("%q was accepted as a block", bad)
		}
	}
}

func TestClaims(t *testing.T) {
	k := newEd25519Key(testNow.Add(-10 * day))
	block := append(k.detached(corpusData), k.detached([]byte("other"), k.onlyKeyID)...)
	block = append(block, k.detached(corpusData, withoutIssuer)...)
	claims, err := Claims(block, corpusData)
	if err != nil {
		t.Fatal(err)
	}
	made := k.made.Add(day)
	want := []Claim{{k.fpr, k.fpr.keyID(), made, true}, {"", k.fpr.keyID(), made, false}, {"", "", made, true}}
	for i := range want {
		if claims[i].Issuer != want[i].Issuer || claims[i].KeyID != want[i].KeyID || !claims[i].Created.Equal(made) || claims[i].Fits != want[i].Fits {
			t.Errorf("signature %d: got %+v", i+1, claims[i])
		}
	}
	if _, err := Claims(signaturePacket([]byte{3}).appendTo(nil), corpusData); err == nil {
		t.Error("a malformed signature was accepted")
	}
}
