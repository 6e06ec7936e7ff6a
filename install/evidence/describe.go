package evidence

import (
	"fmt"
	"time"

	"github.com/kist-tools/kist/install/record"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// OfReceipt returns the evidence for an installed release: that of the document that
// named it or, if no signed document did, that of its first artifact, and the notes of the
// former.
func OfReceipt(r record.Head) (e verify.Evidence, notes []string) {
	if r.Evidence.Kind != "" || len(r.Artifacts) == 0 {
		return r.Evidence, nil
	}
	return r.Artifacts[0].Evidence, r.Evidence.Notes
}

// ExpiredNote says in words that a release was installed although its manifest had
// expired then, at the time expired.
func ExpiredNote(expired time.Time) string {
	return fmt.Sprintf("its manifest had expired on %s when it was installed: that was accepted because kist.lock names this manifest", expired.UTC().Format(time.DateOnly))
}

// OfRelease is OfReceipt for a release to be fetched. The evidence is empty if only a
// signature of the file itself will prove it.
func OfRelease(r manifests.Release) (e verify.Evidence, notes []string) {
	if r.Evidence.Kind != "" || len(r.Artifacts) == 0 {
		return r.Evidence, nil
	}
	if t := r.Artifacts[0].Integrity.Tree; t != nil {
		e = t.Evidence
	}
	return e, r.Evidence.Notes
}

// A Key is a key that proves a release, and its user ID.
type Key struct {
	Primary verify.Fingerprint `json:"primary"`
	UserID  string             `json:"user_id,omitempty"`
}

// KeysOf returns the keys that signed the document that names r. If no signed document names
// r, it returns the keys that may sign its files.
func KeysOf(r manifests.Release) (keys []Key) {
	if r.Evidence.Kind != "" {
		return Signers(r.Evidence.Root())
	}
	for _, a := range r.Artifacts {
		if s := a.Integrity.Signature; s != nil {
			for _, c := range s.Policy.Keys.Certificates() {
				keys = append(keys, Key{c.Fingerprint, c.UserID})
			}
			return keys
		}
	}
	return nil
}

// Signers returns the keys that made the signatures of e.
func Signers(e verify.Evidence) (keys []Key) {
	for _, s := range e.Signers {
		keys = append(keys, Key{s.Primary, s.UserID})
	}
	return keys
}
