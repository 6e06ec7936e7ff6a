package publish_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// unsigned stamps the next manifest and returns the bytes to sign.
func (d *desk) unsigned() []byte {
	d.Helper()
	done, err := d.Unsigned(d.stamp())
	if err != nil {
		d.Fatal(err)
	}
	return done.Text
}

func TestSignElsewhere(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "any", "one"))
	data := d.unsigned()
	if d.has(publish.ManifestFile) || !bytes.Equal(data, d.read(publish.UnsignedFile)) {
		t.Error("the bytes to sign are not stored, or already published")
	}
	signed, err := d.Attach(d.key.Sign(t, data, d.now), d.now)
	if err != nil {
		t.Fatal(err)
	}
	if !signed.Unproved || signed.Mark.Serial != 1 || signed.Claims[0].Issuer != d.key.Primary() {
		t.Errorf("no certificate known: %+v", signed)
	}
	if d.has(publish.UnsignedFile) || d.has(publish.DraftFile) || d.has(publish.KeysFile) {
		t.Error("files are left over")
	}
	if _, err := d.verify(d.key); err != nil {
		t.Error(err)
	}

	second := verifytest.NewKey(t, "second", d.now.AddDate(-1, 0, 0))
	signed, err = d.Attach(second.Sign(t, data, d.now), d.now, second.Public(t))
	if err != nil || signed.Unproved || !signed.Cosigned || signed.Unchanged || len(signed.Claims) != 2 {
		t.Errorf("co-signed %+v, %v", signed, err)
	}
	if _, err := d.verify(d.key, second); err != nil {
		t.Error(err)
	}
	before := d.snapshot()
	signed, err = d.Attach(d.read(publish.SignatureFile), d.now)
	if after := d.snapshot(); err != nil || !signed.Unchanged || before[publish.SignatureFile] != after[publish.SignatureFile] {
		t.Errorf("the same again: %+v, %v", signed, err)
	}
}

func TestAttachRefuses(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "any", "one"))
	d.sign() // now publisher.asc knows the key
	d.add(addition("1.1.0", "any", "two"))
	data := d.unsigned()
	good := d.key.Sign(t, data, d.now)

	forged := binary(t, good)
	forged[len(forged)-1] ^= 1

	for name, test := range map[string]struct {
		sig  []byte
		want error
	}{
		"over other bytes":      {d.key.Sign(t, append(bytes.Clone(data), '\n'), d.now), verify.ErrUntrusted},
		"forged":                {forged, verify.ErrUntrusted},
		"empty":                 {nil, verify.ErrUntrusted},
		"not a signature":       {[]byte("hello\n"), verify.ErrUntrusted},
		"a certificate":         {d.key.Public(t), verify.ErrUntrusted},
		"cut":                   {good[:len(good)/2], verify.ErrUntrusted},
		"with text around it":   {append([]byte("see:\n"), good...), verify.ErrUntrusted},
		"made in the future":    {d.key.Sign(t, data, d.now.Add(time.Hour)), verify.ErrUntrusted},
		"half over other bytes": {mustAppend(t, good, d.key.Sign(t, []byte("x"), d.now)), verify.ErrUntrusted},
		"over a published text": {d.key.Sign(t, []byte("format = 1\n"), d.now), verify.ErrUntrusted},
	} {
		d.mustRefuse(name, test.want, func() error {
			_, err := d.Attach(test.sig, d.now)
			return err
		})
	}
	d.mustRefuse("an expired manifest", verify.ErrStale, func() error {
		_, err := d.Attach(good, d.now.Add(publish.DefaultValidity))
		return err
	})
	d.mustRefuse("not a certificate", verify.ErrUntrusted, func() error {
		_, err := d.Attach(good, d.now, []byte("not a certificate"))
		return err
	})
	if signed, err := d.Attach(binary(t, good), d.now); err != nil || signed.Unproved || signed.Mark.Serial != 2 {
		t.Errorf("a valid signature: %+v, %v", signed, err)
	}
	empty := newDesk(t)
	empty.add(addition("1.0.0", "any", "one"))
	if _, err := empty.Attach(good, d.now); err == nil {
		t.Error("attached a signature although no document waits for one")
	}
}

