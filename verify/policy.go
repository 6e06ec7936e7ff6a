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

// Use says what a signature is for, and so which time rule judges its key.
type Use int

const (
	// Manifest: signed anew all the time. The key must be valid both when the
	// signature was made and now.
	Manifest Use = iota
	// Release: the artifacts and lists of one immutable release, signed once.
	// The key must have been valid when the signature was made, and the
	// signature must not be older than a day before Policy.Released. A key
	// that has expired since is recorded in the evidence.
	Release
)

// releaseLead is how long before its release date a release may be signed.
const releaseLead = 24 * time.Hour

// A Policy decides whether data is signed by those who may sign it.
type Policy struct {
	Keys      *Keyring
	Threshold int       // distinct keys, by their material, that must have signed; at least 1
	Now       time.Time // required: the operation's one clock reading
	Use       Use
	Released  time.Time // with Use Release: when the release was made, zero if upstream does not say
	// Clock is the real time where Now is another, earlier one ("check-signature
	// --at"): self-signatures made until then are believed in judging that time,
	// since copies of keys lose their older ones. Zero: Now.
	Clock time.Time
	// Armored demands of detached signatures that they are in armor, for a
	// format that knows no other.
	Armored bool
}

// Detached proves data by sig, one block of detached signatures, armored or
// binary. A refusal is a *SignatureError.
func (p Policy) Detached(name string, data, sig []byte) (Document, error) {
	return p.Adopt(name, bytes.Clone(data), sig)
}

// Adopt is Detached for data that is large: it becomes the document's, without a
// copy, and must not be changed.
func (p Policy) Adopt(name string, data, sig []byte) (Document, error) {
	evidence, err := p.File(name, bytes.NewReader(data), sig)
	if err != nil {
		return Document{}, err
	}
	evidence.keep(data)
	return Document{data, evidence}, nil
}

