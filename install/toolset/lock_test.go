package toolset_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/lockfile"
	"github.com/kist-tools/kist/verify"
)

const alice, mallory = verify.Fingerprint("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), verify.Fingerprint("CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC")

func signed(kind verify.Kind, signers ...verify.Fingerprint) (e verify.Evidence) {
	e.Kind = kind
	for _, f := range signers {
		e.Signers = append(e.Signers, verify.Signer{Primary: f})
	}
	return e
}

// TestLockedAndInstalled checks that an installed release must have been proved as the lock
// says, by a signed document or by the signatures of its files, and that a lock does not
// change which version update follows, while a request does.
func TestLockedAndInstalled(t *testing.T) {
	digest, signature := verify.DigestOf([]byte("bytes")), verify.DigestOf([]byte("signature"))
	linux := manifests.Platform{OS: "linux", Arch: "amd64", Libc: "gnu"}
	byFile := func(kind verify.Kind, signers ...verify.Fingerprint) verify.Evidence {
		e := signed(kind, signers...)
		e.Proof = signature
		return e
	}
	tree := verify.Evidence{Kind: verify.ByTree, Tree: &verify.Tree{H1: "h1:a"}}
	for _, test := range []struct {
		name              string
		release, artifact verify.Evidence
		proof             lockfile.Proof
		file              lockfile.File
		want              string // "" if it is as locked
	}{
		{"a signed manifest", signed(verify.ByDetached, alice), signed(verify.ByDigest), lockfile.Proof{Kind: verify.ByDetached, Signers: []verify.Fingerprint{alice}}, lockfile.File{Digest: digest}, ""},
		{"another signer", signed(verify.ByDetached, mallory), signed(verify.ByDigest), lockfile.Proof{Kind: verify.ByDetached, Signers: []verify.Fingerprint{alice}}, lockfile.File{Digest: digest}, "is not one of its signers"},
		{"no signer", signed(verify.ByDetached), signed(verify.ByDigest), lockfile.Proof{Kind: verify.ByDetached, Signers: []verify.Fingerprint{alice}}, lockfile.File{Digest: digest}, "nobody had signed it"},
		{"another kind", signed(verify.ByClearsigned, alice), signed(verify.ByDigest), lockfile.Proof{Kind: verify.ByDetached, Signers: []verify.Fingerprint{alice}}, lockfile.File{Digest: digest}, "not by openpgp-detached"},
		{"other bytes", signed(verify.ByDetached, alice), signed(verify.ByDigest), lockfile.Proof{Kind: verify.ByDetached, Signers: []verify.Fingerprint{alice}}, lockfile.File{Digest: signature}, "was installed from other bytes"},
		{"signed files", verify.Evidence{}, byFile(verify.ByDetached, alice), lockfile.Proof{Signers: []verify.Fingerprint{alice}}, lockfile.File{Signature: signature}, ""},
		{"files that another key signed", verify.Evidence{}, byFile(verify.ByDetached, mallory), lockfile.Proof{Signers: []verify.Fingerprint{alice}}, lockfile.File{Signature: signature}, "is not one of its signers"},
		{"a checksum database", verify.Evidence{}, tree, lockfile.Proof{Kind: verify.ByTree}, lockfile.File{H1: "h1:a"}, ""},
		{"signed files, where the lock has a manifest", verify.Evidence{}, byFile(verify.ByDetached, alice), lockfile.Proof{Kind: verify.ByDetached, Signers: []verify.Fingerprint{alice}}, lockfile.File{Signature: signature}, "it was proved by signatures of its files"},
	} {
		t.Run(test.name, func(t *testing.T) {
			have := head("acme", "hello", "1.2.0", "hello")
			have.Requested, have.Evidence = "1.2", test.release
			have.Artifacts = []record.Artifact{{Name: "hello.tar.gz", Component: "hello", Digest: digest, Evidence: test.artifact}}
			s := newSet(t, have)
			s.Desk.Platform = linux
			writeCommand(t, s, have, "hello", 0o755)
			test.file.Component, test.file.Name = "hello", "hello.tar.gz"
			locked := lockfile.Tool{Ask: "hello@1.2", Channel: "acme", Name: "hello", Version: "1.2.0", Proof: test.proof,
				Platforms: []lockfile.Platform{{Platform: linux, Files: []lockfile.File{test.file}}}}
			wants, err := s.LockedWants("kist.lock", []lockfile.Tool{locked})
			if err != nil {
				t.Fatal(err)
			}
			c, already, err := s.Installation(t.Context(), wants, plan.FirstBecomesDefault)
			if test.want != "" {
				mismatch, ok := errors.AsType[*lockfile.MismatchError](err)
				if !ok || !mismatch.Installed || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want a *MismatchError with %q", err, test.want)
				}
				return
			}
			if err != nil || len(already) != 1 || len(c.Follow) != 0 {
				t.Errorf("installed already: %v, follow %v: %v", already, c.Follow, err)
			}
			wants[0].Locked = nil
			if c, _, err = s.Installation(t.Context(), wants, plan.FirstBecomesDefault); err != nil || c.Follow[have.ID] != "=1.2.0" {
				t.Errorf("a request: follow %v: %v", c.Follow, err)
			}
		})
	}
}
