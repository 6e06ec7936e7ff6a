//go:build interop

package verify

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// gnupg is a GnuPG home directory with one key.
type gnupg struct {
	home string
	t    *testing.T
}

func (g gnupg) run(args ...string) string {
	g.t.Helper()
	out, diagnostics, ok := run(g.t, g.home, "gpg", append([]string{"--batch", "--yes", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
	if !ok {
		g.t.Fatalf("gpg %s:\n%s", strings.Join(args, " "), diagnostics)
	}
	return out
}

func newGnuPG(t *testing.T) gnupg {
	t.Helper()
	g := gnupg{t.TempDir(), t}
	t.Cleanup(func() { run(t, g.home, "gpgconf", "--kill", "all") })
	return g
}

func (g gnupg) key(algorithm, usage, expire string) (fpr string) {
	g.t.Helper()
	g.run("--quick-generate-key", "Ada <ada@example.org>", algorithm, usage, expire)
	for _, line := range strings.Split(g.run("--with-colons", "--list-keys"), "\n") {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			return f[9]
		}
	}
	g.t.Fatal("no key")
	return ""
}

func (g gnupg) export() []byte { return []byte(g.run("--armor", "--export")) }

func (g gnupg) detached(data []byte, args ...string) []byte {
	g.t.Helper()
	file := write(g.t, g.home, "data", data)
	g.run(append(args, "--output", file+".sig", "--detach-sign", file)...)
	sig, err := os.ReadFile(file + ".sig")
	if err != nil {
		g.t.Fatal(err)
	}
	return sig
}

func (g gnupg) clearsigned(text []byte, args ...string) []byte {
	g.t.Helper()
	file := write(g.t, g.home, "text", text)
	g.run(append(args, "--output", file+".asc", "--clear-sign", file)...)
	msg, err := os.ReadFile(file + ".asc")
	if err != nil {
		g.t.Fatal(err)
	}
	return msg
}

func wantAccepted(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func wantRefused(t *testing.T, what string, err error, rule string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), rule) {
		t.Errorf("%s: got %v, want %q", what, err, rule)
	}
}

func TestMadeByGnuPG(t *testing.T) {
	for _, algorithm := range []string{"ed25519", "nistp256", "nistp384", "nistp521", "rsa2048", "rsa3072", "rsa4096"} {
		t.Run(algorithm, func(t *testing.T) {
			g := newGnuPG(t)
			fpr := g.key(algorithm, "sign", "never")
			ring := mustOpen(t, g.export())
			p := Policy{Keys: ring, Threshold: 1, Now: time.Now()}
			digests := []string{"SHA512", "SHA384", "SHA256"}
			switch algorithm { // GnuPG wants a digest as long as the curve
			case "nistp384":
				digests = digests[:2]
			case "nistp521":
				digests = digests[:1]
			}
			for _, digest := range digests {
				for _, form := range [][]string{{"--armor"}, {"--no-armor"}} {
					doc, err := p.Detached("x", corpusData, g.detached(corpusData, append(form, "--digest-algo", digest)...))
					wantAccepted(t, digest, err)
					if err == nil && doc.Evidence().Signers[0].Primary != Fingerprint(fpr) {
						t.Errorf("signed by %+v", doc.Evidence().Signers)
					}
				}
			}
			_, err := p.Detached("x", corpusData, g.detached([]byte("other")))
			wantRefused(t, "other data", err, "does not match")
			_, err = p.Detached("x", corpusData, g.detached(corpusData, "--textmode"))
			wantRefused(t, "text mode", err, "type is 0x01")
			_, err = p.Detached("x", corpusData, g.detached(corpusData, "--sig-notation", "!n@example.org=v"))
			wantRefused(t, "critical notation", err, "critical notation")
			_, err = p.Detached("x", corpusData, g.detached(corpusData, "--sig-notation", "n@example.org=v", "--sig-policy-url", "https://example.org", "--comment", "a comment"))
			wantAccepted(t, "notation, policy and comment", err)
			if !strings.HasPrefix(algorithm, "nistp") { // which GnuPG itself refuses to sign with
				_, err = p.Detached("x", corpusData, g.detached(corpusData, "--digest-algo", "SHA1", "--weak-digest", "MD5"))
				wantRefused(t, "SHA-1", err, "SHA-1")
			}
			for _, text := range []string{"", "\n", "a", "a\n", "a\n\n\n", "-a\n- b\n-----BEGIN PGP SIGNATURE-----\n", "From me\ttab \t\nnext  \n", "\r\na\r\nb\r\n", "no-break\u00a0\nfeed\f\nend"} {
				msg := g.clearsigned([]byte(text))
				doc, err := p.Clearsigned("x", msg)
				wantAccepted(t, fmt.Sprintf("clear-signed %q", text), err)
				canonical, _ := canonicalText(strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n"))
				if want := strings.ReplaceAll(string(canonical), "\r\n", "\n"); string(doc.Bytes()) != want {
					t.Errorf("clear-signed %q: got %q", text, doc.Bytes())
				}
				if extracted := write(t, g.home, "msg", msg); err == nil {
					_, _, ok := run(t, g.home, "gpg", "--batch", "--yes", "--output", extracted+".out", "--decrypt", extracted)
					out, err := os.ReadFile(extracted + ".out")
					if theirs := strings.ReplaceAll(string(out), "\r\n", "\n"); !ok || err != nil || strings.TrimRight(theirs, "\n") != strings.TrimRight(string(doc.Bytes()), "\n") {
						t.Errorf("gpg reads %q, and we %q", out, doc.Bytes())
					}
				}
			}
		})
	}
}

func TestKeysMadeByGnuPG(t *testing.T) {
	g := newGnuPG(t)
	fpr := g.key("ed25519", "cert", "never")
	g.run("--quick-add-key", fpr, "ed25519", "sign", "1y")
	g.run("--quick-add-key", fpr, "cv25519", "encr", "never")
	g.run("--quick-add-uid", fpr, "Ada Two <two@example.org>")
	before := g.export()
	sig := g.detached(corpusData, "--armor")
	now := time.Now()
	ask := func(ring []byte, use Use, at time.Time) error {
		_, err := Policy{Keys: mustOpen(t, ring), Threshold: 1, Now: at, Use: use}.Detached("x", corpusData, sig)
		return err
	}
	wantAccepted(t, "a signing subkey", ask(before, Manifest, now))
	wantRefused(t, "in two years, as a manifest", ask(before, Manifest, now.Add(2*365*day)), "expired on")
	wantAccepted(t, "in two years, as a release", ask(before, Release, now.Add(2*365*day)))
	if certs := mustOpen(t, before).Certificates(); len(certs) != 1 || len(certs[0].Subkeys) != 1 || certs[0].Signs {
		t.Errorf("got %+v", certs)
	}

	g.run("--quick-set-expire", fpr, "3y", "*")
	renewed := g.export()
	wantAccepted(t, "renewed, in two years", ask(renewed, Manifest, now.Add(2*365*day)))
	merged, err := mustOpen(t, before).Merge(mustOpen(t, renewed))
	if err != nil {
		t.Fatal(err)
	}
	wantAccepted(t, "merged, in two years", ask(bytes.Join(merged.Export(), nil), Manifest, now.Add(2*365*day)))
	wantAccepted(t, "stripped to the newest self-signatures", ask([]byte(g.run("--armor", "--export-options", "export-minimal", "--export")), Manifest, now))

	secret, err := ReadSecretKey([]byte(g.run("--armor", "--export-secret-keys")))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := secret.Sign("x", corpusData, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if !gpgv(t, vector{ring: renewed, data: corpusData, sig: ours}) || !sqv(t, vector{ring: renewed, data: corpusData, sig: ours}) {
		t.Error("a signature made here with GnuPG's key is not accepted")
	}
	subkeysOnly, err := ReadSecretKey([]byte(g.run("--armor", "--export-secret-subkeys")))
	if err != nil {
		t.Fatal(err)
	}
	_, err = subkeysOnly.Sign("x", corpusData, time.Now())
	wantAccepted(t, "with the secrets of the subkeys only", err)

	revocation, err := os.ReadFile(filepath.Join(g.home, "openpgp-revocs.d", fpr+".rev"))
	if err != nil {
		t.Fatal(err)
	}
	armored := strings.Replace(string(revocation), ":-----BEGIN", "-----BEGIN", 1)
	g.run("--import", write(t, g.home, "rev", []byte(armored[strings.Index(armored, "-----BEGIN"):])))
	revoked := g.export()
	wantRefused(t, "revoked", ask(revoked, Release, time.Now()), "was revoked")
	wantRefused(t, "revoked in one of two copies", ask(append(bytes.Clone(before), revoked...), Release, time.Now()), "was revoked")
}

func TestReadSecretKeyRefusesGnuPGPassphrase(t *testing.T) {
	g := newGnuPG(t)
	args := []string{"--batch", "--yes", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "secret"}
	if _, diagnostics, ok := run(t, g.home, "gpg", append(args, "--quick-generate-key", "Ada", "ed25519", "sign", "never")...); !ok {
		t.Fatal(diagnostics)
	}
	exported, diagnostics, ok := run(t, g.home, "gpg", append(args, "--armor", "--export-secret-keys")...)
	if !ok {
		t.Fatal(diagnostics)
	}
	_, err := ReadSecretKey([]byte(exported))
	wantRefused(t, "with a passphrase", err, ErrPassphrase.Error())
}

func TestMadeBySequoia(t *testing.T) {
	for _, suite := range []string{"cv25519", "rsa3k", "rsa4k"} {
		t.Run(suite, func(t *testing.T) {
			dir := t.TempDir()
			sq := func(args ...string) {
				t.Helper()
				if _, diagnostics, ok := run(t, dir, "sq", args...); !ok {
					t.Fatalf("sq %s:\n%s", strings.Join(args, " "), diagnostics)
				}
			}
			key := filepath.Join(dir, "key")
			sq("key", "generate", "--cipher-suite", suite, "--userid", "Ada <ada@example.org>", "--export", key)
			secretData, err := os.ReadFile(key)
			if err != nil {
				t.Fatal(err)
			}
			secret, err := ReadSecretKey(secretData)
			if err != nil {
				t.Fatal(err)
			}
			sq("key", "extract-cert", "--output", key+".pub", key)
			public, err := os.ReadFile(key + ".pub")
			if err != nil {
				t.Fatal(err)
			}
			data := write(t, dir, "data", corpusData)
			sq("sign", "--signer-key", key, "--detached", "--output", data+".sig", data)
			sig, err := os.ReadFile(data + ".sig")
			if err != nil {
				t.Fatal(err)
			}
			p := Policy{Keys: mustOpen(t, public), Threshold: 1, Now: time.Now()}
			_, err = p.Detached("x", corpusData, sig)
			wantAccepted(t, "detached", err)
			_, err = p.Detached("x", append(bytes.Clone(corpusData), '\n'), sig)
			wantRefused(t, "other data", err, "does not match")
			sq("sign", "--signer-key", key, "--cleartext-signature", "--output", data+".asc", data)
			msg, err := os.ReadFile(data + ".asc")
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Clearsigned("x", msg)
			wantAccepted(t, "clear-signed", err)

			ours, err := secret.Sign("x", corpusData, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			for _, ring := range [][]byte{public, secret.PublicKey()} {
				v := vector{ring: ring, data: corpusData, sig: ours}
				if !gpgv(t, v) || !sqv(t, v) {
					t.Error("a signature made here with Sequoia's key is not accepted")
				}
			}
			joined, err := AppendSignature(sig, ours)
			if err != nil {
				t.Fatal(err)
			}
			v := vector{ring: public, data: corpusData, sig: joined}
			if !gpgv(t, v) || !sqv(t, v) {
				t.Error("two signatures joined here are not accepted")
			}
		})
	}
}
