package publish

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// DefaultValidity is how long an edition is valid where the publisher does not say.
const DefaultValidity = 90 * 24 * time.Hour

// A Stamp is what makes a draft an edition.
type Stamp struct {
	Now      time.Time
	Validity time.Duration // zero: DefaultValidity, DefaultKeysValidity; at most verify.MaxLife
}

// stamp returns the text of m as the next edition.
func (d Dir) stamp(s state, m *native.Manifest, by Stamp) ([]byte, error) {
	edition := *m
	edition.Serial = s.serial + 1
	keys, err := d.keysInForce()
	if err != nil {
		return nil, err
	}
	if keys != nil {
		edition.Serial = max(edition.Serial, keys.Serial) // where manifests count anew
	}
	if edition.Issued, edition.Expires, err = by.times(DefaultValidity); err != nil {
		return nil, err
	}
	return edition.Encode()
}

// times are when a document that is stamped now was issued and expires.
func (by Stamp) times(usual time.Duration) (issued, expires time.Time, err error) {
	validity := cmp.Or(by.Validity, usual)
	if validity < time.Second || validity > verify.MaxLife {
		return issued, expires, &InputError{fmt.Sprintf("a validity of %v: want 1s to %d days", validity, verify.MaxLife/(24*time.Hour))}
	}
	issued = by.Now.UTC().Truncate(time.Second)
	return issued, issued.Add(validity), nil
}

// Signed says what signing did.
type Signed struct {
	Mark      verify.Mark // of the manifest that was signed
	Size      int64       // of it, in bytes
	Published bool        // it is what users get; else it waits for more signatures in NextFile
	Signers   Quorum      // how many of those who must have signed it
	Missing   []verify.Fingerprint
	Claims    []verify.Claim   // its signatures, as they claim to be
	Cosigned  bool             // a signature was added to those that were there
	Dropped   uint64           // serial of a manifest that waited for signatures and gave way to this one; 0: none
	Unproved  bool             // by Attach: no certificate of the signer is known here
	Findings  []verify.Finding // what will soon be wrong with the signer's key
	Unchanged bool             // the signature was there already
	Keys      uint64           // version of the keys document that came into force by this signature; 0: none
}

// A KeyError says that a key cannot sign for a channel, because its users would
// have to refuse it.
type KeyError struct{ Findings []verify.Finding }

