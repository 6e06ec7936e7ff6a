package verify

import (
	"crypto/rsa"
	"encoding/binary"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

func TestRSAKeySizeLimits(t *testing.T) {
	y2029, y2030 := endOfOldRSA.Add(-time.Second), endOfOldRSA
	for _, c := range []struct {
		bits uint
		at   time.Time
		rule string
	}{
		{2047, y2029, "not an accepted"},
		{2048, y2029, ""},
		{2048, y2030, "refused from 2030-01-01"},
		{3071, y2029, ""},
		{3071, y2030, "refused from 2030-01-01"},
		{3072, y2030, ""},
		{16384, y2030, ""},
		{16385, y2029, "over the limit"},
	} {
		modulus := new(big.Int).SetBit(big.NewInt(1), int(c.bits)-1, 1)
		key := packet.NewRSAPublicKey(testNow, &rsa.PublicKey{N: modulus, E: 65537})
		if rule, _ := checkAlgorithm(key, c.at); !strings.Contains(rule, c.rule) || (rule == "") != (c.rule == "") {
			t.Errorf("RSA-%d in %d: got %q", c.bits, c.at.Year(), rule)
		}
	}
}

// A packet that states more bits than its modulus has is refused: it would look like
// a stronger key, and other programs compute another fingerprint for it.
func TestKeyNumbersMustBeCanonical(t *testing.T) {
	small := rsaKey(1024).N.Bytes()
	body := func(bits uint16, modulus []byte, exponentBits byte) []byte {
		head := binary.BigEndian.AppendUint16([]byte{4, 0x60, 0, 0, 0, 1}, bits)
		return append(append(head, modulus...), 0, exponentBits, 1, 0, 1)
	}
	if _, err := parseKey(rawPacket{tagPublicKey, body(1024, small, 17)}); err != nil {
		t.Errorf("the honest twin: %v", err)
	}
	curve := newForger(4, 22, edSecret(), testNow)
	if _, err := parseKey(curve.keyPacket()); err != nil {
		t.Errorf("the honest twin on a curve: %v", err)
	}
	at := len(curve.public) - 33 - 1
	curve.public[at]++ // one bit more than the point has
	for name, raw := range map[string][]byte{
		"4096 bits of 1024":  body(4096, append(make([]byte, 512-len(small)), small...), 17),
		"an exponent's":      body(1024, small, 24),
		"a point on a curve": curve.public,
	} {
		if _, err := parseKey(rawPacket{tagPublicKey, raw}); err == nil || !strings.Contains(err.Error(), "a length other than stated") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
