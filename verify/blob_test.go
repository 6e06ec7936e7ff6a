package verify_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/kist-tools/kist/verify"
	"github.com/kist-tools/kist/verify/verifytest"
)

// piece returns the piece of e.Blobs with that digest.
func piece(t *testing.T, e verify.Evidence, d verify.Digest) []byte {
	t.Helper()
	for _, k := range e.Blobs {
		if verify.DigestOf(k.Data) != k.Digest {
			t.Errorf("the data of %s has another digest", k.Digest)
		}
		if k.Digest == d {
			return k.Data
		}
	}
	t.Fatalf("%s was not kept", d)
	return nil
}

// The stored document, signatures and certificates are enough to repeat a proof.
func TestStoredEvidenceProvesAgain(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	a, b := verifytest.NewKey(t, "a", now.AddDate(-1, 0, 0)), verifytest.NewKey(t, "b", now.AddDate(-1, 0, 0))
	policy := verify.Policy{Keys: verifytest.Keyring(t, a, b), Threshold: 2, Now: now}
	text := []byte("the text\n")

	d, err := policy.Detached("text", text, verifytest.Cosign(t, text, now, a, b))
	if err != nil {
		t.Fatal(err)
	}
	e := d.Evidence()
	var certificates [][]byte
	for _, c := range e.Certificates {
		certificates = append(certificates, piece(t, e, c))
	}
	ring, err := verify.OpenKeyring(certificates...)
	if err != nil || len(ring.Certificates()) != 2 {
		t.Fatalf("%d certificates were kept, %v", len(e.Certificates), err)
	}
	policy.Keys = ring
	if _, err := policy.Detached("text", piece(t, e, e.Digest), piece(t, e, e.Proof)); err != nil {
		t.Errorf("detached: %v", err)
	}
	if _, err := policy.Detached("text", []byte("another text\n"), piece(t, e, e.Proof)); !errors.Is(err, verify.ErrUntrusted) {
		t.Errorf("another text: %v", err)
	}

	policy.Threshold = 1
	d, err = policy.Clearsigned("text", verifytest.Clearsign(t, text, now, a))
	if err != nil {
		t.Fatal(err)
	}
	e = d.Evidence()
	if again, err := policy.Clearsigned("text", piece(t, e, e.Proof)); err != nil || !bytes.Equal(again.Bytes(), d.Bytes()) {
		t.Errorf("clear-signed: %v", err)
	}
	child, err := d.Child("child", []byte("a list"), verify.DigestOf([]byte("a list")))
	if err != nil {
		t.Fatal(err)
	}
	piece(t, child.Evidence(), child.Evidence().Digest)
}

// The stored answers of a checksum database prove a record again, for a tree of any
// size.
func TestReplayRepeatsAProof(t *testing.T) {
	db := filledDB(t)
	p := treePolicy(t, db)
	first, err := p.Lookup(t.Context(), db.Read, verify.Mark{}, toolchain, go1244)
	if err != nil {
		t.Fatal(err)
	}
	db.Fill(t, 700)
	grown, err := p.Lookup(t.Context(), db.Read, first.Mark, toolchain, go1244)
	if err != nil {
		t.Fatal(err)
	}
	db.Fill(t, 10)
	for name, proof := range map[string]verify.TreeProof{"first": first, "grown": grown} {
		e := proof.Evidence
		kept := piece(t, e, e.Proof)
		again, err := p.Replay(e, kept)
		if err != nil || again.H1 != h1244 || *again.Evidence.Tree != *e.Tree {
			t.Errorf("%s: %+v, %v", name, again.Evidence.Tree, err)
		}
		other := verifytest.NewChecksumDB(t, "sum.example.org")
		if _, err := treePolicy(t, other).Replay(e, kept); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s, by another database's key: %v", name, err)
		}
		lie := e
		tree := *e.Tree
		tree.H1 = "h1:" + tree.H1[4:] + "A"
		lie.Tree = &tree
		if _, err := p.Replay(lie, kept); !errors.Is(err, verify.ErrUntrusted) {
			t.Errorf("%s, of another hash: %v", name, err)
		}
		lie = e
		lie.Name = toolchain + "@v0.0.1-go1.24.5.linux-amd64"
		if _, err := p.Replay(lie, kept); err == nil {
			t.Errorf("%s, of another version: accepted", name)
		}
		for _, damaged := range [][]byte{nil, []byte("{}"), kept[:len(kept)/2], bytes.Replace(kept, []byte("\"/lookup/"), []byte("\"/lookip/"), 1)} {
			if _, err := p.Replay(e, damaged); err == nil {
				t.Errorf("%s: %d damaged octets were accepted", name, len(damaged))
			}
		}
	}
}

// Evidence of a stated document loads it only when it is stored, and then checks its
// digest.
func TestStatedEvidenceChecksItsDigest(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	key := verifytest.NewKey(t, "a", now.AddDate(-1, 0, 0))
	policy := verify.Policy{Keys: verifytest.Keyring(t, key), Threshold: 1, Now: now}
	d, err := policy.Clearsigned("list", verifytest.Clearsign(t, []byte("list\n"), now, key))
	if err != nil {
		t.Fatal(err)
	}
	failed := errors.New("no such file")
	for name, test := range map[string]struct {
		data []byte
		err  error
		want error
	}{
		"the stated data": {[]byte("index"), nil, nil},
		"other data":      {[]byte("indices"), nil, verify.ErrUntrusted},
		"no data":         {nil, nil, verify.ErrUntrusted},
		"a read error":    {nil, failed, failed},
	} {
		e := d.EvidenceOf("index", verify.DigestOf([]byte("index")), func() ([]byte, error) { return test.data, test.err })
		if e.Kind != verify.ByDigest || e.Root().Proof != d.Evidence().Proof || len(e.Blobs) != 1 || e.Blobs[0].Digest != e.Digest {
			t.Errorf("%s: %+v", name, e)
		}
		if data, err := e.Blobs[0].Bytes(); !errors.Is(err, test.want) || test.want == nil && (err != nil || string(data) != "index") {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
}
