package verify_test

import (
	"testing"

	"github.com/kist-tools/kist/verify"
)

// The accepted headers are ones that programs write by themselves, from real
// signatures.
func TestCleartextRefusesFreeTextInHeaders(t *testing.T) {
	for _, test := range []struct {
		headers string
		fits    bool
	}{
		{"", true},
		{"Version: GnuPG v1\n", true},
		{"Version: GnuPG v1.4.11 (Darwin)\nComment: GPGTools - http://gpgtools.org\n", true},
		{"Version: GnuPG/MacGPG2 v2.0.17 (Darwin)\nComment: GPGTools - https://gpgtools.org/\n", true},
		{"Version: GnuPG v1.4.6 (GNU/Linux)\nComment: Using GnuPG with Mozilla - http://enigmail.mozdev.org\n", true},
		{"Version: GnuPG v1.0.7 (Build 4)\n", true},
		{"Version: BCPG C# v1.6.1.0\n", true},
		{"Version: OpenPGP.js v4.10.10\nComment: https://openpgpjs.org\n", true},
		{"Version: Keybase OpenPGP v2.0.8\nComment: https://keybase.io/crypto\n", true},
		{"Version: PGP Universal 2.6.0\r\n", true},

		{"Version: GnuPG\n", false},
		{"Version: GnuPG v1 is broken\n", false},
		{"Version: GnuPG v1 (see evil.example for more)\n", false},
		{"Version: one two three v1\n", false},
		{"Comment: https://evil.example\n", false},
		{"Comment: \n", false},
		{"comment: https://openpgpjs.org\n", false},
		{"Note: GnuPG v1\n", false},
	} {
		err := verify.CheckSignedHeaders([]byte(verify.BeginSignature + "\n" + test.headers + "\niQ=="))
		if test.fits != (err == nil) {
			t.Errorf("%q: %v", test.headers, err)
		}
	}
}