// binary returns the binary form of a signature.
func binary(t *testing.T, armored []byte) []byte {
	t.Helper()
	_, body, _ := strings.Cut(string(armored), "\n\n")
	body, _, _ = strings.Cut(body, "\n=") // the checksum
	data, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(body, "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustAppend(t *testing.T, a, b []byte) []byte {
	t.Helper()
	both, err := verify.AppendSignature(a, b)
	if err != nil {
		t.Fatal(err)
	}
	return both
}

// TestAttachKeepsLaterDraft checks that releases added while a signature is made
// elsewhere are not lost.
func TestAttachKeepsLaterDraft(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "any", "one"))
	data := d.unsigned()
	d.add(addition("1.1.0", "any", "two"))
	if _, err := d.Attach(d.key.Sign(t, data, d.now), d.now); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(d.read(publish.DraftFile), []byte("1.1.0")) || bytes.Contains(d.read(publish.ManifestFile), []byte("1.1.0")) {
		t.Error("the later addition is no longer in the draft")
	}
	if s := d.sign(); s.Mark.Serial != 2 {
		t.Errorf("serial %d", s.Mark.Serial)
	}
}

// TestSerialsAreNeverUsedTwice checks that a manifest stamped while another one is being
// signed elsewhere gets another serial, so that there are never two with the same.
func TestSerialsAreNeverUsedTwice(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "any", "one"))
	data := d.unsigned() // serial 1
	if s := d.sign(); s.Mark.Serial != 2 {
		t.Fatalf("serial %d", s.Mark.Serial)
	}
	d.mustRefuse("a superseded manifest", verify.ErrUntrusted, func() error {
		_, err := d.Attach(d.key.Sign(t, data, d.now), d.now)
		return err
	})
	if err := d.Root.WriteFile(publish.UnsignedFile, data, 0o644); err != nil {
		t.Fatal(err)
	}
	d.mustRefuse("a superseded manifest, put back", verify.ErrStale, func() error {
		_, err := d.Attach(d.key.Sign(t, data, d.now), d.now)
		return err
	})
}

// TestAttachToHandWrittenManifest signs a manifest that kist did not stamp.
func TestAttachToHandWrittenManifest(t *testing.T) {
	d := newDesk(t)
	if err := d.Root.Remove(publish.DraftFile); err != nil {
		t.Fatal(err)
	}
	text := []byte("format = 1\nchannel = \"acme\" # mine\nserial = 7\nissued = 2026-11-22T10:00:00Z\nexpires = 2027-01-01T00:00:00Z\n")
	if err := d.Root.WriteFile(publish.ManifestFile, text, 0o644); err != nil {
		t.Fatal(err)
	}
	signed, err := d.Attach(d.key.Sign(t, text, d.now), d.now, d.key.Public(t))
	if err != nil || signed.Mark.Serial != 7 || signed.Cosigned || signed.Unproved {
		t.Errorf("signed %+v, %v", signed, err)
	}
	if !bytes.Equal(text, d.read(publish.ManifestFile)) {
		t.Error("the text was changed")
	}
	if _, err := d.verify(d.key); err != nil {
		t.Error(err)
	}
	bare := []byte("format = 1\nchannel = \"acme\"\n")
	if err := d.Root.WriteFile(publish.ManifestFile, bare, 0o644); err != nil {
		t.Fatal(err)
	}
	d.mustRefuse("without a stamp", verify.ErrUntrusted, func() error {
		_, err := d.Attach(d.key.Sign(t, bare, d.now), d.now, d.key.Public(t))
		return err
	})
	if err := d.Root.Remove(publish.KeysFile); err != nil {
		t.Fatal(err)
	}
	if _, err := d.verify(); !errors.Is(err, publish.ErrNoKeys) {
		t.Errorf("without keys: %v", err)
	}
}