// File is Detached for content too large for memory. It reads r from the start,
// once, and not at all where no signature could count. Errors are a
// *SignatureError or r's own.
func (p Policy) File(name string, r io.ReadSeeker, sig []byte) (Evidence, error) {
	packets, err := signatureBlock(sig)
	if err != nil {
		return Evidence{}, p.refuse(name, nil, err.Error())
	}
	if p.Armored && isBinary(sig) {
		return Evidence{}, p.refuse(name, nil, "the signature is binary, and must be one armor block here")
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
	e.keepSigned(bytes.Clone(sig), p.Keys)
	return e, nil
}

// Clearsigned proves the text of msg, which must be exactly one clear-signed
// message. The Document is the signed text alone, with LF line ends, without
// white space at the end of lines and without the last line's end, since neither
// is signed. A refusal is a *SignatureError.
func (p Policy) Clearsigned(name string, msg []byte) (Document, error) {
	message, err := splitCleartext(msg)
	if err != nil {
		return Document{}, p.refuse(name, nil, err.Error())
	}
	packets, err := signatureBlock(message.block)
	if err != nil {
		return Document{}, p.refuse(name, nil, err.Error())
	}
	signers, err := p.prove(name, packets, packet.SigTypeText, bytes.NewReader(message.canonical))
	if err != nil {
		return Document{}, err
	}
	e := Evidence{Kind: ByClearsigned, Name: name, Digest: DigestOf(message.text), Signers: signers, Notes: notes(signers)}
	e.keepSigned(bytes.Clone(msg), p.Keys)
	return Document{message.text, e}, nil
}

// An attempt is one signature on its way to being accepted or refused.
type attempt struct {
	sig        *signature
	hash       hash.Hash
	candidates []candidate
	rule       string // why it is refused
}

type candidate struct {
	cert *certificate
	key  *key
}

// prove judges every signature on its own over content, which it reads once,
// and wants Threshold of them by distinct keys.
func (p Policy) prove(name string, packets []rawPacket, kind packet.SignatureType, content io.Reader) ([]Signer, error) {
	switch {
	case p.Keys == nil || len(p.Keys.certs) == 0:
		return nil, p.refuse(name, nil, "there is no keyring to check against")
	case p.Threshold < 1:
		return nil, p.refuse(name, nil, "a threshold below 1 proves nothing")
	case p.Now.IsZero():
		return nil, p.refuse(name, nil, "there is no clock reading to judge by")
	case p.Use != Manifest && p.Use != Release:
		return nil, p.refuse(name, nil, "what the signature is for is not said")
	}
	attempts := make([]attempt, len(packets))
	var hashes []io.Writer
	for i, raw := range packets {
		attempts[i] = p.prepare(raw, kind)
		if attempts[i].rule == "" {
			hashes = append(hashes, attempts[i].hash)
		}
	}
	if len(hashes) > 0 {
		if _, err := io.Copy(io.MultiWriter(hashes...), content); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}

	var good []accepted
	var rules []string
	for i, a := range attempts {
		if a.rule == "" {
			var one accepted
			if one, a.rule = p.finish(a); a.rule == "" {
				good = append(good, one)
				continue
			}
		}
		prefix := ""
		if len(attempts) > 1 {
			prefix = fmt.Sprintf("signature %d: ", i+1)
		}
		rules = append(rules, prefix+a.rule)
	}
	signers := once(good)
	if len(signers) < p.Threshold {
		return nil, p.refuse(name, signers, append(rules, repeated(good, signers)...)...)
	}
	return signers, nil
}

// prepare applies the rules that need neither the content nor a key, and finds
// the keys that may have made the signature.
func (p Policy) prepare(raw rawPacket, kind packet.SignatureType) attempt {
	s, err := parseSignature(raw.body)
	if err != nil {
		return attempt{rule: "it can't be judged: " + err.Error()}
	}
	refuse := func(format string, args ...any) attempt {
		return attempt{rule: fmt.Sprintf("by %s: ", s.issuer()) + fmt.Sprintf(format, args...)}
	}
	switch {
	case s.kind != kind:
		return refuse("its type is 0x%02x, not 0x%02x as it must be here", byte(s.kind), byte(kind))
	case !digests[s.hash].data:
		return refuse("its digest is %s, which is refused", hashName(s.hash))
	case s.flaw != "":
		return refuse("%s", s.flaw)
	case s.created.After(p.Now.Add(MaxSkew)):
		return refuse("it was made at %s, which is in the future", s.created.Format(time.RFC3339))
	case s.expiredAt(p.Now):
		return refuse("it expired at %s", s.expires().Format(time.RFC3339))
	case p.Use == Release && !p.Released.IsZero() && s.created.Before(p.Released.Add(-releaseLead)):
		return refuse("it was made on %s, before the release of %s", date(s.created), date(p.Released))
	case len(s.issuers)+len(s.keyIDs)+len(s.hints) == 0:
		return refuse("it does not name its key")
	}
	a := attempt{sig: s, candidates: p.Keys.candidates(s)}
	if reason := s.distrust(); reason != "" {
		return refuse("%s", reason)
	}
	if len(a.candidates) == 0 {
		return refuse("the key is not among those that may sign")
	}
	a.hash = s.newHash()
	return a
}

// candidates returns the keys that s may be by: primary keys first.
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

// finish looks for the candidate that made the signature and may have made it.
// A rule about a key is given only where that key really signed.
func (p Policy) finish(a attempt) (accepted, string) {
	sum, fits := a.sig.sum(a.hash)
	rule := fmt.Sprintf("by %s: it does not match the content", a.sig.issuer())
	for _, c := range a.candidates {
		if c.key.Version != a.sig.version {
			rule = fmt.Sprintf("by key %s: a version %d key can't make a version %d signature", c.key.fpr, c.key.Version, a.sig.version)
			continue
		}
		if !fits || !a.sig.check(c.key.PublicKey, sum) {
			continue
		}
		signer, why := p.judge(c, a.sig)
		if why == "" {
			return c.accept(signer), ""
		}
		rule = fmt.Sprintf("by key %s: %s", c.key.fpr, why)
	}
	return accepted{}, rule
}

// judge applies the rules about the key that made s.
func (p Policy) judge(c candidate, s *signature) (Signer, string) {
	now := p.Now
	if now.Before(s.created) { // by MaxSkew at most
		now = s.created
	}
	believe := now
	if believe.Before(p.Clock) {
		believe = p.Clock
	}
	then := c.cert.judge(c.key, clock{s.created, believe})
	if then.kind != allowed {
		return Signer{}, fmt.Sprintf("%s (it signed on %s)", then.rule, date(s.created))
	}
	signer := Signer{
		Primary: c.cert.primary.fpr, Key: c.key.fpr, UserID: c.cert.name(),
		Algorithm: algorithmName(c.key.PublicKey), Hash: hashName(s.hash), Created: s.created, Pinned: then.pinned,
	}
	today := c.cert.judge(c.key, clock{now, believe})
	if today.kind != allowed {
		if p.Use == Manifest || today.since.IsZero() {
			return Signer{}, today.rule
		}
		signer.Expired = today.since
	}
	return signer, ""
}

// notes says in words what a reader of the evidence must know.
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

func (p Policy) refuse(name string, signers []Signer, rules ...string) error {
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
