package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kist-tools/kist/verify"
)

// A key that ends soon is told of while its owner can still do something; one
// that lasts is not. Real keys.
func TestLintSaysWhenAKeyExpires(t *testing.T) {
	for _, test := range []struct{ file, at, want string }{
		{"nodejs/A363A499291CBBC940DD62E41F10027AF002F8B0.asc", "2026-07-01",
			"warning: key A363A499291CBBC940DD62E41F10027AF002F8B0 expires on 2028-06-01, within two years; its owner should extend the expiry, export the key again, and give users the new copy\n"},
		{"nodejs/A363A499291CBBC940DD62E41F10027AF002F8B0.asc", "2026-05-01", ""},
	} {
		data, err := os.ReadFile(filepath.Join("../../verify/keyrings", filepath.FromSlash(test.file)))
		if err != nil {
			t.Fatal(err)
		}
		ring, err := verify.OpenKeyring(data)
		if err != nil {
			t.Fatal(err)
		}
		now, err := time.Parse(time.DateOnly, test.at)
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		a := &app{Env: Env{Stderr: &stderr}, now: now, warned: map[string]bool{}}
		a.flags.color = "never"
		if err := a.lint(ring); err != nil || stderr.String() != test.want {
			t.Errorf("%s: %v, %q, want %q", test.file, err, stderr.String(), test.want)
		}
	}
}
