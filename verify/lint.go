package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// lintAhead is how far Lint looks: a key that ends sooner wants attention now,
// while those who rely on it can still be told.
const lintAhead = 2 * 365 * 24 * time.Hour

// A Finding is what Lint has against a certificate.
type Finding struct {
	Primary Fingerprint `json:"primary"`
	Refuse  bool        `json:"refuse"`  // it can't be used today; else it won't be, soon
	Problem string      `json:"problem"` // which rule it breaks
	Remedy  string      `json:"remedy"`  // what the owner of the key must change
}

// Lint says which certificates of k could not prove a manifest signed now (to
// be refused), and which could not in two years' time, can only because they are
// pinned, or not to GnuPG (to be warned of). A certificate is well where one of
// its keys can sign: old subkeys may expire.
func Lint(k *Keyring, now time.Time) []Finding { return LintWithin(k, now, lintAhead) }

// LintWithin is Lint that looks only so far ahead: for those who rely on a key,
// and cannot extend it.
func LintWithin(k *Keyring, now time.Time, ahead time.Duration) []Finding {
	var findings []Finding
	for _, c := range k.certs {
		today, later := c.best(now), c.best(now.Add(ahead))
		switch {
		case today.kind != allowed:
			findings = append(findings, Finding{c.primary.fpr, true, today.rule, today.kind.remedy()})
		case later.kind != allowed:
			findings = append(findings, Finding{c.primary.fpr, false, later.within(ahead), later.kind.remedy()})
		case today.pinned:
			findings = append(findings, Finding{c.primary.fpr, false,
				fmt.Sprintf("key %s is bound by SHA-1 signatures and counts only because it is pinned", c.primary.fpr), weakBinding.remedy()})
		case c.young(now):
			findings = append(findings, Finding{c.primary.fpr, false,
				fmt.Sprintf("key %s is of a kind that gpgv does not know, but only kist and others that follow RFC 9580", c.primary.fpr), youngKey.remedy()})
		}
	}
	return findings
}

// young reports whether every key of c that could sign at that time, or the
// primary key, is of a version or algorithm that came with RFC 9580.
func (c *certificate) young(at time.Time) bool {
	young := func(k *key) bool {
		return k.Version == 6 || k.PubKeyAlgo == packet.PubKeyAlgoEd25519 || k.PubKeyAlgo == packet.PubKeyAlgoEd448
	}
	return young(c.primary) || !slices.ContainsFunc(c.keys(), func(k *key) bool {
		return !young(k) && c.judge(k, clock{at, at}).kind == allowed
	})
}

// within words a judgement that holds only once ahead has passed.
func (j judgement) within(ahead time.Duration) string {
	span := fmt.Sprintf("%d days", ahead/(24*time.Hour))
	if ahead == lintAhead {
		span = "two years"
	}
	if j.kind == expired {
		return strings.Replace(j.rule, "expired on", "expires on", 1) + ", within " + span
	}
	return fmt.Sprintf("in %s' time, %s", span, j.rule)
}

// best judges the signing key of c that does best at that time: one that could
// sign, by itself rather than by a pin, else the one that could for longest.
func (c *certificate) best(at time.Time) judgement {
	var best judgement
	for i, k := range c.keys() {
		verdict := c.judge(k, clock{at, at})
		switch {
		case verdict.kind == allowed && !verdict.pinned:
			return verdict
		case i == 0, verdict.kind == allowed:
			best = verdict
		case best.kind == allowed, verdict.kind == notSigning:
		case best.kind == notSigning, !verdict.since.Before(best.since):
			best = verdict
		}
	}
	return best
}

// remedy says what the owner of a key can do about a rule it breaks.
func (k ruleKind) remedy() string {
	switch k {
	case expired:
		return "extend the expiry, export the key again, and give users the new copy"
	case weakBinding:
		return "sign the user ID, the subkeys and their back-signatures again with SHA-256 or better, as current OpenPGP programs do when the expiry is changed"
	case weakKey:
		return fmt.Sprintf("move to a new key: Ed25519, or RSA of %d bits or more", minRSABits)
	case notSigning:
		return "add a subkey that may sign data"
	case noBackSignature:
		return "have the subkey sign that it belongs to its primary key, or add a new signing subkey"
	case youngKey:
		return "use an Ed25519 key of version 4 (gpg --quick-generate-key NAME ed25519 sign) where users check with GnuPG too"
	case tooNew:
		return "check the clock of the machine that made the key"
	}
	return "move to a new key"
}
