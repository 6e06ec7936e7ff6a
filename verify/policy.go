package verify

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Use is what a signature is for. It selects the time rule for the key.
type Use int

const (
	// Manifest is for documents that are signed again regularly. The key must be
	// valid both when the signature was made and now.
	Manifest Use = iota
	// Release is for the artifacts and lists of one immutable release, which are
	// signed once. The key must have been valid when the signature was made, and
	// the signature must not be older than a day before Policy.Released. If the
	// key has expired since, the evidence records that.
	Release
)

// releaseLead is how long before its release date a release may be signed.
const releaseLead = 24 * time.Hour

// Policy decides whether data is signed by enough of the keys that may sign it.
type Policy struct {
	Keys      *Keyring
	Threshold int       // distinct keys, by key material, that must have signed; at least 1
	Now       time.Time // required: the operation's one clock reading
	Use       Use
	Released  time.Time // with Use Release: when the release was made, zero if upstream does not say
	// Clock is the real time if Now is an earlier one ("check-signature --at").
	// Self-signatures made until Clock count in checking keys at Now, because
	// copies of keys lose their older ones. Zero means Now.
	Clock time.Time
	// Armored requires detached signatures to be armored, for formats that allow
	// nothing else.
	Armored bool
}

// Detached proves data by sig, one block of detached signatures, armored or
// binary. A refusal is a *SignatureError.
func (p Policy) Detached(name string, data, sig []byte) (Document, error) {
	return p.DetachedNoCopy(name, bytes.Clone(data), sig)
}

// DetachedNoCopy is like Detached but does not copy data, for large documents. The
// document keeps data, which must not be changed afterwards.
func (p Policy) DetachedNoCopy(name string, data, sig []byte) (Document, error) {
	evidence, err := p.File(name, bytes.NewReader(data), sig)
	if err != nil {
		return Document{}, err
	}
	evidence.addPieces(data)
	return Document{data, evidence}, nil
}

// File is like Detached for content too large for memory. It reads r once, from
// the start; if no signature could count it does not read r at all. It returns a
// *SignatureError or an error of r.
func (p Policy) File(name string, r io.ReadSeeker, sig []byte) (Evidence, error) {
	packets, err := signatureBlock(sig)
	if err != nil {
		return Evidence{}, p.refusal(name, nil, err.Error())
	}
	if p.Armored && isBinary(sig) {
		return Evidence{}, p.refusal(name, nil, "the signature is binary, but must be one armor block here")
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return Evidence{}, fmt.Errorf("%s: %w", name, err)
	}
	content := sha256.New()
	signers, err := p.prove(name, packets, packet.SigTypeBinary, io.TeeReader(r, content))
	if err != nil {
		return Evidence{}, err
	}
	e := Evidence{Kind: ByDetached, Name: name, Digest: SHA256([sha256.Size]byte(content.Sum(nil))),
		Signers: signers, Notes: notes(signers)}
	e.addProof(bytes.Clone(sig), p.Keys)
	return e, nil
}

// Clearsigned proves the text of msg, which must be exactly one clear-signed
// message. The Document is the signed text alone, with LF line ends. White space
// at the end of lines and the last line end are removed, because they are not
// signed. A refusal is a *SignatureError.
func (p Policy) Clearsigned(name string, msg []byte) (Document, error) {
	message, err := splitCleartext(msg)
	if err != nil {
		return Document{}, p.refusal(name, nil, err.Error())
	}
	packets, err := signatureBlock(message.block)
	if err != nil {
		return Document{}, p.refusal(name, nil, err.Error())
	}
	signers, err := p.prove(name, packets, packet.SigTypeText, bytes.NewReader(message.canonical))
	if err != nil {
		return Document{}, err
	}
	e := Evidence{Kind: ByClearsigned, Name: name, Digest: DigestOf(message.text), Signers: signers, Notes: notes(signers)}
	e.addProof(bytes.Clone(msg), p.Keys)
	return Document{message.text, e}, nil
}

