package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
)

// Blob is one piece of evidence with its digest: a proved document, a block of
// signatures, or a certificate.
type Blob struct {
	Digest Digest
	Data   []byte
	load   func() ([]byte, error) // reads the data if Data does not hold it
}

// Bytes returns the piece. Data that has to be loaded must match the digest.
func (k Blob) Bytes() ([]byte, error) {
	if k.load == nil {
		return k.Data, nil
	}
	data, err := k.load()
	if err == nil {
		err = Check("evidence "+k.Digest.String(), bytes.NewReader(data), -1, k.Digest)
	}
	if err != nil {
		return nil, err
	}
	return data, nil
}

// addPieces adds pieces to e.Blobs and returns the digest of the last one.
func (e *Evidence) addPieces(pieces ...[]byte) (last Digest) {
	for _, data := range pieces {
		last = DigestOf(data)
		e.Blobs = append(e.Blobs, Blob{Digest: last, Data: data})
	}
	return last
}

// addProof adds to e what repeats its proof: proof, and the certificates of the
// signers.
func (e *Evidence) addProof(proof []byte, keys *Keyring) {
	e.Proof = e.addPieces(proof)
	for _, s := range e.Signers {
		if c := keys.certificate(s.Primary); c != nil {
			e.Certificates = append(e.Certificates, e.addPieces(enarmor(armorPublicKey, joinPackets(c.packets()))))
		}
	}
}

// savedAnswers is the answers of a checksum database, with the tree head that
// proves them.
type savedAnswers struct {
	Head    []byte            `json:"head"`
	Answers map[string][]byte `json:"answers"` // by path
}

// maxAnswers is the ceiling on saved answers, in bytes.
const maxAnswers = 4 << 20

// Replay repeats the proof of e, the evidence for a module, from kept: the answers
// that Lookup received for it. Errors are those of Lookup.
func (db ChecksumDB) Replay(e Evidence, kept []byte) (TreeProof, error) {
	fail := func(rule string) (TreeProof, error) {
		return TreeProof{}, &TreeError{Database: db.name, Module: e.Name, Rule: rule}
	}
	path, version, ok := strings.Cut(e.Name, "@")
	if !ok || e.Tree == nil {
		return fail("the evidence names no module")
	}
	var saved savedAnswers
	if len(kept) > maxAnswers || json.Unmarshal(kept, &saved) != nil {
		return fail("the stored answers can't be read")
	}
	tree, err := db.openHead(saved.Head)
	if err != nil {
		return fail(err.Error())
	}
	answer := func(_ context.Context, path string, _ int64) ([]byte, error) {
		if data, ok := saved.Answers[path]; ok {
			return data, nil
		}
		return nil, fmt.Errorf("%s is not among the stored answers: %w", path, fs.ErrNotExist)
	}
	last := Mark{Serial: uint64(tree.N), Head: saved.Head}
	proof, err := db.Lookup(context.Background(), answer, last, path, version)
	if err != nil {
		return TreeProof{}, err
	}
	if proof.H1 != e.Tree.H1 {
		return fail(fmt.Sprintf("its content hash is %s, but %s was recorded", proof.H1, e.Tree.H1))
	}
	return proof, nil
}