func (e *KeyError) Error() string {
	var all []string
	for _, f := range e.Findings {
		text := f.Problem
		if f.Primary == "" || !strings.Contains(text, string(f.Primary)) {
			text = fmt.Sprintf("key %s: %s", f.Primary, text)
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

// Sign stamps the draft and signs it with key. Once enough have signed it, it is
// published; until then it waits in NextFile. Without a draft, a signer who has
// not signed yet adds a signature to the manifest that waits, else to the
// published one, and one who has signed the published one issues the same content
// anew; so does anyone once the edition has expired. The certificate of key goes to
// publisher.asc. A key that users would refuse is a *KeyError, and nothing is
// written.
func (d Dir) Sign(key *verify.SecretKey, by Stamp) (Signed, error) {
	certificate := key.PublicKey()
	findings, err := lint(by.Now, certificate)
	if err != nil {
		return Signed{}, err
	}
	if err := d.notAmong(key.Keyring()); err != nil {
		return Signed{}, err
	}
	keys, err := d.enforceWaitingKeys(by.Now) // which a crash may have left
	if err != nil {
		return Signed{}, err
	}
	s, err := d.load()
	if err != nil {
		return Signed{}, err
	}
	done := Signed{Findings: findings, Keys: keys}
	var data []byte
	if s.draft == nil {
		if data, done.Unchanged, err = s.unfinished(key.Keyring(), by.Now); err != nil {
			return Signed{}, err
		}
	}
	if data == nil {
		m, err := s.work()
		if err != nil {
			return Signed{}, err
		}
		if data, err = d.stamp(s, m, by); err != nil {
			return Signed{}, err
		}
	}
	if done.Unchanged {
		return d.settle(s, data, s.nextBlock, by.Now, done)
	}
	block, err := key.Sign(ManifestFile, data, by.Now)
	if err != nil {
		return Signed{}, err
	}
	if err := d.rememberKeys(certificate); err != nil {
		return Signed{}, err
	}
	return d.settle(s, data, block, by.Now, done)
}

// unfinished returns the newest stamped manifest if it is fresh and one of
// signer may add a signature to it, or has signed it already while it waits for
// others; else nil.
func (s state) unfinished(signer *verify.Keyring, now time.Time) (data []byte, signed bool, err error) {
	name, data, block := s.newest()
	m, err := parse(name, data)
	if err != nil || m.Mark(verify.Digest{}).Fresh(now) != nil {
		return nil, false, err
	}
	if block == nil {
		return data, false, nil
	}
	claims, err := verify.Claims(block, data)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", name+".asc", err)
	}
	signed = signedBy(claims, signer)
	if signed && name == ManifestFile {
		return nil, false, nil
	}
	return data, signed, nil
}

// lint judges a signer's certificates as their users will, without pins.
func lint(now time.Time, certificates ...[]byte) ([]verify.Finding, error) {
	ring, err := verify.OpenKeyring(certificates...)
	if err != nil {
		return nil, err
	}
	findings := verify.Lint(ring, now)
	refused := slices.DeleteFunc(slices.Clone(findings), func(f verify.Finding) bool { return !f.Refuse })
	if len(refused) > 0 {
		return nil, &KeyError{refused}
	}
	return findings, nil
}

// Unsigned writes the exact bytes to be signed elsewhere to w: those of the
// manifest that waits for signatures, where nothing was changed since, else what
// Sign would stamp. The directory remembers them until Attach brings the
// signature; what is published stays in force.
func (d Dir) Unsigned(w io.Writer, by Stamp) (verify.Mark, error) {
	s, err := d.load()
	if err != nil {
		return verify.Mark{}, err
	}
	m, err := s.work()
	if err != nil {
		return verify.Mark{}, err
	}
	data := s.next
	if s.draft != nil || s.next == nil || m.Mark(verify.Digest{}).Fresh(by.Now) != nil {
		if data, err = d.stamp(s, m, by); err != nil {
			return verify.Mark{}, err
		}
		if m, err = native.ParseDraft(data); err != nil {
			return verify.Mark{}, err
		}
		if err := d.put(UnsignedFile, data); err != nil {
			return verify.Mark{}, err
		}
	}
	_, err = w.Write(data)
	return m.Mark(verify.DigestOf(data)), err
}

// fits reports whether some signature of block is over data, as far as can be
// told without a key.
func fits(block, data []byte) bool {
	claims, err := verify.Claims(block, data)
	return err == nil && slices.ContainsFunc(claims, func(c verify.Claim) bool { return c.Fits })
}

// signedBy reports whether one of the signatures that fit claims to be by a key
// of ring.
func signedBy(claims []verify.Claim, ring *verify.Keyring) bool {
	return slices.ContainsFunc(claims, func(c verify.Claim) bool { return c.Fits && claimedBy(c, ring) })
}

func claimedBy(c verify.Claim, ring *verify.Keyring) bool {
	for _, certificate := range ring.Certificates() {
		for _, key := range append([]verify.Key{certificate.Key}, certificate.Subkeys...) {
			if c.Issuer == key.Fingerprint || c.Issuer == "" && c.KeyID == keyID(key.Fingerprint) {
				return true
			}
		}
	}
	return false
}

// keyID is the short name of a key: the end of a version 4
// fingerprint, the start of a version 6 one (RFC 9580, section 5.5.4).
func keyID(f verify.Fingerprint) string {
	if len(f) == 64 {
		return string(f[:16])
	}
	return string(f[len(f)-16:])
}
