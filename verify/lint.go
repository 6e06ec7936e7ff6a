package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// lintAhead is how far ahead Lint looks. A key that expires sooner needs
// attention now, while there is time to distribute a new copy.
const lintAhead = 2 * 365 * 24 * time.Hour

// Finding is a problem that Lint found with a certificate.
type Finding struct {
	Primary Fingerprint `json:"primary"`
	Refuse  bool        `json:"refuse"`  // it can't be used today; false is a warning
	Problem string      `json:"problem"` // the rule that it breaks
	Remedy  string      `json:"remedy"`  // what the owner of the key should do
}

// Lint reports the certificates of k that could not prove a manifest signed now
// (Refuse), and warns of those that could not in two years' time, that can only
// because they are pinned, or that GnuPG cannot use. One key that can sign is
// enough for a certificate: old subkeys may expire.
func Lint(k *Keyring, now time.Time) []Finding { return LintWithin(k, now, lintAhead) }

// LintWithin is like Lint but looks ahead only so far. It is for users of a key,
// who cannot extend it.
func LintWithin(k *Keyring, now time.Time, ahead time.Duration) []Finding {
	var findings []Finding
	for _, c := range k.certs {
		today, later := c.bestVerdict(now), c.bestVerdict(now.Add(ahead))
		switch {
		case today.kind != allowed:
			findings = append(findings, Finding{c.primary.fpr, true, today.rule, today.kind.remedy()})
		case later.kind != allowed:
			findings = append(findings, Finding{c.primary.fpr, false, later.futureRule(ahead), later.kind.remedy()})
		case today.pinned:
			findings = append(findings, Finding{c.primary.fpr, false,
				fmt.Sprintf("key %s is bound by SHA-1 signatures and counts only because it is pinned", c.primary.fpr), weakBinding.remedy()})
		case c.needsRFC9580(now):
			findings = append(findings, Finding{c.primary.fpr, false,
				fmt.Sprintf("key %s is of a kind that gpgv does not support; kist and other programs that follow RFC 9580 do", c.primary.fpr), rfc9580Key.remedy()})
		}
	}
	return findings
}

// needsRFC9580 reports whether the primary key, or every key of c that could sign
// at that time, has a version or algorithm that RFC 9580 introduced.
func (c *certificate) needsRFC9580(at time.Time) bool {
	isNew := func(k *key) bool {
		return k.Version == 6 || k.PubKeyAlgo == packet.PubKeyAlgoEd25519 || k.PubKeyAlgo == packet.PubKeyAlgoEd448
	}
	return isNew(c.primary) || !slices.ContainsFunc(c.keys(), func(k *key) bool {
		return !isNew(k) && c.checkSigningKey(k, checkTime{at, at}).kind == allowed
	})
}

// futureRule returns the rule of a verdict that applies only after ahead has passed.
func (j keyVerdict) futureRule(ahead time.Duration) string {
	span := fmt.Sprintf("%d days", ahead/(24*time.Hour))
	if ahead == lintAhead {
		span = "two years"
	}
	if j.kind == expired {
		return strings.Replace(j.rule, "expired on", "expires on", 1) + ", within " + span
	}
	return fmt.Sprintf("in %s' time, %s", span, j.rule)
}

// bestVerdict returns the best verdict that a key of c has at that time. A key
// that could sign without a pin is best, then one that could with a pin, then the
// one that could sign longest.
func (c *certificate) bestVerdict(at time.Time) keyVerdict {
	var best keyVerdict
	for i, k := range c.keys() {
		verdict := c.checkSigningKey(k, checkTime{at, at})
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

// remedy returns what the owner of a key can do when it breaks the rule.
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
	case rfc9580Key:
		return "use an Ed25519 key of version 4 (gpg --quick-generate-key NAME ed25519 sign) where users check with GnuPG too"
	case tooNew:
		return "check the clock of the machine that made the key"
	}
	return "move to a new key"
}
