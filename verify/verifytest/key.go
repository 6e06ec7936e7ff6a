// Package verifytest makes keys, signatures and a checksum database for tests of code
// that uses package verify. It is for kist's own tests and promises nothing to others.
package verifytest

import (
	"bytes"
	"crypto"
	"encoding/hex"
	"io"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"github.com/kist-tools/kist/verify"
)

// Key is an Ed25519 signing key for tests of code that reads signatures.
type Key struct {
	entity *openpgp.Entity
}

// NewKey returns a new key for name, created at made.
func NewKey(tb testing.TB, name string, made time.Time) *Key {
	tb.Helper()
	entity, err := openpgp.NewEntity(name, "", name+"@example.org", config(made))
	if err != nil {
		tb.Fatal(err)
	}
	return &Key{entity}
}

func config(now time.Time) *packet.Config {
	return &packet.Config{
		Algorithm:   packet.PubKeyAlgoEdDSA,
		DefaultHash: crypto.SHA512,
		Time:        func() time.Time { return now },
	}
}

// Primary returns the fingerprint of the primary key.
func (k *Key) Primary() verify.Fingerprint {
	f, err := verify.ParseFingerprint(hex.EncodeToString(k.entity.PrimaryKey.Fingerprint))
	if err != nil {
		panic(err) // go-crypto makes only version 4 and 6 keys
	}
	return f
}

// Pin returns a pin for the primary key.
func (k *Key) Pin() verify.Pin { return verify.Pin{Primary: k.Primary()} }

// Public returns the armored certificate.
func (k *Key) Public(tb testing.TB) []byte {
	tb.Helper()
	return armored(tb, "PGP PUBLIC KEY BLOCK", k.entity.Serialize)
}

// Secret returns the armored secret key, without a passphrase.
func (k *Key) Secret(tb testing.TB) []byte {
	tb.Helper()
	return armored(tb, "PGP PRIVATE KEY BLOCK", func(w io.Writer) error {
		return k.entity.SerializePrivateWithoutSigning(w, nil)
	})
}

// Sign returns an armored detached signature of data with the date at, even if the
// key is not valid then.
func (k *Key) Sign(tb testing.TB, data []byte, at time.Time) []byte {
	tb.Helper()
	return Cosign(tb, data, at, k)
}

// Cosign returns one armored block with a detached signature of data by each key.
func Cosign(tb testing.TB, data []byte, at time.Time, keys ...*Key) []byte {
	tb.Helper()
	return armored(tb, "PGP SIGNATURE", func(w io.Writer) error {
		for _, k := range keys {
			if err := k.detach(w, data, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// Keyring returns a keyring that pins keys.
func Keyring(tb testing.TB, keys ...*Key) *verify.Keyring {
	tb.Helper()
	var pins []verify.Pin
	var files [][]byte
	for _, k := range keys {
		pins = append(pins, k.Pin())
		files = append(files, k.Public(tb))
	}
	ring, err := verify.NewKeyring(pins, files...)
	if err != nil {
		tb.Fatal(err)
	}
	return ring
}

func armored(tb testing.TB, kind string, write func(io.Writer) error) []byte {
	tb.Helper()
	var b bytes.Buffer
	w, err := armor.Encode(&b, kind, nil)
	if err != nil {
		tb.Fatal(err)
	}
	if err := write(w); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}
