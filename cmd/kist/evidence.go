package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// proof describes in one line how something was proved.
func proof(e verify.Evidence) string {
	root := e.Root()
	var parts []string
	switch {
	case root.Kind == verify.ByTree && root.Tree != nil:
		parts = append(parts, fmt.Sprintf("proved by the checksum database (tree %d)", root.Tree.Size), root.Tree.H1)
	case len(root.Signers) > 0:
		var who []string
		for _, s := range root.Signers {
			who = append(who, s.Primary.Spaced())
		}
		parts = append(parts, "signed by "+strings.Join(who, " and "))
	}
	if text := markText(e); text != "" {
		parts = append(parts, text)
	}
	return strings.Join(append(parts, root.Notes...), " · ")
}

// proofLines describes in lines how the release was proved, or will be in a dry run.
// Trees, digests and the names of keys are details.
func (r installedRelease) proofLines(dryRun, details bool) (lines []string) {
	root := r.proved.Root()
	if root.Tree != nil {
		lines = append(lines, "proved by the checksum database "+root.Tree.Name)
		if details {
			lines = append(lines, fmt.Sprintf("tree of %d records", root.Tree.Size), "content "+root.Tree.H1)
		}
	}
	keys, by, nextBy := r.Keys, "signed by ", "and by "
	if !dryRun {
		keys = signerKeys(root)
	} else if r.proved.Kind == "" {
		by, nextBy = "to be signed by ", "or by "
	}
	for i, k := range keys {
		if i > 0 {
			by = nextBy
		}
		lines = append(lines, by+k.Primary.Spaced())
		if k.UserID != "" && (dryRun || details) {
			lines = append(lines, "  "+k.UserID)
		}
	}
	if text := markText(r.proved); text != "" {
		lines = append(lines, text)
	}
	return append(append(lines, root.Notes...), r.notes...)
}

// signerKeys returns the keys that made the signatures of e.
func signerKeys(e verify.Evidence) (keys []trustedKey) {
	for _, s := range e.Signers {
		keys = append(keys, trustedKey{s.Primary, s.UserID})
	}
	return keys
}

// markText describes the serial or date of what e proves.
func markText(e verify.Evidence) string {
	for _, m := range []*verify.Mark{e.Mark, e.Root().Mark} {
		if m != nil {
			return freshness(*m)
		}
	}
	return ""
}

// freshness describes the serial or date of a mark, and its expiry.
func freshness(m verify.Mark) string {
	switch {
	case len(m.Head) > 0, m.IsZero():
		return "" // a checksum database, whose tree size is its serial
	case m.Serial > 0 && !m.Expires.IsZero():
		return fmt.Sprintf("serial %d, fresh until %s", m.Serial, m.Expires.UTC().Format(time.DateOnly))
	case m.Serial > 0:
		return fmt.Sprintf("serial %d", m.Serial)
	}
	return "manifest " + m.Issued.UTC().Format(time.DateOnly)
}

// receiptEvidence returns the evidence for an installed release: that of the document
// that named it or, if no signed document did, that of its first artifact, and the notes
// of the former.
func receiptEvidence(r record.Head) (e verify.Evidence, notes []string) {
	if r.Evidence.Kind != "" || len(r.Artifacts) == 0 {
		return r.Evidence, nil
	}
	return r.Artifacts[0].Evidence, r.Evidence.Notes
}

// A trustedKey is a key that proves a release to be fetched, and its user ID.
type trustedKey struct {
	Primary verify.Fingerprint `json:"primary"`
	UserID  string             `json:"user_id,omitempty"`
}

// releaseKeys returns the keys that signed the document that names r or, if no signed
// document does, the keys any of which may have signed its files.
func releaseKeys(r manifests.Release) (keys []trustedKey) {
	if r.Evidence.Kind != "" {
		return signerKeys(r.Evidence.Root())
	}
	for _, a := range r.Artifacts {
		if s := a.Integrity.Signature; s != nil {
			for _, c := range s.Policy.Keys.Certificates() {
				keys = append(keys, trustedKey{c.Fingerprint, c.UserID})
			}
			return keys
		}
	}
	return nil
}

// releaseEvidence returns the evidence for a release to be fetched, as far as it exists:
// that of the document that names it or, if no signed document does, that of its first
// artifact, and the notes of the former.
func releaseEvidence(r manifests.Release) (e verify.Evidence, notes []string) {
	if r.Evidence.Kind != "" || len(r.Artifacts) == 0 {
		return r.Evidence, nil
	}
	if t := r.Artifacts[0].Integrity.Tree; t != nil {
		e = t.Evidence
	}
	return e, r.Evidence.Notes
}

// releaseProof describes how a release that is to be fetched is, or will be, proved.
func releaseProof(r manifests.Release) string {
	if r.Evidence.Kind != "" {
		return proof(r.Evidence)
	}
	for _, a := range r.Artifacts {
		if s := a.Integrity.Signature; s != nil {
			var who []string
			for _, pin := range s.Policy.Keys.Pins() {
				who = append(who, pin.Primary.Spaced())
			}
			return "to be signed by " + strings.Join(who, " or ")
		}
		if t := a.Integrity.Tree; t != nil {
			return proof(t.Evidence)
		}
	}
	return ""
}
