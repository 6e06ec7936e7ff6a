package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
)

// A Kept is one piece of what proved something, named by its digest: a proved
// document, a block of signatures, a certificate.
type Kept struct {
	Digest Digest
	Data   []byte
	load   func() ([]byte, error) // gets Data where it is not at hand
}

// Bytes returns the piece, which is what its digest says.
func (k Kept) Bytes() ([]byte, error) {
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

// keep adds pieces to e and returns the digest of the last.
func (e *Evidence) keep(pieces ...[]byte) (last Digest) {
	for _, data := range pieces {
		last = DigestOf(data)
		e.Kept = append(e.Kept, Kept{Digest: last, Data: data})
	}
	return last
}

// keepSigned keeps what proves e again: proof, and the certificates of the signers.
func (e *Evidence) keepSigned(proof []byte, keys *Keyring) {
	e.Proof = e.keep(proof)
	for _, s := range e.Signers {
		if c := keys.certificate(s.Primary); c != nil {
			e.Certificates = append(e.Certificates, e.keep(enarmor(armorPublicKey, joinPackets(c.packets()))))
		}
	}
}

// keptAnswers is what a checksum database answered, with the tree head that
// the answers were proved by.
type keptAnswers struct {
	Head    []byte            `json:"head"`
	Answers map[string][]byte `json:"answers"` // by path
}

// maxAnswers is the ceiling on kept answers, in bytes.
const maxAnswers = 4 << 20

// Replay proves what e says of a module once more, from the answers that Lookup
// had when it was proved and that kept holds. Errors are those of Lookup.
func (db ChecksumDB) Replay(e Evidence, kept []byte) (TreeProof, error) {
	fail := func(rule string) (TreeProof, error) {
		return TreeProof{}, &TreeError{Database: db.name, Module: e.Name, Rule: rule}
	}
	path, version, ok := strings.Cut(e.Name, "@")
	if !ok || e.Tree == nil {
		return fail("the evidence names no module")
	}
	var saved keptAnswers
	if len(kept) > maxAnswers || json.Unmarshal(kept, &saved) != nil {
		return fail("the answers that were kept can't be read")
	}
	tree, err := db.openHead(saved.Head)
	if err != nil {
		return fail(err.Error())
	}
	answer := func(_ context.Context, path string, _ int64) ([]byte, error) {
		if data, ok := saved.Answers[path]; ok {
			return data, nil
		}
		return nil, fmt.Errorf("%s was not kept: %w", path, fs.ErrNotExist)
	}
	last := Mark{Serial: uint64(tree.N), Head: saved.Head}
	proof, err := db.Lookup(context.Background(), answer, last, path, version)
	if err != nil {
		return TreeProof{}, err
	}
	if proof.H1 != e.Tree.H1 {
		return fail(fmt.Sprintf("its content hash is %s, and %s was recorded", proof.H1, e.Tree.H1))
	}
	return proof, nil
}
