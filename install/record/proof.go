package record

import (
	"time"

	"github.com/kist-tools/kist/verify"
)

// eachEvidence calls f with all evidence of h: that of the document that named the
// release, that of each artifact, and the parents of both.
func (h Head) eachEvidence(f func(verify.Evidence)) {
	chain := func(e verify.Evidence) {
		for {
			f(e)
			if e.Parent == nil {
				return
			}
			e = *e.Parent
		}
	}
	chain(h.Evidence)
	for _, e := range h.Evidence.Also {
		chain(e)
	}
	for _, a := range h.Artifacts {
		chain(a.Evidence)
	}
}

// EvidenceBlobs returns the evidence to store with a new receipt.
func (h Head) EvidenceBlobs() (all []verify.Blob) {
	h.eachEvidence(func(e verify.Evidence) { all = append(all, e.Blobs...) })
	return all
}

// Proofs returns the digests of the documents, signatures and certificates with which
// the release can be verified again; none if it was uninstalled.
func (h Head) Proofs() (all []verify.Digest) {
	if h.Removed {
		return nil
	}
	h.eachEvidence(func(e verify.Evidence) {
		all = append(append(all, e.Digest, e.Proof), e.Certificates...)
	})
	return all
}

// SignedAt returns when the newest document or file that proves the release was issued or
// signed. It is zero if nothing says so: a checksum database states no date.
func (h Head) SignedAt() (newest time.Time) {
	h.eachEvidence(func(e verify.Evidence) {
		if e.Mark != nil && e.Mark.Issued.After(newest) {
			newest = e.Mark.Issued
		}
		for _, s := range e.Signers {
			if s.Created.After(newest) {
				newest = s.Created
			}
		}
	})
	return newest
}
