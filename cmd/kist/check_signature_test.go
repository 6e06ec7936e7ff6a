package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A key counts if it was valid when it signed and is valid at the given time. The keys and
// signatures are real ones, and some of the keys have expired.
func TestCheckSignatureAsksForATime(t *testing.T) {
	const keyrings, data = "../../verify/keyrings", "../../verify/testdata"
	node := filepath.Join(keyrings, "nodejs", "A363A499291CBBC940DD62E41F10027AF002F8B0.asc") // its subkey expired on 2025-06-01
	hashicorp := filepath.Join(keyrings, "hashicorp", "C874011F0AB405110D02105534365D9472D7468F.asc")
	for _, test := range []struct {
		name string
		args []string
		want int
	}{
		{"expired since", []string{filepath.Join(data, "node-v20.11.0-SHASUMS256.txt"), filepath.Join(data, "node-v20.11.0-SHASUMS256.txt.sig"), "--keyring", node}, 4},
		{"expired since, asked for then", []string{filepath.Join(data, "node-v20.11.0-SHASUMS256.txt"), filepath.Join(data, "node-v20.11.0-SHASUMS256.txt.sig"), "--keyring", node, "--at", "2024-02-01"}, 0},
		{"asked for before it was made", []string{filepath.Join(data, "node-v20.11.0-SHASUMS256.txt"), filepath.Join(data, "node-v20.11.0-SHASUMS256.txt.sig"), "--keyring", node, "--at", "2023-12-01"}, 4},
		{"sound", []string{filepath.Join(data, "terraform_1.14.9_SHA256SUMS"), filepath.Join(data, "terraform_1.14.9_SHA256SUMS.sig"), "--keyring", hashicorp}, 0},
		{"by another", []string{filepath.Join(data, "terraform_1.14.9_SHA256SUMS"), filepath.Join(data, "terraform_1.14.9_SHA256SUMS.sig"), "--keyring", node}, 4},
		{"a directory", []string{data, filepath.Join(data, "terraform_1.14.9_SHA256SUMS.sig"), "--keyring", hashicorp}, 4},
		{"a directory of keys", []string{filepath.Join(data, "terraform_1.14.9_SHA256SUMS"), filepath.Join(data, "terraform_1.14.9_SHA256SUMS.sig"), "--keyring", keyrings}, 4},
		{"a directory as signature", []string{filepath.Join(data, "terraform_1.14.9_SHA256SUMS"), data, "--keyring", hashicorp}, 4},
		{"a clear-signed directory", []string{data, "--keyring", hashicorp}, 4},
		{"a signature over its ceiling", []string{filepath.Join(data, "terraform_1.14.9_SHA256SUMS"), huge(t), "--keyring", hashicorp}, 4},
		{"missing", []string{filepath.Join(data, "gone"), filepath.Join(data, "terraform_1.14.9_SHA256SUMS.sig"), "--keyring", hashicorp}, 3},
		{"no keyring", []string{filepath.Join(data, "terraform_1.14.9_SHA256SUMS")}, 2},
	} {
		e, _, stderr := testEnv(t, append([]string{"check-signature"}, test.args...)...)
		e.Now = func() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }
		if got := run(t.Context(), e); got != test.want {
			t.Errorf("%s: exit %d, want %d: %s", test.name, got, test.want, stderr)
		}
	}
}

func huge(t *testing.T) string {
	name := filepath.Join(t.TempDir(), "huge.asc")
	if err := os.WriteFile(name, []byte(strings.Repeat("x", 1<<17)), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
