package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// checkTime is the time at which a key is checked, and the time after which
// self-signatures are ignored, because they should not exist yet.
type checkTime struct{ at, selfSigsUntil time.Time }

// keyVerdict reports whether a key could sign at some time. The zero value means
// that it could.
type keyVerdict struct {
	kind   ruleKind
	rule   string    // the broken rule, with the facts, for messages
	since  time.Time // when the key began to break it; zero: always
	pinned bool      // a weak self-signature counts only because of a pin
}

// ruleKind identifies a rule for keys, so that Lint can give advice on it.
type ruleKind int

const (
	allowed ruleKind = iota
	distrustedKey
	revoked
	weakKey
	tooNew
	expired
	unbound
	weakBinding
	noBackSignature
	notSigning
	rfc9580Key // used by Lint only: breaks no rule
)

// checkSigningKey reports whether k, a key of c, could sign at t.at. Every rule
// about certificates is here and in stateAt. RFC 9580, sections 5.2.3.10 and
// 10.1.5.
func (c *certificate) checkSigningKey(k *key, t checkTime) keyVerdict {
	chain := []*key{c.primary}
	if k != c.primary {
		chain = append(chain, k)
	}
	var verdict keyVerdict
	for _, link := range chain {
		if why, ok := distrustedKeys[link.fpr]; ok {
			return link.violation(distrustedKey, time.Time{}, "is on the list of distrusted keys: %s", why)
		}
		if broken := link.checkRevocations(t.at); broken.kind != allowed {
			return broken
		}
		if why, since := checkAlgorithm(link.PublicKey, t.at); why != "" {
			return link.violation(weakKey, since, "can't be used: %s", why)
		}
		if t.at.Before(link.CreationTime) {
			return link.violation(tooNew, time.Time{}, "was made only on %s", date(link.CreationTime))
		}
		state, broken := c.stateAt(link, t)
		switch {
		case broken.kind != allowed:
			return broken
		case link == k && !state.maySign:
			return link.violation(notSigning, state.updated, "is not a signing key")
		case !state.expires.IsZero() && !t.at.Before(state.expires):
			return link.violation(expired, state.expires, "expired on %s", date(state.expires))
		}
		verdict.pinned = verdict.pinned || state.weak
	}
	return verdict
}

// violation returns the verdict that k breaks a rule of the given kind. since is
// the time from which it does; zero means always.
func (k *key) violation(kind ruleKind, since time.Time, format string, args ...any) keyVerdict {
	return keyVerdict{kind: kind, rule: fmt.Sprintf("key %s ", k.fpr) + fmt.Sprintf(format, args...), since: since}
}

// checkRevocations applies k's revocations. A hard one counts for all times,
// because the thief of a key can date a signature freely; a soft one counts from
// its own time on and never ends. RFC 9580, section 5.2.3.31.
func (k *key) checkRevocations(at time.Time) keyVerdict {
	for _, s := range k.revocations {
		if s.isHardRevocation() {
			return k.violation(revoked, time.Time{}, "was revoked on %s%s", date(s.created), s.revocationReason())
		}
	}
	for _, s := range k.revocations {
		if !at.Before(s.created) {
			return k.violation(revoked, s.created, "was revoked on %s%s", date(s.created), s.revocationReason())
		}
	}
	return keyVerdict{}
}

// isHardRevocation reports whether the revocation s also invalidates signatures
// made before it.
func (s *signature) isHardRevocation() bool {
	return s.flaw != "" || s.reason == nil || *s.reason != byte(packet.KeySuperseded) && *s.reason != byte(packet.KeyRetired)
}

// revocationReason returns the reason of a revocation for messages, as in
// ": superseded".
func (s *signature) revocationReason() string {
	if s.reason == nil {
		return ", no reason given"
	}
	switch packet.ReasonForRevocation(*s.reason) {
	case packet.NoReason:
		return ", no reason given"
	case packet.KeySuperseded:
		return ": superseded"
	case packet.KeyCompromised:
		return ": compromised"
	case packet.KeyRetired:
		return ": retired"
	}
	return fmt.Sprintf(": reason %d", *s.reason)
}

// keyState is what the self-signatures that apply at some time state about a key.
type keyState struct {
	updated time.Time // when the newest of them was made
	expires time.Time // zero: never
	maySign bool
	weak    bool // valid only because the key is pinned
}

