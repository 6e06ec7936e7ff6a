package publish_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

func TestSignReissuesSignedManifest(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "any", "one"))
	d.sign()
	d.now = d.now.Add(24 * time.Hour)
	again := d.sign()
	if again.Mark.Serial != 2 || !again.Mark.Issued.Equal(d.now) || again.Cosigned || len(again.Claims) != 1 {
		t.Errorf("signed %+v", again)
	}
	if d.has(publish.DraftFile) {
		t.Error("a draft is left")
	}
	if _, err := d.verify(d.key); err != nil {
		t.Error(err)
	}
	d.now = d.now.Add(publish.DefaultValidity)
	if _, err := d.verify(d.key); !errors.Is(err, verify.ErrStale) {
		t.Errorf("expired: %v", err)
	}
	d.sign()
	if _, err := d.verify(d.key); err != nil {
		t.Errorf("issued again: %v", err)
	}
}

func TestCosigning(t *testing.T) {
	d := newDesk(t)
	second, secret := d.signer("second")
	d.add(addition("1.0.0", "any", "one"))
	d.sign()
	if _, err := d.verify(d.key, second); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("one signature of two: %v", err)
	}
	text := d.read(publish.ManifestFile)
	signed, err := d.Sign(secret, d.stamp())
	if err != nil {
		t.Fatal(err)
	}
	if !signed.Cosigned || len(signed.Claims) != 2 || !bytes.Equal(text, d.read(publish.ManifestFile)) {
		t.Errorf("signed %+v", signed)
	}
	if _, err := d.verify(d.key, second); err != nil {
		t.Error(err)
	}
	if _, err := d.verify(); err != nil {
		t.Errorf("by publisher.asc: %v", err)
	}

	d.now = d.now.Add(2 * publish.DefaultValidity)
	signed, err = d.Sign(secret, d.stamp())
	if err != nil || signed.Cosigned || signed.Mark.Serial != 2 {
		t.Errorf("an expired manifest is issued again: %+v, %v", signed, err)
	}
}

func TestHandEditedManifestIsTheDraft(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "any", "one"))
	d.sign()
	edited := bytes.Replace(d.read(publish.ManifestFile), []byte(`commands = ["zig"]`), []byte("# by hand\ncommands = [\"zig\", \"bin/*\"]"), 1)
	if err := d.Root.WriteFile(publish.ManifestFile, edited, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := d.verify(d.key); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("before signing: %v", err)
	}
	_, secret := d.signer("second")
	if err := d.Root.WriteFile(publish.DraftFile, edited, 0o644); err != nil {
		t.Fatal(err)
	}
	d.mustRefuse("a draft beside it", nil, func() error {
		if _, err := d.Sign(secret, d.stamp()); !errors.Is(err, manifests.ErrInput) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	if err := d.Root.Remove(publish.DraftFile); err != nil {
		t.Fatal(err)
	}
	if signed, err := d.Sign(secret, d.stamp()); err != nil || signed.Cosigned || signed.Mark.Serial != 2 || len(signed.Claims) != 1 {
		t.Errorf("signed %+v, %v", signed, err)
	}
	report, err := d.verify()
	if err != nil || !slices.Contains(report.Manifest.Releases[0].Commands, "bin/*") {
		t.Errorf("report %+v, %v", report, err)
	}
}

func TestSignRefuses(t *testing.T) {
	d := newDesk(t)
	d.add(addition("1.0.0", "any", "one"))
	d.sign()
	for name, validity := range map[string]time.Duration{"negative": -time.Hour, "over 400 days": 401 * 24 * time.Hour} {
		d.mustRefuse(name, nil, func() error {
			if _, err := d.Sign(d.secret, publish.Stamp{Now: d.now, Validity: validity}); !errors.Is(err, manifests.ErrInput) {
				t.Errorf("%s: %v", name, err)
			}
			return nil
		})
	}
	if _, err := d.Sign(d.secret, publish.Stamp{Now: d.now, Validity: 400 * 24 * time.Hour}); err != nil {
		t.Errorf("400 days: %v", err)
	}
	d.mustRefuse("a key from the future", nil, func() error {
		var key *publish.KeyError
		if _, err := d.Sign(d.secret, publish.Stamp{Now: d.now.AddDate(-2, 0, 0)}); !errors.As(err, &key) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	draft := []byte("format = 1\nchannel = \"other\"\n")
	if err := d.Root.WriteFile(publish.DraftFile, draft, 0o644); err != nil {
		t.Fatal(err)
	}
	d.mustRefuse("draft of another channel", verify.ErrUntrusted, func() error {
		_, err := d.Sign(d.secret, d.stamp())
		return err
	})
}
