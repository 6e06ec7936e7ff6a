package main

import (
	"path/filepath"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// storedEvidence lists the stored files of one proof, which other programs can read,
// too.
type storedEvidence struct {
	Name         string   `json:"name"` // what was proved
	Kind         string   `json:"kind"`
	Document     string   `json:"document,omitempty"` // file with the proved document
	Proof        string   `json:"proof,omitempty"`    // file with its signatures, or the database's answers
	Certificates []string `json:"certificates,omitempty"`
	Missing      bool     `json:"missing,omitempty"` // some of the files are missing or were changed
}

// storedEvidence lists the stored evidence of r, the document first.
func (a *app) storedEvidence(s *session, r record.Head) (list []storedEvidence) {
	place := func(d verify.Digest, missing *bool) string {
		if d.IsZero() {
			return ""
		}
		if _, err := s.Evidence(d); err != nil {
			*missing = true
		}
		return filepath.Join(a.Dirs.State, "kist", "evidence", "sha256", d.Hex())
	}
	add := func(e verify.Evidence, document bool) {
		for {
			if e.Kind != "" && !e.Proof.IsZero() {
				stored := storedEvidence{Name: e.Name, Kind: kindText(e)}
				if document && e.Kind == verify.ByDetached {
					stored.Document = place(e.Digest, &stored.Missing)
				}
				stored.Proof = place(e.Proof, &stored.Missing)
				for _, d := range e.Certificates {
					stored.Certificates = append(stored.Certificates, place(d, &stored.Missing))
				}
				list = append(list, stored)
			} else if e.Kind == verify.ByDigest && e.Parent != nil {
				stored := storedEvidence{Name: e.Name, Kind: kindText(e)}
				stored.Document = place(e.Digest, &stored.Missing)
				list = append(list, stored)
			}
			if e.Parent == nil {
				return
			}
			e = *e.Parent
		}
	}
	add(r.Evidence, true)
	for _, e := range r.Evidence.Also {
		add(e, true)
	}
	for _, artifact := range r.Artifacts {
		if !sameProof(artifact.Evidence, r.Evidence) {
			add(artifact.Evidence, false)
		}
	}
	return list
}

func (e storedEvidence) text(p *page) {
	field(p, "evidence", e.Name)
	field(p, "  kind", e.Kind)
	field(p, "  document", e.Document)
	field(p, "  proof", e.Proof)
	for _, c := range e.Certificates {
		field(p, "  certificate", c)
	}
	if e.Missing {
		field(p, "  note", "some of these files are missing or were changed")
	}
}
