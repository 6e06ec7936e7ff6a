package verify

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Fingerprint is the full fingerprint of an OpenPGP key: 40 hex digits for a
// version 4 key, 64 for version 6, in upper case without spaces. A key ID is not a
// Fingerprint. RFC 9580, section 5.5.4.
type Fingerprint string

// ParseFingerprint reads a full fingerprint in either case, spaces allowed.
func ParseFingerprint(s string) (Fingerprint, error) {
	f := strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	if len(f) != 40 && len(f) != 64 || strings.Trim(f, "0123456789ABCDEF") != "" {
		return "", fmt.Errorf("fingerprint %q: want the 40 (or 64) hex digits of a full fingerprint", s)
	}
	return Fingerprint(f), nil
}

// Spaced returns f in groups of four digits with a double space in the middle, as
// OpenPGP programs print it for comparison.
func (f Fingerprint) Spaced() string {
	var b strings.Builder
	for i := 0; i < len(f); i += 4 {
		switch {
		case i == 0:
		case i == len(f)/2:
			b.WriteString("  ")
		default:
			b.WriteString(" ")
		}
		b.WriteString(string(f[i:min(i+4, len(f))]))
	}
	return b.String()
}

// Document is proved bytes with the evidence of the proof. Only this package can
// make one that is not zero, and every manifest parser requires a Document, so
// that code that forgets the check does not compile.
type Document struct {
	data     []byte
	evidence Evidence
}

// Bytes returns a copy of the proved bytes.
func (d Document) Bytes() []byte { return bytes.Clone(d.data) }

// View returns the proved bytes without a copy, for large documents. They must not
// be changed.
func (d Document) View() []byte { return d.data }

// Evidence returns how d was proved.
func (d Document) Evidence() Evidence { return d.evidence }

// IsZero reports whether d is the zero Document, which proves nothing.
func (d Document) IsZero() bool { return d.evidence.Kind == "" }

// Child proves data by want, the digest that d states for it. It returns a
// *DigestError if data does not match.
func (d Document) Child(name string, data []byte, want Digest) (Document, error) {
	child, err := d.ChildNoCopy(name, bytes.Clone(data), want)
	if err != nil {
		return Document{}, err
	}
	return child.Keep(), nil
}

// ChildNoCopy is like Child but does not copy data, for large documents. The document
// keeps data, which must not be changed afterwards; its evidence does not hold
// data.
func (d Document) ChildNoCopy(name string, data []byte, want Digest) (Document, error) {
	if d.IsZero() {
		return Document{}, fmt.Errorf("%s: %w: no proved parent", name, ErrUntrusted)
	}
	if err := Check(name, bytes.NewReader(data), -1, want); err != nil {
		return Document{}, err
	}
	parent := d.evidence
	return Document{data, Evidence{Kind: ByDigest, Name: name, Digest: want, Parent: &parent}}, nil
}

// EvidenceOf returns the evidence of a document that was not read here, whose digest d
// states. load reads the document if the evidence is stored; see Blobs.
func (d Document) EvidenceOf(name string, want Digest, load func() ([]byte, error)) Evidence {
	parent := d.evidence
	return Evidence{Kind: ByDigest, Name: name, Digest: want, Parent: &parent, Blobs: []Blob{{Digest: want, load: load}}}
}

// Keep returns d with evidence that also holds the bytes of d, so that d can be
// proved again.
func (d Document) Keep() Document {
	digest := d.evidence.Digest
	if digest.Algorithm() != "sha256" {
		digest = DigestOf(d.data)
	}
	d.evidence.Blobs = append(slices.Clip(d.evidence.Blobs), Blob{Digest: digest, Data: d.data})
	return d
}

// Kind is a kind of proof.
type Kind string

// The kinds of proof.
const (
	ByDetached    Kind = "openpgp-detached"    // a detached OpenPGP signature
	ByClearsigned Kind = "openpgp-clearsigned" // the OpenPGP cleartext framework
	ByDigest      Kind = "digest"              // a digest that Parent states
	ByTree        Kind = "checksum-database"   // an h1 hash in a signed Merkle tree
)

// Evidence records how something was proved. Receipts store it and "kist show"
// prints it. Its names contain no user names or passwords.
type Evidence struct {
	Kind    Kind      `json:"kind"`
	Name    string    `json:"name"`            // of what was proved, usually its location
	Digest  Digest    `json:"digest,omitzero"` // of the proved bytes
	Signers []Signer  `json:"signers,omitempty"`
	Tree    *Tree     `json:"tree,omitempty"`   // ByTree only
	Notes   []string  `json:"notes,omitempty"`  // remarks for the reader, such as "version list unsigned"
	Mark    *Mark     `json:"mark,omitempty"`   // of the manifest, if it has one
	Parent  *Evidence `json:"parent,omitempty"` // of the document that states Digest
	// Also is the evidence of further documents that describe parts of a release.
	// Their own Also is empty.
	Also []Evidence `json:"also,omitempty"`

	// Proof is the digest of the data that repeats the proof without a network:
	// the block of signatures, the clear-signed message, or the database's answers.
	Proof Digest `json:"proof,omitzero"`
	// Certificates are the digests of the signers' certificates, as they were when
	// they were used.
	Certificates []Digest `json:"certificates,omitempty"`
	// Blobs holds the data of Proof and Certificates, and the proved document, until
	// they are stored.
	Blobs []Blob `json:"-"`
}

// Root returns the evidence at the end of the Parent chain, that of the signed
// document.
func (e Evidence) Root() Evidence {
	for e.Parent != nil {
		e = *e.Parent
	}
	return e
}

// Signer describes one accepted signature and the key that made it.
type Signer struct {
	Primary   Fingerprint `json:"primary"`
	Key       Fingerprint `json:"key"` // the primary itself, or the subkey that signed
	UserID    string      `json:"user_id,omitempty"`
	Algorithm string      `json:"algorithm"` // such as "RSA-4096"
	Hash      string      `json:"hash"`      // such as "SHA-512"
	Created   time.Time   `json:"created"`
	// Expired is when the key stopped being valid, if that was between the
	// signature and the check of it. Zero: the key was valid when checked.
	Expired time.Time `json:"expired,omitzero"`
	// Pinned reports that a binding signature is too weak (SHA-1) and counts only
	// because the key is pinned.
	Pinned bool `json:"pinned,omitempty"`
}

// Tree is the state of a checksum database that was proved to include an h1 hash.
type Tree struct {
	Name   string `json:"name"`   // of the database, as its key states it
	Size   int64  `json:"size"`   // records in the tree
	Root   string `json:"root"`   // base64 root hash
	Record int64  `json:"record"` // number of the record that holds the hash
	H1     string `json:"h1"`     // "h1:<base64>", golang.org/x/mod/sumdb/dirhash
}
