package evidence

import (
	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/verify"
)

// Files are the stored files of one proof, by absolute path. Other programs can read
// them, too.
type Files struct {
	Of           verify.Evidence
	Document     string // with the proved document; empty: it is not stored, or is the proof
	Proof        string // with the signatures, or the database's answers
	Certificates []string
	Missing      bool // some of the files are missing or were changed
}

// Stored lists the stored evidence of an installed release, the document that named it
// first.
func Stored(i *install.Installer, r record.Head) (list []Files) {
	add := func(e verify.Evidence, document bool) {
		for {
			f := Files{Of: e}
			path := func(d verify.Digest) string {
				if d.IsZero() {
					return ""
				}
				if _, err := i.Evidence(d); err != nil {
					f.Missing = true
				}
				return i.EvidencePath(d)
			}
			switch {
			case e.Kind != "" && !e.Proof.IsZero():
				if document && e.Kind == verify.ByDetached {
					f.Document = path(e.Digest)
				}
				f.Proof = path(e.Proof)
				for _, d := range e.Certificates {
					f.Certificates = append(f.Certificates, path(d))
				}
				list = append(list, f)
			case e.Kind == verify.ByDigest && e.Parent != nil:
				f.Document = path(e.Digest)
				list = append(list, f)
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
	for _, a := range r.Artifacts {
		if !SameProof(a.Evidence, r.Evidence) {
			add(a.Evidence, false)
		}
	}
	return list
}

// SameProof reports whether an artifact's evidence adds nothing to that of the document
// which names it.
func SameProof(artifact, document verify.Evidence) bool {
	switch artifact.Kind {
	case "", verify.ByDigest:
		return true
	case verify.ByTree:
		return document.Tree != nil && *artifact.Tree == *document.Tree
	}
	return false
}
