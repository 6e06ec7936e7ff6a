package record

import "github.com/kist-tools/kist/verify"

// proved calls f with every evidence of h: of the document that named the
// release, of each artifact, and of what vouches for them.
func (h Head) proved(f func(verify.Evidence)) {
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

// Kept are the pieces of evidence that are to be stored with a new receipt.
func (h Head) Kept() (all []verify.Kept) {
	h.proved(func(e verify.Evidence) { all = append(all, e.Kept...) })
	return all
}

// Proofs are the digests of what proves the release again: documents,
// signatures, certificates. What was uninstalled needs none.
func (h Head) Proofs() (all []verify.Digest) {
	if h.Removed {
		return nil
	}
	h.proved(func(e verify.Evidence) {
		all = append(append(all, e.Digest, e.Proof), e.Certificates...)
	})
	return all
}
