package verify

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sample reads a file of testdata or, if name contains "/", of the built-in keys.
func sample(t testing.TB, name string) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	if strings.Contains(name, "/") {
		path = filepath.Join("keyrings", filepath.FromSlash(name))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(name, ".gz") {
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if data, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

func openSamples(t testing.TB, keys ...string) *Keyring {
	t.Helper()
	var files [][]byte
	for _, name := range keys {
		files = append(files, sample(t, name))
	}
	ring, err := OpenKeyring(files...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

const (
	rustKey    = "rust/108F66205EAEB0AAA8DD5E1C85AB96E6FA1BE5FE.asc"
	rustSubkey = "C13466B7E169A085188632165CB4A9347B3B09DC"
	nodeKey14  = "nodejs/8FCCA13FEF1D0C2E91008E09770F7A9A5AE15600.asc"
	nodeKey20  = "nodejs/A363A499291CBBC940DD62E41F10027AF002F8B0.asc"
	hashiKey   = "hashicorp/C874011F0AB405110D02105534365D9472D7468F.asc"
)

func pinned(t testing.TB, ring *Keyring) *Keyring {
	t.Helper()
	again, err := NewKeyring(ring.Pins(), ring.Export()...)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestRealSignatures(t *testing.T) {
	debian := []string{"debian/04B54C3CDCA79751B16BC6B5225629DF75B188BD.asc", "debian/B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8.asc",
		"debian/4D64FEC119C2029067D6E791F8D2585B8783D481.asc", "debian/41587F7DB8C774BCCF131416762F67A0B2C39DE4.asc",
		"debian/05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0.asc", "debian/AC530D520F2F3269F5E98313A48449044AAD5C5D.asc"}
	manifest := Policy{Threshold: 1, Now: testNow}
	release := Policy{Threshold: 1, Now: testNow, Use: Release}
	at := func(now time.Time) Policy { return Policy{Threshold: 1, Now: now, Clock: testNow} }
	threshold := func(n int) Policy { return Policy{Threshold: n, Now: testNow} }
	for _, c := range []struct {
		name, data, sig string
		ring            *Keyring
		policy          Policy
		rule            string
		signers         int
	}{
		{"rust, pinned", "rust-2019-09-26.toml.gz", "rust-2019-09-26.toml.asc", pinned(t, openSamples(t, rustKey)), manifest, "", 1},
		{"rust, not pinned", "rust-2019-09-26.toml.gz", "rust-2019-09-26.toml.asc", openSamples(t, rustKey), manifest, "SHA-1 signatures only", 0},
		{"rust signature, other data", "node-v20.11.0-SHASUMS256.txt", "rust-2019-09-26.toml.asc", pinned(t, openSamples(t, rustKey)), manifest, "does not match", 0},
		{"node 14", "node-v14.2.0-SHASUMS256.txt.asc", "", openSamples(t, nodeKey14), manifest, "", 1},
		{"node 14, stranger", "node-v14.2.0-SHASUMS256.txt.asc", "", openSamples(t, hashiKey), manifest, "not among", 0},
		{"node 20 as a release", "node-v20.11.0-SHASUMS256.txt", "node-v20.11.0-SHASUMS256.txt.sig", openSamples(t, nodeKey20), release, "", 1},
		{"node 20 as a manifest", "node-v20.11.0-SHASUMS256.txt", "node-v20.11.0-SHASUMS256.txt.sig", openSamples(t, nodeKey20), manifest, "expired on 2025-06-01", 0},
		{"node 20 judged in its time", "node-v20.11.0-SHASUMS256.txt", "node-v20.11.0-SHASUMS256.txt.sig", openSamples(t, nodeKey20), at(time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)), "", 1},
		{"node 20 judged before it was made", "node-v20.11.0-SHASUMS256.txt", "node-v20.11.0-SHASUMS256.txt.sig", openSamples(t, nodeKey20), at(time.Date(2023, 2, 1, 0, 0, 0, 0, time.UTC)), "in the future", 0},
		{"node 0.10", "node-v0.10.0-SHASUMS256.txt.asc", "", pinned(t, openSamples93(t)), release, "SHA-1", 0},
		{"terraform 1.0.0", "terraform_1.0.0_SHA256SUMS", "terraform_1.0.0_SHA256SUMS.sig", openSamples(t, hashiKey), manifest, "", 1},
		{"terraform 1.14.9", "terraform_1.14.9_SHA256SUMS", "terraform_1.14.9_SHA256SUMS.sig", openSamples(t, hashiKey), manifest, "", 1},
		{"terraform, swapped", "terraform_1.14.9_SHA256SUMS", "terraform_1.0.0_SHA256SUMS.sig", openSamples(t, hashiKey), manifest, "does not match", 0},
		{"bookworm", "bookworm-InRelease.gz", "", openSamples(t, debian...), threshold(3), "", 3},
		{"trixie", "trixie-InRelease.gz", "", openSamples(t, debian...), threshold(3), "", 3},
		{"trixie, one key known", "trixie-InRelease.gz", "", openSamples(t, debian[0]), threshold(1), "", 1},
		{"trixie, one key known, two wanted", "trixie-InRelease.gz", "", openSamples(t, debian[0]), threshold(2), "1 of 2", 0},
		{"security", "bookworm-security-InRelease.gz", "", openSamples(t, debian...), threshold(2), "", 2},
		{"helm, stranger", "helm-provenance.yaml.asc", "", openSamples(t, hashiKey), manifest, "not among", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.policy
			p.Keys = c.ring
			var doc Document
			var err error
			if c.sig == "" {
				doc, err = p.Clearsigned(c.data, sample(t, c.data))
			} else {
				doc, err = p.Detached(c.data, sample(t, c.data), sample(t, c.sig))
			}
			if c.rule != "" {
				if err == nil || !strings.Contains(err.Error(), c.rule) {
					t.Fatalf("got %v, want the rule %q", err, c.rule)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := doc.Evidence().Signers; len(got) != c.signers {
				t.Errorf("got %d signers: %+v", len(got), got)
			}
		})
	}
}

func openSamples93(t testing.TB) *Keyring {
	t.Helper()
	return openSamples(t, "93C7E9E91B49E432C2F75674B0A78B0A6C481CF6.asc")
}

func TestRealEvidence(t *testing.T) {
	p := Policy{Keys: pinned(t, openSamples(t, rustKey)), Threshold: 1, Now: testNow}
	data := sample(t, "rust-2019-09-26.toml.gz")
	doc, err := p.Detached("channel-rust-stable.toml", data, sample(t, "rust-2019-09-26.toml.asc"))
	if err != nil {
		t.Fatal(err)
	}
	evidence := doc.Evidence()
	signer := evidence.Signers[0]
	want := Signer{
		Primary: "108F66205EAEB0AAA8DD5E1C85AB96E6FA1BE5FE", Key: rustSubkey,
		UserID:    "Rust Language (Tag and Release Signing Key) <rust-key@rust-lang.org>",
		Algorithm: "RSA-4096", Hash: "SHA-512", Created: time.Date(2019, 9, 26, 13, 42, 27, 0, time.UTC), Pinned: true,
	}
	if signer != want {
		t.Errorf("got %+v", signer)
	}
	if evidence.Kind != ByDetached || evidence.Digest != DigestOf(data) || evidence.Name != "channel-rust-stable.toml" || len(evidence.Notes) != 1 {
		t.Errorf("got %+v", evidence)
	}

	p = Policy{Keys: openSamples(t, nodeKey20), Threshold: 1, Now: testNow, Use: Release}
	doc, err = p.Detached("SHASUMS256.txt", sample(t, "node-v20.11.0-SHASUMS256.txt"), sample(t, "node-v20.11.0-SHASUMS256.txt.sig"))
	if err != nil {
		t.Fatal(err)
	}
	if expired := doc.Evidence().Signers[0].Expired; expired.Format(time.DateOnly) != "2025-06-01" {
		t.Errorf("expired %v", expired)
	}
	p.Now = time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
	p.Clock = testNow
	if doc, err = p.Detached("x", sample(t, "node-v20.11.0-SHASUMS256.txt"), sample(t, "node-v20.11.0-SHASUMS256.txt.sig")); err != nil {
		t.Fatal(err)
	}
	if expired := doc.Evidence().Signers[0].Expired; !expired.IsZero() {
		t.Errorf("expired %v, a year before", expired)
	}
}

// HashiCorp's key was renewed in 2026, and its copy lost the older bindings. At a time
// in 2023 the newer ones count only if the policy also has the real time.
func TestLaterSelfSignaturesNeedTheRealClock(t *testing.T) {
	p := Policy{Keys: openSamples(t, hashiKey), Threshold: 1, Now: time.Date(2023, 6, 1, 0, 0, 0, 0, time.UTC)}
	data, sig := sample(t, "terraform_1.0.0_SHA256SUMS"), sample(t, "terraform_1.0.0_SHA256SUMS.sig")
	if _, err := p.Detached("x", data, sig); err == nil || !strings.Contains(err.Error(), "no valid self-signature") {
		t.Errorf("got %v", err)
	}
	p.Clock = testNow
	if _, err := p.Detached("x", data, sig); err != nil {
		t.Error(err)
	}
}

func TestRealClearsignedText(t *testing.T) {
	p := Policy{Keys: openSamples(t, nodeKey14), Threshold: 1, Now: testNow}
	doc, err := p.Clearsigned("list", sample(t, "node-v14.2.0-SHASUMS256.txt.asc"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(doc.Bytes()), "\n")
	if len(lines) != 32 || !strings.HasSuffix(lines[0], "  node-v14.2.0-aix-ppc64.tar.gz") {
		t.Errorf("%d lines, the first %q", len(lines), lines[0])
	}
	if strings.Contains(string(doc.Bytes()), "PGP") || strings.HasSuffix(string(doc.Bytes()), "\n") {
		t.Error("the text holds more than was signed")
	}
}

func TestPinnedDistrustedKeyIsRefused(t *testing.T) {
	julia := sample(t, "3673DF529D9049477F76B37566E3C7DC03D6E495.asc")
	if _, err := NewKeyring([]Pin{{Primary: "3673DF529D9049477F76B37566E3C7DC03D6E495"}}, julia); err == nil || !strings.Contains(err.Error(), "distrusted") {
		t.Errorf("pinned: %v", err)
	}
	ring, err := OpenKeyring(julia)
	if err != nil {
		t.Fatal(err)
	}
	cert := ring.certs[0]
	cert.pinned[cert.primary.fpr] = true
	made := cert.primary.CreationTime.Add(day)
	if verdict := cert.checkSigningKey(cert.primary, checkTime{made, testNow}); verdict.kind != distrustedKey {
		t.Errorf("got %+v", verdict)
	}
}

func TestRealClaims(t *testing.T) {
	claims, err := Claims(sample(t, "go1.19.8.src.tar.gz.asc"), []byte("not the source of Go"))
	if err != nil {
		t.Fatal(err)
	}
	want := Claim{KeyID: "4EB27DB2A3B88B8B", Created: time.Date(2023, 3, 30, 0, 0, 0, 0, time.UTC)}
	got := claims[0]
	if len(claims) != 1 || got.KeyID != want.KeyID || got.Issuer != "" || got.Created.Format(time.DateOnly) != "2023-03-30" || got.Fits {
		t.Errorf("got %+v", claims)
	}
	claims, err = Claims(sample(t, "terraform_1.0.0_SHA256SUMS.sig"), sample(t, "terraform_1.0.0_SHA256SUMS"))
	if err != nil || len(claims) != 1 || !claims[0].Fits || claims[0].Issuer != "374EC75B485913604A831CC7C820C6D5CD27AB87" {
		t.Errorf("got %+v, %v", claims, err)
	}
}