// signatureCheck is the check of one signature while it is under way.
type signatureCheck struct {
	sig        *signature
	hash       hash.Hash
	candidates []candidate
	refused    string // why the signature is refused, "" if it is not
}

// candidate is a key that may have made a signature.
type candidate struct {
	cert *certificate
	key  *key
}

// prove checks each signature independently over content, which it reads once. At
// least Threshold distinct keys must have made acceptable ones.
func (p Policy) prove(name string, packets []rawPacket, kind packet.SignatureType, content io.Reader) ([]Signer, error) {
	if err := p.check(name); err != nil {
		return nil, err
	}
	checks := make([]signatureCheck, len(packets))
	var hashes []io.Writer
	for i, raw := range packets {
		checks[i] = p.startCheck(raw, kind)
		if checks[i].refused == "" {
			hashes = append(hashes, checks[i].hash)
		}
	}
	if len(hashes) > 0 {
		if _, err := io.Copy(io.MultiWriter(hashes...), content); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}

	var accepted []acceptedSignature
	var rules []string
	for i, check := range checks {
		if check.refused == "" {
			var signature acceptedSignature
			if signature, check.refused = p.finishCheck(check); check.refused == "" {
				accepted = append(accepted, signature)
				continue
			}
		}
		prefix := ""
		if len(checks) > 1 {
			prefix = fmt.Sprintf("signature %d: ", i+1)
		}
		rules = append(rules, prefix+check.refused)
	}
	signers := distinctSigners(accepted)
	if len(signers) < p.Threshold {
		return nil, p.refusal(name, signers, append(rules, duplicateRules(accepted, signers)...)...)
	}
	return signers, nil
}

// check returns a refusal if p lacks what every proof needs.
func (p Policy) check(name string) error {
	switch {
	case p.Keys == nil || len(p.Keys.certs) == 0:
		return p.refusal(name, nil, "there is no keyring to check against")
	case p.Threshold < 1:
		return p.refusal(name, nil, "a threshold below 1 proves nothing")
	case p.Now.IsZero():
		return p.refusal(name, nil, "no current time is given")
	case p.Use != Manifest && p.Use != Release:
		return p.refusal(name, nil, "the use of the signature is not given")
	}
	return nil
}

// startCheck applies the rules that need neither the content nor a key, and finds
// the keys that may have made the signature.
func (p Policy) startCheck(raw rawPacket, kind packet.SignatureType) signatureCheck {
	s, err := parseSignature(raw.body)
	if err != nil {
		return signatureCheck{refused: "it can't be checked: " + err.Error()}
	}
	refuse := func(format string, args ...any) signatureCheck {
		return signatureCheck{refused: fmt.Sprintf("by %s: ", s.issuerName()) + fmt.Sprintf(format, args...)}
	}
	switch {
	case s.kind != kind:
		return refuse("its type is 0x%02x, not 0x%02x as it must be here", byte(s.kind), byte(kind))
	case !digests[s.hash].forData:
		return refuse("its digest is %s, which is refused", hashName(s.hash))
	case s.flaw != "":
		return refuse("%s", s.flaw)
	case s.created.After(p.Now.Add(maxSkew)):
		return refuse("it was made at %s, which is in the future", s.created.Format(time.RFC3339))
	case s.expiredAt(p.Now):
		return refuse("it expired at %s", s.expires().Format(time.RFC3339))
	case p.Use == Release && !p.Released.IsZero() && s.created.Before(p.Released.Add(-releaseLead)):
		return refuse("it was made on %s, before the release of %s", date(s.created), date(p.Released))
	case len(s.issuers)+len(s.keyIDs)+len(s.unhashedIssuers) == 0:
		return refuse("it does not name its key")
	}
	check := signatureCheck{sig: s, candidates: p.Keys.candidates(s)}
	if reason := s.distrustReason(); reason != "" {
		return refuse("%s", reason)
	}
	if len(check.candidates) == 0 {
		return refuse("the key is not among those that may sign")
	}
	check.hash = s.newHash()
	return check
}

