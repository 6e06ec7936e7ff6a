package publish_test

import (
	"errors"
	"testing"

	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

func TestVerifyRefuses(t *testing.T) {
	d := newDesk(t)
	blob := d.add(addition("1.0.0", "any", "one")).Artifact.Path
	if _, err := d.verify(d.key); !errors.As(err, new(*publish.NoChannelError)) {
		t.Errorf("a draft only: %v", err)
	}
	d.sign()
	stranger, _ := d.signer("stranger")
	for name, test := range map[string]struct {
		file    string
		content string // empty: removed
	}{
		"blob missing":       {blob, ""},
		"blob changed":       {blob, "two"},
		"blob longer":        {blob, "one and more"},
		"blob shorter":       {blob, "on"},
		"signature missing":  {publish.SignatureFile, ""},
		"signature empty":    {publish.SignatureFile, "\n"},
		"signature binary":   {publish.SignatureFile, string(binary(t, d.read(publish.SignatureFile)))},
		"manifest edited":    {publish.ManifestFile, string(d.read(publish.ManifestFile)) + "# more\n"},
		"manifest empty":     {publish.ManifestFile, "\n"},
		"certificate broken": {publish.KeysFile, "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"},
	} {
		t.Run(name, func(t *testing.T) {
			honest := d.read(test.file)
			var err error
			if test.content == "" {
				err = d.Root.Remove(test.file)
			} else {
				err = d.Root.WriteFile(test.file, []byte(test.content), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.verify(); !errors.Is(err, verify.ErrUntrusted) {
				t.Errorf("got %v", err)
			}
			if err := d.Root.WriteFile(test.file, honest, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := d.verify(); err != nil {
				t.Errorf("honest twin: %v", err)
			}
		})
	}
	for name, make := range map[string]func() error{
		"a link that leaves": func() error { return d.Root.Symlink("/etc/hostname", blob) },
		"a directory":        func() error { return d.Root.Mkdir(blob, 0o755) },
	} {
		honest := d.read(blob)
		if err := errors.Join(d.Root.Remove(blob), make()); err != nil {
			t.Fatal(err)
		}
		if _, err := d.verify(d.key); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
		if err := errors.Join(d.Root.Remove(blob), d.Root.WriteFile(blob, honest, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.verify(stranger); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("with a stranger's key: %v", err)
	}
	if err := d.Root.Remove(publish.KeysFile); err != nil {
		t.Fatal(err)
	}
	if _, err := d.verify(); !errors.As(err, new(*publish.NoKeysError)) {
		t.Errorf("without keys: %v", err)
	}
	if _, err := d.verify(d.key); err != nil {
		t.Errorf("with the key given: %v", err)
	}
}
