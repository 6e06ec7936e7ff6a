//go:build interop

package publish_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

// gpg runs GnuPG with its own home directory and the test's time.
type gpg struct {
	*testing.T
	home string
}

func newGPG(t *testing.T) *gpg {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg") // short: the agent's socket has little room for a path
	if err != nil {
		t.Fatal(err)
	}
	g := &gpg{t, home}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() // it may not run
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	return g
}

func (g *gpg) run(stdin []byte, args ...string) []byte {
	g.Helper()
	args = append([]string{"--homedir", g.home, "--batch", "--no-tty", "--faked-system-time", "20261122T120000!",
		"--pinentry-mode", "loopback", "--passphrase", ""}, args...)
	cmd := exec.Command("gpg", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		g.Fatalf("gpg %q: %v\n%s", args, err, stderr.String())
	}
	return out
}

// keys returns the kinds of keys that publishers use.
func keys() map[string][]string {
	return map[string][]string{
		"ed25519":                 {"ed25519", "sign"},
		"rsa3072":                 {"rsa3072", "sign"},
		"ed25519 with encryption": {"future-default", "default"},
		"nistp256":                {"nistp256", "sign"},
	}
}

func (g *gpg) newKey(kind []string) (public, secret []byte) {
	g.run(nil, "--quick-generate-key", "Publisher <publisher@acme.example>", kind[0], kind[1], "never")
	return g.run(nil, "--armor", "--export"), g.run(nil, "--armor", "--export-secret-keys")
}

// TestTextEditorAndGPG publishes as docs/manifest-format.md describes, without kist on
// the publisher's side.
func TestTextEditorAndGPG(t *testing.T) {
	for name, kind := range keys() {
		t.Run(name, func(t *testing.T) {
			g := newGPG(t)
			public, _ := g.newKey(kind)
			text := []byte(`format  = 1
channel = "acme"
serial  = 1
issued  = 2026-11-22T11:00:00Z
expires = 2027-02-20T11:00:00Z
`)
			sig := g.run(text, "--detach-sign", "--armor")
			ring, err := verify.OpenKeyring(public)
			if err != nil {
				t.Fatal(err)
			}
			const at = "https://tools.acme.example/channel.toml"
			source := native.Source{Channel: "acme", URL: at, Granted: func(string) bool { return true },
				Policy: verify.Policy{Keys: ring, Threshold: 1}}
			d := newDesk(t)
			u := &manifesttest.Upstream{Files: map[string][]byte{at: text, at + ".asc": sig}}
			if _, err := source.Fetch(context.Background(), u, manifests.Query{Now: d.now}); err != nil {
				t.Error(err)
			}
			u.Files[at] = append(text, '\n')
			if _, err := source.Fetch(context.Background(), u, manifests.Query{Now: d.now}); err == nil {
				t.Error("accepted other bytes than were signed")
			}
		})
	}
}

// TestSignedByGPG signs the stamped bytes with gpg and attaches its signature.
func TestSignedByGPG(t *testing.T) {
	for name, kind := range keys() {
		t.Run(name, func(t *testing.T) {
			d, g := newDesk(t), newGPG(t)
			public, _ := g.newKey(kind)
			d.add(addition("1.0.0", "any", "one"))
			data := d.unsigned()
			for form, args := range map[string][]string{"armored": {"--armor"}, "binary": nil} {
				signed, err := d.Attach(g.run(data, append(args, "--detach-sign")...), d.now, public)
				if err != nil || signed.Unproved {
					t.Fatalf("%s: %+v, %v", form, signed, err)
				}
				if _, err := d.Verify(publish.Verification{Now: d.now, Threshold: 1, Keys: [][]byte{public}}); err != nil {
					t.Errorf("%s: %v", form, err)
				}
				data = d.unsigned()
			}
		})
	}
}

// TestGPGVerifiesWhatKistSigned checks kist's signatures with gpg and the certificates
// that kist wrote, also for two signers in one block.
func TestGPGVerifiesWhatKistSigned(t *testing.T) {
	for name, kind := range keys() {
		t.Run(name, func(t *testing.T) {
			d, g := newDesk(t), newGPG(t)
			_, armored := g.newKey(kind)
			secret, err := verify.ReadSecretKey(armored)
			if err != nil {
				t.Fatal(err)
			}
			d.add(addition("1.0.0", "any", "one"))
			d.sign()
			if _, err := d.Sign(secret, d.stamp()); err != nil {
				t.Fatal(err)
			}
			user := newGPG(t)
			user.run(d.read(publish.KeysFile), "--import")
			manifest := filepath.Join(user.home, "channel.toml")
			for file, data := range map[string][]byte{manifest: d.read(publish.ManifestFile), manifest + ".asc": d.read(publish.SignatureFile)} {
				if err := os.WriteFile(file, data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			status := string(user.run(nil, "--status-fd", "1", "--verify", manifest+".asc", manifest))
			if strings.Count(status, "VALIDSIG") != 2 || strings.Contains(status, "BADSIG") {
				t.Errorf("gpg says\n%s", status)
			}
		})
	}
}
