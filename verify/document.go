package verify

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Fingerprint names an OpenPGP key in full: 40 hex digits for a version 4
// key, 64 for version 6, in upper case without spaces. Key IDs cannot be
// expressed. RFC 9580, section 5.5.4.
type Fingerprint string

// ParseFingerprint reads a full fingerprint in either case, spaces allowed.
func ParseFingerprint(s string) (Fingerprint, error) {
	f := strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	if len(f) != 40 && len(f) != 64 || strings.Trim(f, "0123456789ABCDEF") != "" {
		return "", fmt.Errorf("fingerprint %q: want the 40 (or 64) hex digits of a full fingerprint", s)
	}
	return Fingerprint(f), nil
}

// Spaced writes f in groups of four, a double space in the middle, as OpenPGP
// tools print it for people to compare.
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

// A Document is bytes that were proved, with the record of how. Only this
// package can make one that is not zero, and every parser of manifests takes a
// Document, so that a forgotten check does not compile.
type Document struct {
	data     []byte
	evidence Evidence
}

// Bytes returns a copy of the proved bytes.
func (d Document) Bytes() []byte { return bytes.Clone(d.data) }

// View returns the proved bytes themselves, for documents too large to be
// copied. They must not be changed.
func (d Document) View() []byte { return d.data }

// Evidence returns how d was proved.
func (d Document) Evidence() Evidence { return d.evidence }

// IsZero reports whether d holds nothing proved.
func (d Document) IsZero() bool { return d.evidence.Kind == "" }

// Child proves data by a digest that d states for it: d vouches for its child.
// It returns a *DigestError where data does not match want.
func (d Document) Child(name string, data []byte, want Digest) (Document, error) {
	child, err := d.Adopt(name, bytes.Clone(data), want)
	if err != nil {
		return Document{}, err
	}
	return child.Keep(), nil
}

// Adopt is Child for data that is large: data becomes the document's, without a
// copy, and its evidence does not keep it.
func (d Document) Adopt(name string, data []byte, want Digest) (Document, error) {
	if d.IsZero() {
		return Document{}, fmt.Errorf("%s: %w: no proved parent", name, ErrUntrusted)
	}
	if err := Check(name, bytes.NewReader(data), -1, want); err != nil {
		return Document{}, err
	}
	parent := d.evidence
	return Document{data, Evidence{Kind: ByDigest, Name: name, Digest: want, Parent: &parent}}, nil
}

// Stated is the evidence of a document that d states by its digest and that is
// not at hand: load gets it, should it be stored; see Kept.
func (d Document) Stated(name string, want Digest, load func() ([]byte, error)) Evidence {
	parent := d.evidence
	return Evidence{Kind: ByDigest, Name: name, Digest: want, Parent: &parent, Kept: []Kept{{Digest: want, load: load}}}
}

// Keep is d with evidence that keeps d, to prove it again, and what proved it.
func (d Document) Keep() Document {
	digest := d.evidence.Digest
	if digest.Algorithm() != "sha256" {
		digest = DigestOf(d.data)
	}
	d.evidence.Kept = append(slices.Clip(d.evidence.Kept), Kept{Digest: digest, Data: d.data})
	return d
}

// Kind says by which means something was proved.
type Kind string

// The kinds of proof.
const (
	ByDetached    Kind = "openpgp-detached"    // a detached OpenPGP signature
	ByClearsigned Kind = "openpgp-clearsigned" // the OpenPGP cleartext framework
	ByDigest      Kind = "digest"              // a digest that Parent states
	ByTree        Kind = "checksum-database"   // an h1 hash in a signed Merkle tree
)

// Evidence records how something was proved: kept in receipts, printed by
// "kist show". Names hold no user names or passwords.
type Evidence struct {
	Kind    Kind      `json:"kind"`
	Name    string    `json:"name"`            // what was proved, usually where it came from
	Digest  Digest    `json:"digest,omitzero"` // of the proved bytes
	Signers []Signer  `json:"signers,omitempty"`
	Tree    *Tree     `json:"tree,omitempty"`   // ByTree only
	Notes   []string  `json:"notes,omitempty"`  // what a reader must know: "version list unsigned"
	Mark    *Mark     `json:"mark,omitempty"`   // freshness of the manifest, where it has any
	Parent  *Evidence `json:"parent,omitempty"` // what vouches for Digest
	// Also are the further documents that name parts of a release; they have
	// none themselves.
	Also []Evidence `json:"also,omitempty"`

	// Proof is the digest of what proves it again without a network: the block
	// of signatures, the clear-signed message, the database's answers.
	// Certificates are those of the signers, as they were then.
	Proof        Digest   `json:"proof,omitzero"`
	Certificates []Digest `json:"certificates,omitempty"`
	// Kept holds these, and the proved document, until they are stored.
	Kept []Kept `json:"-"`
}

// Root returns the evidence at the end of the Parent chain: the signed thing.
func (e Evidence) Root() Evidence {
	for e.Parent != nil {
		e = *e.Parent
	}
	return e
}

// A Signer is one accepted signature.
type Signer struct {
	Primary   Fingerprint `json:"primary"`
	Key       Fingerprint `json:"key"` // the primary itself, or the subkey that signed
	UserID    string      `json:"user_id,omitempty"`
	Algorithm string      `json:"algorithm"` // such as "RSA-4096"
	Hash      string      `json:"hash"`      // such as "SHA-512"
	Created   time.Time   `json:"created"`
	// Expired is when the key stopped being valid, for a release that was
	// signed before and is judged after. Zero: valid when judged.
	Expired time.Time `json:"expired,omitzero"`
	// Pinned says that a built-in or user pin stands in for a binding
	// signature that is too weak to count by itself (SHA-1).
	Pinned bool `json:"pinned,omitempty"`
}

// A Tree is the state of a checksum database under which an h1 hash was proved
// to be included.
type Tree struct {
	Name   string `json:"name"`   // of the database, as its key says
	Size   int64  `json:"size"`   // records in the tree
	Root   string `json:"root"`   // base64 root hash
	Record int64  `json:"record"` // number of the record that holds the hash
	H1     string `json:"h1"`     // "h1:<base64>", golang.org/x/mod/sumdb/dirhash
}
