package publish_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
)

func TestVerifyRefuses(t *testing.T) {
	d := newDesk(t)
	blob := d.add(addition("1.0.0", "any", "one")).Artifact.Path
	if _, err := d.verify(d.key); !errors.Is(err, publish.ErrNoChannel) {
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
			valid := d.read(test.file)
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
			if err := d.Root.WriteFile(test.file, valid, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := d.verify(); err != nil {
				t.Errorf("with the valid file: %v", err)
			}
		})
	}
	for name, make := range map[string]func() error{
		"a link that leaves": func() error { return d.Root.Symlink("/etc/hostname", blob) },
		"a directory":        func() error { return d.Root.Mkdir(blob, 0o755) },
	} {
		valid := d.read(blob)
		if err := errors.Join(d.Root.Remove(blob), make()); err != nil {
			t.Fatal(err)
		}
		if _, err := d.verify(d.key); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
		if err := errors.Join(d.Root.Remove(blob), d.Root.WriteFile(blob, valid, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.verify(stranger); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("with a stranger's key: %v", err)
	}
	if err := d.Root.Remove(publish.KeysFile); err != nil {
		t.Fatal(err)
	}
	if _, err := d.verify(); !errors.Is(err, publish.ErrNoKeys) {
		t.Errorf("without keys: %v", err)
	}
	if _, err := d.verify(d.key); err != nil {
		t.Errorf("with the key given: %v", err)
	}
}

// TestChunksOfFiles checks that files longer than a chunk get chunks, and that Verify
// checks them.
func TestChunksOfFiles(t *testing.T) {
	d := newDesk(t)
	content := strings.Repeat("0123456789abcdef", 300_000) // 4.8 MB
	large := d.add(addition("1.0.0", "any", content)).Artifact
	small := d.add(addition("1.1.0", "any", content[:verify.ChunkSize])).Artifact
	chunker := verify.NewChunker()
	io.WriteString(chunker, content)
	if large.Chunks.Len() != 2 || large.Chunks != chunker.Chunks() || small.Chunks.Len() != 0 {
		t.Fatalf("%d chunks of %d bytes, %d of %d", large.Chunks.Len(), large.Size, small.Chunks.Len(), small.Size)
	}
	d.sign()
	if _, err := d.verify(d.key); err != nil {
		t.Fatal(err)
	}
	edit := func(change func(string) string) {
		t.Helper()
		text := change(string(d.read(publish.ManifestFile)))
		if err := d.Root.WriteFile(publish.ManifestFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		d.sign()
	}
	stated := large.Chunks.String()
	wrong := "AAAA" + stated[4:]
	edit(func(text string) string { return strings.Replace(text, stated, wrong, 1) })
	var digest *verify.DigestError
	if _, err := d.verify(d.key); !errors.As(err, &digest) || !strings.HasSuffix(digest.Name, ", chunk 1") {
		t.Errorf("another digest of the first chunk: %v", err)
	}
	edit(func(text string) string { return strings.Replace(text, wrong, stated, 1) })
	if _, err := d.verify(d.key); err != nil {
		t.Errorf("corrected: %v", err)
	}
	// The same file in two releases, with other chunks in the second.
	d.add(addition("1.2.0", "any", content))
	d.sign()
	edit(func(text string) string {
		i := strings.LastIndex(text, stated)
		return text[:i] + wrong + text[i+len(stated):]
	})
	if _, err := d.verify(d.key); !errors.As(err, &digest) {
		t.Errorf("other chunks in another release: %v", err)
	}
}