// stateAt evaluates the self-signatures of k that apply at t.at. For a subkey
// that is one binding. For a primary key it is the newest certification of its
// user IDs and the newest direct-key signature. OpenPGP programs differ in which
// of the two they follow, so here both count: the earlier expiry applies, and the
// key may sign only if neither has key flags without signing. In version 6 only
// direct-key signatures count (RFC 9580, section 5.2.3.10).
func (c *certificate) stateAt(k *key, t checkTime) (keyState, keyVerdict) {
	selfSigs, weak := c.selfSignaturesAt(k, t)
	switch {
	case len(selfSigs) > 0:
	case weak:
		return keyState{}, k.violation(weakBinding, time.Time{}, "is bound by SHA-1 signatures only, and is not pinned")
	default:
		return keyState{}, k.violation(unbound, time.Time{}, "has no valid self-signature")
	}

	var state keyState
	allow, deny := false, false
	for _, s := range selfSigs {
		if s.keyLifetime != nil && *s.keyLifetime > 0 {
			end := k.CreationTime.Add(time.Duration(*s.keyLifetime) * time.Second).UTC()
			if state.expires.IsZero() || end.Before(state.expires) {
				state.expires = end
			}
		}
		if s.flags != nil {
			allow = allow || *s.flags&flagSign != 0
			deny = deny || *s.flags&flagSign == 0
		}
		state.weak = state.weak || s.weak()
		state.updated = s.created
	}
	state.maySign = allow && !deny
	if k == c.primary || !state.maySign {
		return state, keyVerdict{}
	}
	switch back := selfSigs[0].backSignature; {
	case back == nil || back.kind != packet.SigTypePrimaryKeyBinding || back.flaw != "" ||
		back.created.Before(k.CreationTime) || back.created.After(t.selfSigsUntil.Add(maxSkew)) ||
		!back.verifyKeys(k.PublicKey, nil, c.primary.PublicKey, k.PublicKey):
		return state, k.violation(noBackSignature, time.Time{}, "has not signed that it belongs to key %s", c.primary.fpr)
	case back.weak() && !c.pinned[k.fpr]:
		return state, k.violation(weakBinding, time.Time{}, "has only a SHA-1 back-signature, and is not pinned")
	default:
		state.weak = state.weak || back.weak()
		return state, keyVerdict{}
	}
}

// selfSignaturesAt returns the self-signatures of k that apply at t.at, oldest
// first: the newest of each kind that was made by then. Copies of keys are often
// stripped of older self-signatures, so if none from then remains, the oldest
// later one of each kind applies; it states how long the key has been valid. Of
// several made in the same second, the first applies. weak reports that SHA-1
// signatures were skipped because k is not pinned.
func (c *certificate) selfSignaturesAt(k *key, t checkTime) (selfSigs []*signature, weak bool) {
	kinds := [][]*signature{k.direct}
	if k == c.primary && k.Version < 6 {
		kinds = append(kinds, c.certifications(t.at))
	}
	var later []*signature
	for _, list := range kinds {
		var now, next *signature
		for _, s := range list {
			switch {
			case s.weak() && !c.pinned[k.fpr]:
				weak = true
			case s.created.Before(k.CreationTime), s.created.After(t.selfSigsUntil.Add(maxSkew)), s.expiredAt(t.at):
			case !s.created.After(t.at):
				if now == nil || s.created.After(now.created) {
					now = s
				}
			case next == nil:
				next = s
			}
		}
		if now != nil {
			selfSigs = append(selfSigs, now)
		}
		if next != nil {
			later = append(later, next)
		}
	}
	if len(selfSigs) == 0 {
		selfSigs = later
	}
	slices.SortStableFunc(selfSigs, func(a, b *signature) int { return a.created.Compare(b.created) })
	return selfSigs, weak
}

// certifications returns the certifications of all user IDs, sorted by time and
// then by user ID, without those revoked by the given time. If all are revoked it
// returns all: revoking every name does not revoke the key.
func (c *certificate) certifications(at time.Time) []*signature {
	var all, valid []*signature
	for _, id := range c.userIDs {
		for _, s := range id.certifications {
			all = append(all, s)
			if !slices.ContainsFunc(id.revocations, func(r *signature) bool { return !r.created.Before(s.created) && !r.created.After(at) }) {
				valid = append(valid, s)
			}
		}
	}
	if len(valid) == 0 {
		valid = all
	}
	slices.SortStableFunc(valid, func(a, b *signature) int { return a.created.Compare(b.created) })
	return valid
}

// name returns the user ID to show for c: among those that are not revoked, the
// newest that is marked primary, or else the newest.
func (c *certificate) name() string {
	var best string
	var bestSig *signature
	for _, id := range c.userIDs {
		if len(id.certifications) == 0 {
			continue
		}
		newest := id.certifications[len(id.certifications)-1]
		if n := len(id.revocations); n > 0 && !id.revocations[n-1].created.Before(newest.created) {
			continue
		}
		if bestSig == nil || newest.primaryID && !bestSig.primaryID ||
			newest.primaryID == bestSig.primaryID && newest.created.After(bestSig.created) {
			best, bestSig = Printable(string(id.id)), newest
		}
	}
	return best
}

// Printable makes untrusted text, such as a user ID, safe to print on a terminal: control
// characters and invalid UTF-8 become U+FFFD.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u200e' || r == '\u200f' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }
