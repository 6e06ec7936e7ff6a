package publish_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// upstream serves the directory as a web server does.
func (d *desk) upstream() *manifesttest.Upstream {
	d.Helper()
	u := &manifesttest.Upstream{Files: map[string][]byte{}}
	err := fs.WalkDir(d.Root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		u.Files["https://tools.acme.example/"+name], err = d.Root.ReadFile(name)
		return err
	})
	if err != nil {
		d.Fatal(err)
	}
	return u
}

// follow returns the source of a user who has keys, after it followed the keys documents.
func (d *desk) follow(threshold int, keys ...*verifytest.Key) (native.Source, error) {
	var files [][]byte
	for _, k := range keys {
		files = append(files, k.Public(d))
	}
	return d.followAt(d.upstream(), threshold, files...)
}

func (d *desk) followAt(u *manifesttest.Upstream, threshold int, keys ...[]byte) (native.Source, error) {
	d.Helper()
	ring, err := verify.OpenKeyring(keys...)
	if err != nil {
		d.Fatal(err)
	}
	s := native.Source{Channel: "acme", URL: "https://tools.acme.example/channel.toml",
		Policy: verify.Policy{Keys: ring, Threshold: threshold}}
	s, _, err = s.Rotate(context.Background(), u, d.now)
	return s, err
}

func (d *desk) prepare(c publish.KeysChange) publish.KeysSigned {
	d.Helper()
	done, err := d.PrepareKeys(c, d.stamp())
	if err != nil {
		d.Fatal(err)
	}
	return done
}

func (d *desk) signKeys(key *verify.SecretKey) publish.KeysSigned {
	d.Helper()
	done, err := d.SignKeys(key, d.stamp())
	if err != nil {
		d.Fatal(err)
	}
	return done
}

func TestKeysComeIntoForceWithEnoughSigners(t *testing.T) {
	d := newDesk(t)
	second, secondSecret := d.signer("second")
	third, thirdSecret := d.signer("third")
	_, stranger := d.signer("stranger")

	d.prepare(publish.KeysChange{Keys: [][]byte{d.key.Public(t), second.Public(t)}, Threshold: 2})
	if done := d.signKeys(d.secret); done.InForce || done.New != (publish.Quorum{Need: 2, Have: 1}) {
		t.Errorf("one of two: %+v", done)
	}
	if done := d.signKeys(d.secret); done.InForce || !done.Unchanged {
		t.Errorf("the same signer again: %+v", done)
	}
	if _, err := d.SignKeys(stranger, d.stamp()); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a stranger: %v", err)
	}
	if s, err := d.follow(1, d.key); err != nil || s.Edition.Version != 0 {
		t.Errorf("users see version %d before it is in force: %v", s.Edition.Version, err)
	}
	if done := d.signKeys(secondSecret); !done.InForce {
		t.Errorf("both: %+v", done)
	}
	if s, err := d.follow(2, d.key, second); err != nil || s.Edition.Version != 1 || s.Policy.Threshold != 2 {
		t.Errorf("version %d, %v", s.Edition.Version, err)
	}

	// third replaces second: both old keys and third must sign.
	if done := d.prepare(publish.KeysChange{Keys: [][]byte{d.key.Public(t), third.Public(t)}, Revoke: []verify.Fingerprint{second.Primary()}}); done.Version != 2 || done.Threshold != 2 {
		t.Errorf("prepared %+v", done)
	}
	if done := d.signKeys(thirdSecret); done.InForce || done.New.Have != 1 || done.Old.Have != 0 {
		t.Errorf("third alone: %+v", done)
	}
	if done := d.signKeys(d.secret); done.InForce || done.New.Have != 2 || done.Old.Have != 1 {
		t.Errorf("third and first: %+v", done)
	}
	unsigned, err := d.ChangeKeys(publish.KeysChange{}, publish.Stamp{Now: d.now}, publish.Signature{})
	if err != nil {
		t.Fatal(err)
	}
	other := append(bytes.Clone(unsigned.Text), '\n')
	if _, err := d.AttachKeys(second.Sign(t, other, d.now), d.now); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a signature over other bytes: %v", err)
	}
	if done, err := d.AttachKeys(second.Sign(t, unsigned.Text, d.now), d.now); err != nil || !done.InForce {
		t.Errorf("all: %+v, %v", done, err)
	}
	s, err := d.follow(2, d.key, second)
	if err != nil || s.Edition.Version != 2 || len(s.Edition.Revoked) != 1 {
		t.Errorf("version %d, %v", s.Edition.Version, err)
	}
	if _, err := d.PrepareKeys(publish.KeysChange{Keys: [][]byte{second.Public(t), third.Public(t)}}, d.stamp()); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("a revoked key again: %v", err)
	}

	// From now on these keys must sign the manifest.
	d.add(addition("1.0.0", "linux/amd64", "one"))
	var refused *publish.KeyError
	if _, err := d.Sign(secondSecret, d.stamp()); !errors.As(err, &refused) {
		t.Errorf("the manifest signed by a revoked key: %v", err)
	}
	if signed := d.sign(); signed.Published || signed.Signers != (publish.Quorum{Need: 2, Have: 1}) || !slices.Equal(signed.Missing, []verify.Fingerprint{third.Primary()}) {
		t.Errorf("one of two signed the manifest: %+v", signed)
	}
	if d.has(publish.ManifestFile) || d.has(publish.DraftFile) {
		t.Error("it was published, or is still a draft")
	}
	if signed, err := d.Sign(thirdSecret, d.stamp()); err != nil || !signed.Published || !signed.Cosigned {
		t.Fatalf("%+v, %v", signed, err)
	}
	if d.has(publish.NextFile) || d.has(publish.NextFile+".asc") {
		t.Error("it still waits for signatures")
	}
	if report, err := d.verify(); err != nil || report.Evidence.Mark.Keys.Version != 2 {
		t.Errorf("%+v, %v", report.Evidence.Mark, err)
	}
	if _, err := d.verify(d.key, second); err != nil {
		t.Errorf("a user with the first keys: %v", err)
	}
}

