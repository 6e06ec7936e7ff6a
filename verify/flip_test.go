package verify

import (
	"bytes"
	"crypto/elliptic"
	"testing"
)

// unhashedArea returns the position of the unhashed subpackets in a binary signature.
// RFC 9580, section 5.2.3.
func unhashedArea(t *testing.T, sig []byte) (start, end int) {
	t.Helper()
	_, at, _, err := packetHeader(sig)
	if err != nil {
		t.Fatal(err)
	}
	width := 2
	if sig[at] == 6 {
		width = 4
	}
	number := func(at int) int {
		c := &cursor{rest: sig[at:]}
		return int(c.uint(width))
	}
	at += 4
	at += width + number(at)
	return at + width, at + width + number(at)
}

// The test flips every bit of a small manifest and of its signature, one at a time.
// Only a flip in the unhashed area, which is not signed, may be accepted.
func TestEveryFlippedBitIsRefused(t *testing.T) {
	made := testNow.Add(-100 * day)
	for _, c := range []struct {
		name string
		key  *forger
	}{
		{"Ed25519, older", newEd25519Key(made)},
		{"Ed25519", newForger(4, 27, edSecret(), made)},
		{"Ed25519, version 6", newForger(6, 27, edSecret(), made)},
		{"ECDSA P-256", newForger(4, 19, ecSecret(elliptic.P256()), made)},
		{"RSA-2048", newForger(4, 1, rsaKey(2048), made)},
	} {
		t.Run(c.name, func(t *testing.T) {
			ring, err := OpenKeyring(c.key.certificate())
			if err != nil {
				t.Fatal(err)
			}
			p := Policy{Keys: ring, Threshold: 1, Now: testNow}
			sig := c.key.detached(corpusData)
			if _, err := p.Detached("x", corpusData, sig); err != nil {
				t.Fatal(err)
			}
			flip := func(in []byte, check func([]byte) error, mayChange func(at int) bool) {
				t.Helper()
				accepted := 0
				for i := range in {
					for bit := range 8 {
						changed := bytes.Clone(in)
						changed[i] ^= 1 << bit
						if check(changed) != nil {
							continue
						}
						if accepted++; !mayChange(i) {
							t.Errorf("octet %d of %d, bit %d: accepted", i, len(in), bit)
						}
					}
				}
			}
			never := func(int) bool { return false }
			flip(corpusData, func(data []byte) error { _, err := p.Detached("x", data, sig); return err }, never)
			from, to := unhashedArea(t, sig)
			flip(sig, func(sig []byte) error { _, err := p.Detached("x", corpusData, sig); return err },
				func(at int) bool { return at >= from && at < to })
		})
	}
}

func TestEveryFlippedBitOfAClearsignedMessageIsRefused(t *testing.T) {
	k := newEd25519Key(testNow.Add(-100 * day))
	ring, err := OpenKeyring(k.certificate())
	if err != nil {
		t.Fatal(err)
	}
	p := Policy{Keys: ring, Threshold: 1, Now: testNow}
	msg := k.clearsigned("Origin: acme\n\n- item\nlast", func(m *signatureDraft) { m.noIssuer = true; m.hashed = append(m.hashed, k.issuerSubpacket()) })
	original, err := p.Clearsigned("x", msg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range msg {
		for bit := range 8 {
			changed := bytes.Clone(msg)
			changed[i] ^= 1 << bit
			doc, err := p.Clearsigned("x", changed)
			if err != nil {
				continue
			}
			if !bytes.Equal(doc.Bytes(), original.Bytes()) {
				t.Errorf("octet %d, bit %d: another text is accepted: %q", i, bit, doc.Bytes())
			}
			t.Errorf("octet %d (%q), bit %d: accepted", i, msg[i], bit)
		}
	}
}

// S and S plus the order of the group satisfy the same equation. Only the smaller is
// a valid signature. RFC 8032, section 5.1.7.
func TestNonCanonicalEd25519SignatureIsRefused(t *testing.T) {
	order := [32]byte{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 31: 0x10}
	k := newForger(4, 27, edSecret(), testNow.Add(-100*day))
	ring, err := OpenKeyring(k.certificate())
	if err != nil {
		t.Fatal(err)
	}
	p := Policy{Keys: ring, Threshold: 1, Now: testNow}
	sig := k.detached(corpusData)
	if _, err := p.Detached("x", corpusData, sig); err != nil {
		t.Fatal(err)
	}
	scalar := sig[len(sig)-32:] // little-endian
	carry := 0
	for i := range scalar {
		sum := int(scalar[i]) + int(order[i]) + carry
		scalar[i], carry = byte(sum), sum>>8
	}
	if _, err := p.Detached("x", corpusData, sig); err == nil {
		t.Error("S + L is accepted")
	}
}
