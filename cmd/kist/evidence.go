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
	for _, m := range []*verify.Mark{e.Mark, root.Mark} {
		if m != nil {
			if text := freshness(*m); text != "" {
				parts = append(parts, text)
			}
			break
		}
	}
	return strings.Join(append(parts, root.Notes...), " · ")
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

// receiptProof returns the evidence for an installed release, and its description: the
// evidence of the document that named it, or, if no signed document did, that of its
// first artifact.
func receiptProof(r record.Head) (verify.Evidence, string) {
	if r.Evidence.Kind != "" || len(r.Artifacts) == 0 {
		return r.Evidence, proof(r.Evidence)
	}
	e := r.Artifacts[0].Evidence
	return e, strings.Join(append([]string{proof(e)}, r.Evidence.Notes...), " · ")
}

// A trustedKey is a key that proves a release to be fetched, and its user ID.
type trustedKey struct {
	Primary verify.Fingerprint `json:"primary"`
	UserID  string             `json:"user_id,omitempty"`
}

// releaseKeys returns the keys that signed the document that names r or, if no signed
// document does, the keys of which any may have signed its files.
func releaseKeys(r manifests.Release) (keys []trustedKey) {
	for _, s := range r.Evidence.Root().Signers {
		keys = append(keys, trustedKey{s.Primary, s.UserID})
	}
	if r.Evidence.Kind != "" {
		return keys
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