// TestKeysChangeWithoutAGap checks that a new signer can sign the manifest while the keys
// document that lists it still waits, so that users can verify the manifest at all times.
func TestKeysChangeWithoutAGap(t *testing.T) {
	d := newDesk(t)
	second, secondSecret := d.signer("second")
	d.add(addition("1.0.0", "linux/amd64", "one"))
	d.sign()
	d.prepare(publish.KeysChange{Keys: [][]byte{d.key.Public(t)}})
	if done := d.signKeys(d.secret); !done.InForce {
		t.Errorf("version 1: %+v", done)
	}
	var refused *publish.KeyError
	if _, err := d.Sign(secondSecret, d.stamp()); !errors.As(err, &refused) {
		t.Errorf("before the key was listed: %v", err)
	}
	d.prepare(publish.KeysChange{Keys: [][]byte{second.Public(t)}})
	d.signKeys(secondSecret)
	if done := d.signKeys(d.secret); done.InForce || !done.Enough() || done.Manifest != (publish.Quorum{Need: 1}) ||
		!slices.Equal(done.ManifestMissing, []verify.Fingerprint{second.Primary()}) {
		t.Errorf("before the new signer signed the manifest: %+v", done)
	}
	if _, err := d.verify(d.key); err != nil {
		t.Errorf("a user with the first key: %v", err)
	}
	if signed, err := d.Sign(secondSecret, d.stamp()); err != nil || !signed.Cosigned || signed.Keys != 2 {
		t.Errorf("while the keys document waits: %+v, %v", signed, err)
	}
	if _, err := d.verify(d.key); err != nil {
		t.Errorf("a user with the first key, afterwards: %v", err)
	}
	d.prepare(publish.KeysChange{Keys: [][]byte{d.key.Public(t)}})
	d.signKeys(d.secret)
	if done := d.signKeys(secondSecret); !done.InForce {
		t.Errorf("version 3, whose key has signed the manifest: %+v", done)
	}
}

func TestSignKeysReissuesSignedKeys(t *testing.T) {
	d := newDesk(t)
	d.prepare(publish.KeysChange{Keys: [][]byte{d.key.Public(t)}})
	if done := d.signKeys(d.secret); !done.InForce || done.Version != 1 {
		t.Fatalf("%+v", done)
	}
	d.now = d.now.AddDate(0, 10, 0)
	if done := d.signKeys(d.secret); !done.InForce || done.Version != 2 || !done.Expires.Equal(d.now.Add(publish.DefaultKeysValidity)) {
		t.Errorf("%+v", done)
	}
	d.now = d.now.AddDate(2, 0, 0)
	if _, err := d.follow(1, d.key); !errors.Is(err, verify.ErrStale) {
		t.Errorf("after it expired: %v", err)
	}
	if done := d.signKeys(d.secret); !done.InForce || done.Version != 3 {
		t.Errorf("%+v", done)
	}
	if s, err := d.follow(1, d.key); err != nil || s.Edition.Version != 3 {
		t.Errorf("version %d, %v", s.Edition.Version, err)
	}
}

func TestPrepareKeysRefuses(t *testing.T) {
	d := newDesk(t)
	input := func(err error) bool { return errors.Is(err, manifests.ErrInput) }
	refused := func(err error) bool { _, ok := errors.AsType[*publish.KeyError](err); return ok }
	expired := verifytest.NewExpiringKey(t, "old", d.now.AddDate(-2, 0, 0), 24*time.Hour)
	stranger, err := verify.OpenKeyring(verifytest.NewKey(t, "stranger", d.now.AddDate(-1, 0, 0)).Public(t))
	if err != nil {
		t.Fatal(err)
	}
	own, err := verify.OpenKeyring(d.key.Public(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change publish.KeysChange
		want   func(error) bool
	}{
		"no key":                 {publish.KeysChange{}, input},
		"threshold too high":     {publish.KeysChange{Keys: [][]byte{d.key.Public(t)}, Threshold: 2}, input},
		"threshold over 5":       {publish.KeysChange{Keys: [][]byte{d.key.Public(t)}, Threshold: 6}, input},
		"an expired key":         {publish.KeysChange{Keys: [][]byte{expired.Public(t)}}, refused},
		"signed by none of them": {publish.KeysChange{Keys: [][]byte{d.key.Public(t)}, Signer: stranger}, refused},
		"listed and revoked":     {publish.KeysChange{Keys: [][]byte{d.key.Public(t)}, Revoke: []verify.Fingerprint{d.key.Primary()}}, nil},
	} {
		_, err := d.PrepareKeys(test.change, d.stamp())
		if test.want != nil && !test.want(err) || test.want == nil && !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
		if pending, err := d.KeysPending(); pending || err != nil {
			t.Errorf("%s: a keys document was written (%v)", name, err)
		}
	}
	d.prepare(publish.KeysChange{Keys: [][]byte{d.key.Public(t)}, Signer: own})
}
