package verify

import (
	"crypto/rsa"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

func TestRSASizes(t *testing.T) {
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

// A packet may state more bits than its modulus has: only the modulus counts.
func TestRSASizeIsCounted(t *testing.T) {
	small := rsaKey(1024).N.Bytes()
	padded := append([]byte{16, 0}, make([]byte, 512-len(small))...) // 4096 bits, it says
	body := append([]byte{4, 0x60, 0, 0, 0, 1}, append(append(padded, small...), 0, 17, 1, 0, 1)...)
	k, err := parseKey(rawPacket{tagPublicKey, body})
	if err != nil {
		t.Fatal(err)
	}
	if rule, _ := checkAlgorithm(k.PublicKey, testNow); !strings.Contains(rule, "RSA-1024 is not an accepted") {
		t.Errorf("got %q", rule)
	}
}
