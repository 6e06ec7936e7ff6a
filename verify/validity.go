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
	youngKey // for Lint alone: no rule is broken
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
	return s.flaw != "" || s.reason == nil || *s.reason != byte(packet.KeySuperseded) && *s.reason != byte(packet.KeyRetired)
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
// its user IDs and the newest direct-key signature; programs differ in which of
// the two they believe, so here both must allow what either speaks of. In
// version 6 only direct-key signatures speak (RFC 9580, section 5.2.3.10).
func (c *certificate) state(k *key, t clock) (keyState, judgement) {
	voices, weak := c.inForce(k, t)
	switch {
	case len(voices) > 0:
	case weak:
		return keyState{}, k.breaks(weakBinding, time.Time{}, "is bound by SHA-1 signatures only, and is not pinned")
	default:
		return keyState{}, k.breaks(unbound, time.Time{}, "has no valid self-signature")
	}

	var state keyState
	allow, deny := false, false
	for _, s := range voices {
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
		state.from = s.created
	}
	state.maySign = allow && !deny
	if k == c.primary || !state.maySign {
		return state, judgement{}
	}
	switch back := voices[0].back; {
	case back == nil || back.kind != packet.SigTypePrimaryKeyBinding || back.flaw != "" ||
		back.created.Before(k.CreationTime) || back.created.After(t.believe.Add(MaxSkew)) ||
		!back.checkKeys(k.PublicKey, nil, c.primary.PublicKey, k.PublicKey):
		return state, k.breaks(noBackSignature, time.Time{}, "has not signed that it belongs to key %s", c.primary.fpr)
	case back.weak() && !c.pinned[k.fpr]:
		return state, k.breaks(weakBinding, time.Time{}, "has only a SHA-1 back-signature, and is not pinned")
	default:
		state.weak = state.weak || back.weak()
		return state, judgement{}
	}
}

// inForce picks of the signatures that speak for k those that count at a time:
// of each kind the newest that was made by then. Copies of keys are often
// stripped of older self-signatures; so where nothing is left from then, the
// oldest later one of each kind speaks, in which the owner says for how long the
// key has been valid. Of several that were made in the same second, the first
// speaks. The voices come in order of time. Weak says that there were SHA-1
// signatures which no pin makes up for.
func (c *certificate) inForce(k *key, t clock) (voices []*signature, weak bool) {
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
			case s.created.Before(k.CreationTime), s.created.After(t.believe.Add(MaxSkew)), s.expiredAt(t.at):
			case !s.created.After(t.at):
				if now == nil || s.created.After(now.created) {
					now = s
				}
			case next == nil:
				next = s
			}
		}
		if now != nil {
			voices = append(voices, now)
		}
		if next != nil {
			later = append(later, next)
		}
	}
	if len(voices) == 0 {
		voices = later
	}
	slices.SortStableFunc(voices, func(a, b *signature) int { return a.created.Compare(b.created) })
	return voices, weak
}

// certifications returns those of all user IDs, in order of time and then of the
// user IDs, without the ones that were withdrawn by then; if none is left, with
// them: that no name is right any more does not revoke the key.
func (c *certificate) certifications(at time.Time) []*signature {
	var all, standing []*signature
	for _, id := range c.userIDs {
		for _, s := range id.certifications {
			all = append(all, s)
			if !slices.ContainsFunc(id.revocations, func(r *signature) bool { return !r.created.Before(s.created) && !r.created.After(at) }) {
				standing = append(standing, s)
			}
		}
	}
	if len(standing) == 0 {
		standing = all
	}
	slices.SortStableFunc(standing, func(a, b *signature) int { return a.created.Compare(b.created) })
	return standing
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
