//go:build interop

package publish_test

import (
	"fmt"
	"testing"

	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

// TestKeysByGPG rotates a channel's keys between keys of gpg that sign with gpg. One keys
// document is written by hand, with its certificates.
func TestKeysByGPG(t *testing.T) {
	for name, kind := range keys() {
		t.Run(name, func(t *testing.T) {
			old, new := newGPG(t), newGPG(t)
			oldPublic, _ := old.newKey(kind)
			newPublic, _ := new.newKey(keys()["ed25519"])
			d := newDesk(t)
			attach := func(g *gpg) publish.KeysSigned {
				unsigned, err := d.ChangeKeys(publish.KeysChange{}, publish.Stamp{Now: d.now}, publish.Signature{})
				if err != nil {
					t.Fatal(err)
				}
				done, err := d.AttachKeys(g.run(unsigned.Text, "--detach-sign", "--armor"), d.now)
				if err != nil {
					t.Fatal(err)
				}
				return done
			}
			d.prepare(publish.KeysChange{Keys: [][]byte{oldPublic}})
			if done := attach(old); !done.InForce {
				t.Errorf("version 1: %+v", done)
			}
			d.prepare(publish.KeysChange{Keys: [][]byte{newPublic}})
			attach(new)
			if done := attach(old); !done.InForce {
				t.Errorf("version 2: %+v", done)
			}
			ring, err := verify.OpenKeyring(newPublic)
			if err != nil {
				t.Fatal(err)
			}
			byHand := fmt.Sprintf("format = 1\nchannel = 'acme'\nversion = 3\nissued = 2026-11-22T11:00:00Z\nexpires = 2027-02-20T11:00:00Z\n"+
				"threshold = 1\n\n[[key]]\nfingerprint = '%s'\ncertificate = '''\n%s'''\n", ring.Certificates()[0].Fingerprint, newPublic)
			u := d.upstream()
			u.Files["https://tools.acme.example/keys/2.toml"] = u.Files["https://tools.acme.example/keys.toml"]
			u.Files["https://tools.acme.example/keys/2.toml.asc"] = u.Files["https://tools.acme.example/keys.toml.asc"]
			u.Files["https://tools.acme.example/keys.toml"] = []byte(byHand)
			u.Files["https://tools.acme.example/keys.toml.asc"] = new.run([]byte(byHand), "--detach-sign", "--armor")
			if s, err := d.followAt(u, 1, oldPublic); err != nil || s.Edition.Version != 3 {
				t.Errorf("version %d, %v", s.Edition.Version, err)
			}
			u.Files["https://tools.acme.example/keys.toml"] = []byte(byHand + "\n")
			if _, err := d.followAt(u, 1, oldPublic); err == nil {
				t.Error("accepted other bytes than were signed")
			}
		})
	}
}
