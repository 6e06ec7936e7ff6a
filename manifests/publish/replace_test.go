package publish_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/manifesttest"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/publish"
	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
	"github.com/kist-tools/kist/verify/verifytest/short"
)

// TestMixedStates publishes a channel, new editions of it and new keys, and remembers
// the directory after each file that is written. A user whose cache has each document
// and its signatures from any two of these moments, and the rest from the later one,
// must accept them.
func TestMixedStates(t *testing.T) {
	d := newDesk(t)
	second, secondSecret := d.signer("second")
	var states []map[string]string
	d.Wrote = func(string) {
		if d.has(publish.ManifestFile) && d.has(publish.RotationFile) {
			states = append(states, d.snapshot())
		}
	}
	d.add(addition("1.0.0", "any", "one"))
	d.sign()
	d.prepare(publish.KeysChange{Keys: [][]byte{d.key.Public(t)}})
	d.signKeys(d.secret)
	first := [][]byte{d.key.Public(t)}

	d.now = d.now.Add(time.Hour)
	d.add(addition("1.1.0", "any", "two"))
	d.sign()
	d.prepare(publish.KeysChange{Keys: [][]byte{d.key.Public(t), second.Public(t)}})
	d.signKeys(d.secret)
	if done := d.signKeys(secondSecret); done.Version != 2 || !done.InForce {
		t.Fatalf("keys %+v", done)
	}
	d.sign()
	if signed, err := d.Sign(secondSecret, d.stamp()); err != nil || !signed.Cosigned {
		t.Fatalf("%+v, %v", signed, err)
	}
	if _, err := d.verify(); err != nil {
		t.Fatal(err)
	}

	pairs, step := 0, short.Step(t, 4)
	for i, a := range states {
		for j, b := range states {
			if pairs++; pairs%step != 0 {
				continue
			}
			u := &manifesttest.Upstream{Files: map[string][]byte{}}
			for name, data := range states[max(i, j)] {
				u.Files["https://tools.acme.example/"+name] = []byte(data)
			}
			for _, name := range []string{publish.ManifestFile, publish.RotationFile} {
				u.Files["https://tools.acme.example/"+name] = []byte(a[name])
				u.Files["https://tools.acme.example/"+name+".asc"] = []byte(b[name+".asc"])
			}
			source, err := d.followAt(u, 1, first...)
			if err == nil {
				_, err = source.Fetch(context.Background(), u, manifests.Query{Now: d.now})
			}
			if err != nil {
				t.Errorf("documents of moment %d, signatures of moment %d: %v", i, j, err)
			}
		}
	}
	if len(states) < 12 {
		t.Errorf("only %d moments", len(states))
	}
}

// TestCopiesOfSignatures checks that the copies are those of the published files, and
// that further signatures reach them too.
func TestCopiesOfSignatures(t *testing.T) {
	d := newDesk(t)
	secondKey, second := d.signer("second")
	name := func(document string) string {
		return native.SignaturesOf(verify.DigestOf(d.read(document)))
	}
	same := func(what, document string) {
		t.Helper()
		if string(d.read(name(document))) != string(d.read(document+".asc")) {
			t.Errorf("%s: %s is not a copy of %s.asc", what, name(document), document)
		}
	}
	d.sign()
	same("the first edition", publish.ManifestFile)
	if signed, err := d.Sign(second, d.stamp()); err != nil || !signed.Cosigned {
		t.Fatalf("%+v, %v", signed, err)
	}
	same("a further signature", publish.ManifestFile)

	d.prepare(publish.KeysChange{Keys: [][]byte{d.key.Public(t), secondKey.Public(t)}, Threshold: 2})
	d.signKeys(d.secret)
	if done := d.signKeys(second); !done.InForce {
		t.Fatalf("keys %+v", done)
	}
	same("keys", publish.RotationFile)

	// What waits for signatures has no copy, because nobody fetches it.
	d.add(addition("1.0.0", "any", "one"))
	if waiting := d.sign(); waiting.Published || d.has(native.SignaturesOf(waiting.Mark.Digest)) {
		t.Errorf("a waiting edition: %+v", waiting)
	}
	if signed, err := d.Sign(second, d.stamp()); err != nil || !signed.Published {
		t.Fatalf("%+v, %v", signed, err)
	}
	same("two signers", publish.ManifestFile)

	// A channel whose earlier edition has none gets it when that is replaced.
	old := name(publish.ManifestFile)
	if err := d.Root.Remove(old); err != nil {
		t.Fatal(err)
	}
	if _, err := d.verify(); err != nil {
		t.Errorf("without copies: %v", err)
	}
	d.sign()
	if signed, err := d.Sign(second, d.stamp()); err != nil || !signed.Published {
		t.Fatalf("%+v, %v", signed, err)
	}
	if !d.has(old) {
		t.Error("the replaced edition has no copy of its signatures")
	}
	same("the next edition", publish.ManifestFile)
}

// TestVerifyReadsCopiesOfSignatures checks that copies that users could not use are
// reported, for each document that has one.
func TestVerifyReadsCopiesOfSignatures(t *testing.T) {
	d := newDesk(t)
	stranger, _ := d.signer("stranger")
	d.sign()
	d.prepare(publish.KeysChange{Keys: [][]byte{d.key.Public(t)}})
	d.signKeys(d.secret)
	d.now = d.now.Add(time.Hour)
	d.signKeys(d.secret)                                                            // version 2
	for _, document := range []string{publish.ManifestFile, publish.RotationFile} { // the copies do not hide what is wrong beside the documents
		valid := d.read(document + ".asc")
		if err := d.Root.WriteFile(document+".asc", d.key.Sign(t, []byte("other"), d.now), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := d.verify(); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s with other signatures: %v", document, err)
		}
		if err := d.Root.WriteFile(document+".asc", valid, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, document := range []string{publish.ManifestFile, publish.RotationFile, native.KeysFileOf(1)} {
		data := d.read(document)
		name := native.SignaturesOf(verify.DigestOf(data))
		valid := d.read(name)
		for title, content := range map[string][]byte{
			"of other bytes": d.key.Sign(t, []byte("other"), d.now),
			"empty":          {},
			"no signature":   data,
			"too large":      []byte(strings.Repeat("x", manifests.MaxSignature+1)),
			"by a stranger":  verifytest.Cosign(t, data, d.now, stranger),
		} {
			if title == "by a stranger" && document == native.KeysFileOf(1) {
				continue // its keys may have expired, so only the bytes are compared
			}
			if err := d.Root.WriteFile(name, content, 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := d.verify(); !errors.Is(err, verify.ErrUntrusted) {
				t.Errorf("%s, %s: %v", document, title, err)
			}
		}
		if err := d.Root.WriteFile(name, valid, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := d.verify(); err != nil {
			t.Errorf("%s with its own: %v", document, err)
		}
	}
}
