package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// A clock tells at which time a key is judged, and up to when self-signatures
// are believed: one from later than believe may not exist yet.
type clock struct{ at, believe time.Time }

// A judgement says whether a key could sign at some time. The zero judgement: yes.
type judgement struct {
	kind   ruleKind
	rule   string    // the rule that it broke, with the facts
	since  time.Time // from when on that is so, zero: it always was
	pinned bool      // a pin made up for a weak self-signature
}

// A ruleKind tells the rules for keys apart, for those who give advice on them.
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
)

// judge says whether k, a key of c, could sign at c's time. Every rule about
// certificates is here and in state. RFC 9580, sections 5.2.3.10 and 10.1.5.
func (c *certificate) judge(k *key, t clock) judgement {
	chain := []*key{c.primary}
	if k != c.primary {
		chain = append(chain, k)
	}
	var verdict judgement
	for _, link := range chain {
		if why, ok := distrustedKeys[link.fpr]; ok {
			return link.breaks(distrustedKey, time.Time{}, "is on the list of distrusted keys: %s", why)
		}
		if broken := link.revoked(t.at); broken.kind != allowed {
			return broken
		}
		if why, since := checkAlgorithm(link.PublicKey, t.at); why != "" {
			return link.breaks(weakKey, since, "can't be used: %s", why)
		}
		if t.at.Before(link.CreationTime) {
			return link.breaks(tooNew, time.Time{}, "was made only on %s", date(link.CreationTime))
		}
		state, broken := c.state(link, t)
		switch {
		case broken.kind != allowed:
			return broken
		case link == k && !state.maySign:
			return link.breaks(notSigning, state.from, "is not a signing key")
		case !state.expires.IsZero() && !t.at.Before(state.expires):
			return link.breaks(expired, state.expires, "expired on %s", date(state.expires))
		}
		verdict.pinned = verdict.pinned || state.weak
	}
	return verdict
}

func (k *key) breaks(kind ruleKind, since time.Time, format string, args ...any) judgement {
	return judgement{kind: kind, rule: fmt.Sprintf("key %s ", k.fpr) + fmt.Sprintf(format, args...), since: since}
}

// revoked judges k's revocations. A hard one counts for all times, since whoever
// has a stolen key can date a signature as they like; a soft one from its own
// time on, and for ever. RFC 9580, section 5.2.3.31.
func (k *key) revoked(at time.Time) judgement {
	for _, s := range k.revocations {
		if s.hard() {
			return k.breaks(revoked, time.Time{}, "was revoked on %s%s", date(s.created), s.why())
		}
	}
	for _, s := range k.revocations {
		if !at.Before(s.created) {
			return k.breaks(revoked, s.created, "was revoked on %s%s", date(s.created), s.why())
		}
	}
	return judgement{}
}

func (s *signature) hard() bool {
	return s.reason == nil || *s.reason != byte(packet.KeySuperseded) && *s.reason != byte(packet.KeyRetired)
}

// why names the reason of a revocation: ": superseded".
func (s *signature) why() string {
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

// A keyState is what the self-signatures in force say about a key.
type keyState struct {
	from    time.Time // when the newest of them was made
	expires time.Time // zero: never
	maySign bool
	weak    bool // only a pin makes it count
}

// state reads the self-signatures of k that are in force at a time. For a
// subkey that is one binding. For a primary it is the newest certification of
// any user ID and the newest direct-key signature: where both say something,
// the newer one counts. In version 6 only direct-key signatures speak for the
// key (RFC 9580, section 5.2.3.10).
func (c *certificate) state(k *key, t clock) (keyState, judgement) {
	var weakOnly bool
	inForce := func(list []*signature) *signature {
		s, refusedWeak := c.inForce(k, list, t)
		weakOnly = weakOnly || refusedWeak
		return s
	}
	voices := []*signature{inForce(k.direct)}
	if k == c.primary && k.Version < 6 {
		var certifications []*signature
		for _, id := range c.userIDs {
			certifications = append(certifications, id.certifications...)
		}
		voices = append(voices, inForce(inOrder(certifications)))
	}
	voices = slices.DeleteFunc(voices, func(s *signature) bool { return s == nil })
	slices.SortStableFunc(voices, func(a, b *signature) int { return a.created.Compare(b.created) })
	switch {
	case len(voices) > 0:
	case weakOnly:
		return keyState{}, k.breaks(weakBinding, time.Time{}, "is bound by SHA-1 signatures only, and is not pinned")
	default:
		return keyState{}, k.breaks(unbound, time.Time{}, "has no valid self-signature")
	}

	var state keyState
	for _, s := range voices {
		if s.keyLifetime != nil {
			state.expires = time.Time{}
			if *s.keyLifetime > 0 {
				state.expires = k.CreationTime.Add(time.Duration(*s.keyLifetime) * time.Second).UTC()
			}
		}
		if s.flags != nil {
			state.maySign = *s.flags&flagSign != 0
		}
		state.weak = state.weak || s.weak()
		state.from = s.created
	}
	if k == c.primary || !state.maySign {
		return state, judgement{}
	}
	switch back := voices[0].back; {
	case back == nil || back.kind != packet.SigTypePrimaryKeyBinding || back.critical != "" ||
		!back.checkKeys(k.PublicKey, nil, c.primary.PublicKey, k.PublicKey):
		return state, k.breaks(noBackSignature, time.Time{}, "has not signed that it belongs to key %s", c.primary.fpr)
	case back.weak() && !c.pinned[k.fpr]:
		return state, k.breaks(weakBinding, time.Time{}, "has only a SHA-1 back-signature, and is not pinned")
	default:
		state.weak = state.weak || back.weak()
		return state, judgement{}
	}
}

// inForce picks from list, which is in order of time, the newest signature that
// counts and was made by then. Copies of keys are often stripped of older
// self-signatures; so where there is none, the oldest later one speaks, in
// which the owner says for how long the key has been valid.
func (c *certificate) inForce(k *key, list []*signature, t clock) (s *signature, weakOnly bool) {
	counts := func(s *signature) bool {
		if s.weak() && !c.pinned[k.fpr] {
			weakOnly = true
			return false
		}
		expires := s.expires()
		return !s.created.Before(k.CreationTime) && !s.created.After(t.believe.Add(MaxSkew)) &&
			(expires.IsZero() || t.at.Before(expires))
	}
	for _, s := range slices.Backward(list) {
		if !s.created.After(t.at) && counts(s) {
			return s, false
		}
	}
	for _, s := range list {
		if s.created.After(t.at) && counts(s) {
			return s, false
		}
	}
	return nil, weakOnly
}

// name returns the user ID to show for c: the newest that is marked primary,
// else the newest, among those that are not revoked.
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
			best, bestSig = printable(id.id), newest
		}
	}
	return best
}

// printable makes a user ID safe to show on a terminal: it is text from outside.
func printable(id []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u200e' || r == '\u200f' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return '\ufffd'
		}
		return r
	}, strings.ToValidUTF8(string(id), "\ufffd"))
}

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }
