package verifytest

import (
	"bytes"
	"crypto/rand"
	"io"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// NewExpiringKey is like NewKey, but the key expires after life.
func NewExpiringKey(tb testing.TB, name string, made time.Time, life time.Duration) *Key {
	tb.Helper()
	c := config(made)
	c.KeyLifetimeSecs = uint32(life / time.Second)
	entity, err := openpgp.NewEntity(name, "", name+"@example.org", c)
	if err != nil {
		tb.Fatal(err)
	}
	return &Key{entity}
}

// LoadKey reads a secret key that Key.Secret returned.
func LoadKey(tb testing.TB, secret []byte) *Key {
	tb.Helper()
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(secret))
	if err != nil || len(list) != 1 {
		tb.Fatalf("%d secret keys, %v", len(list), err)
	}
	return &Key{list[0]}
}

// NewReissuedKey returns two certificates of one secret key. Their primary keys differ
// only in the creation time, and so in their fingerprints.
func NewReissuedKey(tb testing.TB, name string, made, later time.Time) (first, reissued *Key) {
	tb.Helper()
	seed := make([]byte, 4096)
	if _, err := rand.Read(seed); err != nil {
		tb.Fatal(err)
	}
	one := func(name string, made time.Time) *Key {
		c := config(made)
		c.Rand = bytes.NewReader(seed)
		entity, err := openpgp.NewEntity(name, "", name+"@example.org", c)
		if err != nil {
			tb.Fatal(err)
		}
		return &Key{entity}
	}
	if made.Equal(later) {
		tb.Fatal("the certificates need different creation times")
	}
	return one(name, made), one(name+"-reissued", later)
}

// Revoke adds a revocation made at the given time to the key: as compromised, which
// counts for all times, or as superseded, which counts from then on.
func (k *Key) Revoke(tb testing.TB, at time.Time, compromised bool) {
	tb.Helper()
	reason := packet.KeySuperseded
	if compromised {
		reason = packet.KeyCompromised
	}
	if err := k.entity.Revoke(reason, "", config(at)); err != nil {
		tb.Fatal(err)
	}
}

// AddSubkey adds a signing subkey to the key.
func (k *Key) AddSubkey(tb testing.TB, at time.Time) {
	tb.Helper()
	if err := k.entity.AddSigningSubkey(config(at)); err != nil {
		tb.Fatal(err)
	}
}

// SignBinary returns a block of detached signatures of data by each key, without
// armor.
func SignBinary(tb testing.TB, data []byte, at time.Time, keys ...*Key) []byte {
	tb.Helper()
	var b bytes.Buffer
	for _, k := range keys {
		if err := k.detach(&b, data, at); err != nil {
			tb.Fatal(err)
		}
	}
	return b.Bytes()
}

// Clearsign returns a clear-signed message of text, signed by all keys.
func Clearsign(tb testing.TB, text []byte, at time.Time, keys ...*Key) []byte {
	tb.Helper()
	var secret []*packet.PrivateKey
	for _, k := range keys {
		secret = append(secret, k.entity.PrivateKey)
	}
	var b bytes.Buffer
	w, err := clearsign.EncodeMulti(&b, secret, config(at))
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := io.Copy(w, bytes.NewReader(text)); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return append(b.Bytes(), '\n')
}

// detach writes a detached signature of data by the primary key, even if that key is
// not valid at the time.
func (k *Key) detach(w io.Writer, data []byte, at time.Time) error {
	c := config(at)
	s := &packet.Signature{SigType: packet.SigTypeBinary, PubKeyAlgo: k.entity.PrivateKey.PubKeyAlgo, Hash: c.DefaultHash,
		CreationTime: at, IssuerKeyId: &k.entity.PrivateKey.KeyId}
	h := c.DefaultHash.New()
	h.Write(data)
	if err := s.Sign(h, k.entity.PrivateKey, c); err != nil {
		return err
	}
	return s.Serialize(w)
}
