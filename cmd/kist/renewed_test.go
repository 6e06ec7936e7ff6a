package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/manifesttest"
)

// Newer copies of built-in keys are merged and stored; other keys never are. The release
// that is verified meanwhile is upstream's own.
func TestRefreshOfBuiltinKeys(t *testing.T) {
	const releaser = "A363A499291CBBC940DD62E41F10027AF002F8B0"
	read := func(path string) []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	env, out, talk := testEnv(t)
	samples := "../../verify/testdata/node-v20.11.0-SHASUMS256.txt"
	u := &manifesttest.Upstream{Files: map[string][]byte{
		"https://nodejs.org/dist/index.json":                  []byte(`[{"version":"v20.11.0","date":"2024-01-09","files":["linux-x64","linux-arm64","osx-arm64-tar"],"lts":"Iron"}]`),
		"https://nodejs.org/dist/v20.11.0/SHASUMS256.txt":     read(samples),
		"https://nodejs.org/dist/v20.11.0/SHASUMS256.txt.sig": read(samples + ".sig"),
	}}
	env.Transport = always(u)
	kist := func(want int, says string, args ...string) {
		t.Helper()
		out.Reset()
		talk.Reset()
		env.Args = args
		if code := run(t.Context(), env); code != want || !strings.Contains(out.String()+talk.String(), says) {
			t.Errorf("kist %s: exit code %d, want %d and %q\n%s%s", strings.Join(args, " "), code, want, says, out, talk)
		}
	}
	copied := filepath.Join(t.TempDir(), "copy.asc")
	if err := os.WriteFile(copied, read("../../verify/keyrings/nodejs/"+releaser+".asc"), 0o600); err != nil {
		t.Fatal(err)
	}
	stored := filepath.Join(env.Getenv("HOME"), ".config/kist/keys", releaser+".builtin.asc")
	exists := func(want bool) {
		t.Helper()
		if _, err := os.Stat(stored); (err == nil) != want {
			t.Errorf("%s: %v", stored, err)
		}
	}

	kist(4, "is a different key, not a newer copy of one in the keyring", "channel", "refresh", "node", "--key", "../../verify/keyrings/rust/108F66205EAEB0AAA8DD5E1C85AB96E6FA1BE5FE.asc")
	u.Tell("https://nodejs.org/dist/v20.11.0/SHASUMS256.txt.sig", manifesttest.Unreachable)
	u.Tell("https://nodejs.org/dist/v20.11.0/SHASUMS256.txt", manifesttest.Unreachable)
	kist(6, "Nothing was changed", "channel", "refresh", "node", "--key", copied)
	exists(false)
	u.Tell("https://nodejs.org/dist/v20.11.0/SHASUMS256.txt.sig", nil)
	u.Tell("https://nodejs.org/dist/v20.11.0/SHASUMS256.txt", nil)
	kist(0, "nothing was stored", "channel", "refresh", "-n", "node", "--key", copied)
	exists(false)
	kist(0, "stored the newer keys", "channel", "refresh", "node", "--key", copied)
	exists(true)
	kist(0, "stored the newer keys", "channel", "refresh", "node", "--key", copied)
	kist(0, "Would install node 20.11.0\n", "install", "-n", "node")

	// A copy that cannot be read may have held a revocation.
	if err := os.WriteFile(stored, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	kist(4, releaser, "install", "-n", "node")
	kist(0, "problem", "channel", "show", "node")
	kist(10, "Kept "+stored, "self", "uninstall", "-y") // nor is it shown to be kist's
	exists(true)
	if err := os.WriteFile(stored, read("../../verify/keyrings/nodejs/"+releaser+".asc"), 0o600); err != nil {
		t.Fatal(err)
	}
	kist(0, "", "self", "uninstall", "-y")
	exists(false)
}
