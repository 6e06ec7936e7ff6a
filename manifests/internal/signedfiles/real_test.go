package signedfiles_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/signedfiles"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/keyrings"
)

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func policy(tb testing.TB, keyring string) verify.Policy {
	tb.Helper()
	keys, err := keyrings.Lookup(keyring)
	if err != nil {
		tb.Fatal(err)
	}
	return verify.Policy{Keys: keys, Threshold: 1, Now: now, Use: verify.Release}
}

// TestRealLists proves upstreams' lists by upstreams' keys. testdata/README.md says
// where they are from.
func TestRealLists(t *testing.T) {
	for _, test := range []struct {
		keyring, list, signature string
		signer                   verify.Fingerprint
		file, digest             string
		expired                  bool
	}{
		{"nodejs", "nodejs/node-v20.11.0-SHASUMS256.txt", "nodejs/node-v20.11.0-SHASUMS256.txt.sig",
			"A6023530FC53461FEC91F99C04CD3F2FDE079578", "node-v20.11.0-linux-x64.tar.gz",
			"9556262f6cd4c020af027782afba31ca6d1a37e45ac0b56cecd2d5a4daf720e0", true},
		{"nodejs", "nodejs/node-v14.2.0-SHASUMS256.txt.asc", "",
			"8FCCA13FEF1D0C2E91008E09770F7A9A5AE15600", "node-v14.2.0-linux-x64.tar.gz",
			"3307d8b95014e78b43f85242a03fe3b28edfb90cc15e1d26393dcbbc51d05c8e", false},
		{"hashicorp", "hashicorp/terraform_1.14.9_SHA256SUMS", "hashicorp/terraform_1.14.9_SHA256SUMS.sig",
			"374EC75B485913604A831CC7C820C6D5CD27AB87", "terraform_1.14.9_linux_amd64.zip",
			"2e5cffc20a0b48a67a76268723bd5a10b8666f69b2aa4f04906e206726bedd63", false},
		{"hashicorp", "hashicorp/terraform_1.0.0_SHA256SUMS", "hashicorp/terraform_1.0.0_SHA256SUMS.sig",
			"374EC75B485913604A831CC7C820C6D5CD27AB87", "terraform_1.0.0_linux_amd64.zip",
			"8be33cc3be8089019d95eb8f546f35d41926e7c1e5deff15792e969dde573eb5", false},
	} {
		var doc verify.Document
		var err error
		if test.signature == "" {
			doc, err = policy(t, test.keyring).Clearsigned(test.list, read(t, test.list))
		} else {
			doc, err = policy(t, test.keyring).Detached(test.list, read(t, test.list), read(t, test.signature))
		}
		if err != nil {
			t.Errorf("%s: %v", test.list, err)
			continue
		}
		e := doc.Evidence()
		if len(e.Signers) != 1 || e.Signers[0].Key != test.signer || e.Signers[0].Expired.IsZero() == test.expired {
			t.Errorf("%s: signed by %+v", test.list, e.Signers)
		}
		list, err := signedfiles.ParseList(doc)
		if err != nil {
			t.Errorf("%s: %v", test.list, err)
			continue
		}
		if got, err := list.Digest(test.file); err != nil || got.Hex() != test.digest {
			t.Errorf("%s: %s is %s, %v", test.list, test.file, got, err)
		}
	}
}

// TestARealListSignedWithSHA1IsRefused uses a list with a mathematically valid SHA-1
// signature by a key of the project.
func TestARealListSignedWithSHA1IsRefused(t *testing.T) {
	_, err := policy(t, "nodejs").Clearsigned("v0.10.0", read(t, "nodejs/node-v0.10.0-SHASUMS256.txt.asc"))
	var refused *verify.SignatureError
	if !errors.As(err, &refused) || !strings.Contains(strings.Join(refused.Rules, " "), "SHA-1") && !strings.Contains(strings.Join(refused.Rules, " "), "SHA1") {
		t.Errorf("got %v", err)
	}
}

func TestRealIndexes(t *testing.T) {
	hint, err := signedfiles.ParseNode(read(t, "nodejs/index.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		asked, want, labels string
		platform            manifests.Platform
	}{
		{"", "12.16.3", "stable lts lts-erbium", glibc}, {"lts", "12.16.3", "stable lts lts-erbium", glibc},
		{"latest", "14.1.0", "latest", glibc}, {"lts-dubnium", "10.20.1", "lts-dubnium", glibc}, {"lts/Argon", "4.9.1", "lts-argon", glibc},
		{"13", "13.14.0", "", glibc}, {"v0.12.18", "0.12.18", "", glibc}, {"", "12.16.3", "stable lts lts-erbium", windows},
	} {
		got, err := hint.Choose("node", manifests.Request{Tool: "node", Version: test.asked, Platform: test.platform}, manifests.SemverNumbering())
		if err != nil || got.Version != test.want || got.Missing != nil || strings.Join(got.Labels, " ") != test.labels || got.Date.IsZero() {
			t.Errorf("%q: %+v, %v", test.asked, got, err)
		}
	}
	hint, err = signedfiles.ParseHashiCorp(read(t, "hashicorp/terraform-index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	for _, v := range hint.Versions("terraform", glibc) {
		versions = append(versions, v.Version)
	}
	if !slices.Contains(versions, "0.1.0") {
		t.Errorf("versions %v", versions)
	}
	t.Log(versions)
}