// candidates returns the keys that may have made s, primary keys first.
func (k *Keyring) candidates(s *signature) []candidate {
	var primaries, subkeys []candidate
	for _, c := range k.certs {
		for _, key := range c.keys() {
			switch {
			case !s.issuerIs(key.fpr):
			case key == c.primary:
				primaries = append(primaries, candidate{c, key})
			default:
				subkeys = append(subkeys, candidate{c, key})
			}
		}
	}
	return append(primaries, subkeys...)
}

// finishCheck returns the signature as accepted if a candidate made it and was
// allowed to. Otherwise it returns the reason, which is about a key only if that
// key made the signature.
func (p Policy) finishCheck(check signatureCheck) (acceptedSignature, string) {
	sum, fits := check.sig.finishHash(check.hash)
	rule := fmt.Sprintf("by %s: it does not match the content", check.sig.issuerName())
	for _, c := range check.candidates {
		if c.key.Version != check.sig.version {
			rule = fmt.Sprintf("by key %s: a version %d key can't make a version %d signature", c.key.fpr, c.key.Version, check.sig.version)
			continue
		}
		if !fits || !check.sig.verifyDigest(c.key.PublicKey, sum) {
			continue
		}
		signer, why := p.checkSigner(c, check.sig.created, hashName(check.sig.hash))
		if why == "" {
			return c.acceptedAs(signer), ""
		}
		rule = fmt.Sprintf("by key %s: %s", c.key.fpr, why)
	}
	return acceptedSignature{}, rule
}

// checkSigner applies the rules about the key that made a signature at the time created,
// with the given digest. It returns the broken rule, or "".
func (p Policy) checkSigner(c candidate, created time.Time, hash string) (Signer, string) {
	now := p.Now
	if now.Before(created) { // by maxSkew at most
		now = created
	}
	selfSigsUntil := now
	if selfSigsUntil.Before(p.Clock) {
		selfSigsUntil = p.Clock
	}
	whenSigned := c.cert.checkSigningKey(c.key, checkTime{created, selfSigsUntil})
	if whenSigned.kind != allowed {
		return Signer{}, fmt.Sprintf("%s (it signed on %s)", whenSigned.rule, date(created))
	}
	signer := Signer{
		Primary: c.cert.primary.fpr, Key: c.key.fpr, UserID: c.cert.name(),
		Algorithm: algorithmName(c.key.PublicKey), Hash: hash, Created: created, Pinned: whenSigned.pinned,
	}
	atPresent := c.cert.checkSigningKey(c.key, checkTime{now, selfSigsUntil})
	if atPresent.kind != allowed {
		if p.Use == Manifest || atPresent.since.IsZero() {
			return Signer{}, atPresent.rule
		}
		signer.Expired = atPresent.since
	}
	return signer, ""
}

// notes returns the remarks about signers that the evidence must carry.
func notes(signers []Signer) []string {
	var notes []string
	for _, s := range signers {
		if !s.Expired.IsZero() {
			notes = append(notes, fmt.Sprintf("key %s was valid when it signed on %s, and no longer from %s on", s.Key, date(s.Created), date(s.Expired)))
		}
		if s.Pinned {
			notes = append(notes, fmt.Sprintf("key %s is bound by SHA-1 signatures and counts because it is pinned", s.Key))
		}
	}
	return notes
}

// Unsigned returns the *SignatureError for data that has no signature file.
func (p Policy) Unsigned(name string) error {
	return p.refusal(name, nil, "there is no signature file beside it")
}

// refusal returns the *SignatureError for the data called name. signers are those
// whose signatures were accepted.
func (p Policy) refusal(name string, signers []Signer, rules ...string) error {
	e := &SignatureError{Name: name, Need: p.Threshold, Rules: rules}
	if p.Keys != nil {
		for _, c := range p.Keys.certs {
			e.Wanted = append(e.Wanted, c.primary.fpr)
		}
	}
	for _, s := range signers {
		e.Got = append(e.Got, s.Primary)
	}
	return e
}
