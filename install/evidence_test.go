package install_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/kist-tools/kist/install/internal/roots"
	"github.com/kist-tools/kist/install/plan"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// signed gives a release evidence that keeps a document, a signature of its own
// and a certificate that others share.
func signed(r manifests.Release, document, signature string) manifests.Release {
	r.Evidence = verify.Evidence{Kind: verify.ByDetached, Name: "channel.toml", Digest: verify.DigestOf([]byte(document)),
		Proof: verify.DigestOf([]byte(signature)), Certificates: []verify.Digest{verify.DigestOf([]byte("certificate"))}}
	for _, text := range []string{document, signature, "certificate"} {
		r.Evidence.Blobs = append(r.Evidence.Blobs, verify.Blob{Digest: verify.DigestOf([]byte(text)), Data: []byte(text)})
	}
	return r
}

func TestEvidenceStaysWhileAReceiptNeedsIt(t *testing.T) {
	w := newWorld(t)
	has := func(want bool, texts ...string) {
		t.Helper()
		for _, text := range texts {
			data, err := w.kist().Evidence(verify.DigestOf([]byte(text)))
			if want && (err != nil || string(data) != text) || !want && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%q: %q, %v; want it there: %v", text, data, err, want)
			}
		}
	}
	one := w.install(signed(w.release("one", "1.0", "bin/one"), "document 1", "signature 1"))
	two := w.install(signed(w.release("two", "1.0", "bin/two"), "document 2", "signature 2"))
	has(true, "document 1", "signature 1", "document 2", "signature 2", "certificate")

	w.must(plan.Change{Remove: []record.ID{one.ID}})
	has(false, "document 1", "signature 1")
	has(true, "document 2", "signature 2", "certificate")

	name := ".local/state/kist/evidence/sha256/" + verify.DigestOf([]byte("signature 2")).Hex()
	w.write(name, "another signature")
	if _, err := w.kist().Evidence(verify.DigestOf([]byte("signature 2"))); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("changed evidence: %v", err)
	}

	// What a crash left between storing and publishing goes with the next change.
	w.write(".local/state/kist/evidence/sha256/"+verify.DigestOf([]byte("left over")).Hex(), "left over")
	three := w.install(signed(w.release("three", "1.0", "bin/three"), "document 3", "signature 3"))
	has(false, "left over")

	w.must(plan.Change{Remove: []record.ID{two.ID, three.ID}})
	has(false, "document 2", "document 3", "signature 3", "certificate")
	if data, err := os.ReadFile(w.path(name)); err != nil || string(data) != "another signature" {
		t.Errorf("what is not evidence was removed by its name: %v", err)
	}
	if err := os.Remove(w.path(name)); err != nil {
		t.Fatal(err)
	}
	four := w.install(w.release("four", "1.0", "bin/four"))
	w.must(plan.Change{Remove: []record.ID{four.ID}})
	if _, err := w.kist().Roots().Dir(roots.State).Lstat("evidence"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the directory stays: %v", err)
	}
}
