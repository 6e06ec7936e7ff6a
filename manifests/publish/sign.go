package publish

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/durable"
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
func (s state) stamp(m *native.Manifest, by Stamp) ([]byte, error) {
	edition := *m
	edition.Serial = s.serial + 1
	var err error
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
	Mark      verify.Mark      // of the manifest that is in force
	Claims    []verify.Claim   // the signatures beside it, as they claim to be
	Cosigned  bool             // a signature was added to the pair that was there
	Unproved  bool             // by Attach: no certificate of the signer is known here
	Findings  []verify.Finding // what will soon be wrong with the signer's key
	Unchanged bool             // by Attach: the signature was there already
}

// A KeyError says that a key cannot sign for a channel, because its users would
// have to refuse it.
type KeyError struct{ Findings []verify.Finding }

func (e *KeyError) Error() string {
	var all []string
	for _, f := range e.Findings {
		all = append(all, fmt.Sprintf("key %s: %s", f.Primary, f.Problem))
	}
	return strings.Join(all, "; ")
}

// Sign stamps the draft, signs it with key and installs the pair. Where nothing
// changed since the last signing, a signer who has not signed yet adds a
// signature, and one who has issues the same content anew; so does anyone once
// the edition has expired. The certificate of key goes to publisher.asc. A key
// that users would refuse is a *KeyError, and nothing is written.
func (d Dir) Sign(key *verify.SecretKey, by Stamp) (Signed, error) {
	certificate := key.PublicKey()
	findings, err := lint(by.Now, certificate)
	if err != nil {
		return Signed{}, err
	}
	if err := d.notAmong(key.Keyring()); err != nil {
		return Signed{}, err
	}
	s, err := d.load()
	if err != nil {
		return Signed{}, err
	}
	done := Signed{Findings: findings}
	data := s.published
	if s.draft == nil {
		m, err := parse(ManifestFile, s.published)
		if err != nil {
			return Signed{}, err
		}
		claims, err := verify.Claims(s.block, s.published)
		if err != nil {
			return Signed{}, fmt.Errorf("%s: %w", SignatureFile, err)
		}
		done.Cosigned = !signedBy(claims, key.Keyring()) && m.Mark(verify.Digest{}).Fresh(by.Now) == nil
	}
	if !done.Cosigned {
		m, err := s.work()
		if err != nil {
			return Signed{}, err
		}
		if data, err = s.stamp(m, by); err != nil {
			return Signed{}, err
		}
	}
	block, err := key.Sign(ManifestFile, data, by.Now)
	if err != nil {
		return Signed{}, err
	}
	if err := d.rememberKeys(certificate); err != nil {
		return Signed{}, err
	}
	return d.install(s, data, block, done)
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

// install puts data and its signature block in force, or adds the block to the
// one that is there where data is already in force.
func (d Dir) install(s state, data, block []byte, done Signed) (Signed, error) {
	writes, err := s.replacement(ManifestFile, data, block)
	if err != nil {
		return Signed{}, err
	}
	for _, w := range writes {
		if err := durable.Write(d.Root, w.name, w.data, perm); err != nil {
			return Signed{}, err
		}
		if w.name == SignatureFile {
			block = w.data
		}
	}
	if !bytes.Equal(data, s.published) {
		if err := d.clear(data); err != nil {
			return Signed{}, err
		}
	} // else a draft, or an edition that waits for its signature, goes on waiting
	m, err := parse(ManifestFile, data)
	if err != nil {
		return Signed{}, err
	}
	done.Mark = m.Mark(verify.DigestOf(data))
	done.Claims, err = verify.Claims(block, data)
	return done, err
}

type file struct {
	name string
	data []byte
}

// replacement is what must be written, in this order, to put data and its block
// in force under name. After each write the document is one that the signatures
// beside it prove: while it is replaced, those are the old edition's and the new
// one's.
func (s state) replacement(name string, data, block []byte) ([]file, error) {
	signatures := name + ".asc"
	both := block
	if s.block != nil {
		joined, err := verify.AppendSignature(s.block, block)
		if err != nil && bytes.Equal(data, s.published) {
			return nil, fmt.Errorf("%s: %w", signatures, err)
		}
		if err == nil { // else the block is full, and users ask again
			both = joined
		}
	}
	if bytes.Equal(data, s.published) {
		return []file{{signatures, both}}, nil
	}
	return []file{{signatures, both}, {name, data}, {signatures, block}}, nil
}

// clear removes the draft that became data, and stamped bytes that wait for a
// signature in vain. A draft that has moved on stays.
func (d Dir) clear(data []byte) error {
	if err := durable.Remove(d.Root, UnsignedFile); err != nil {
		return err
	}
	draft, err := d.read(DraftFile, manifests.MaxManifest)
	if err != nil || draft == nil {
		return err
	}
	became, err := content(data)
	if err != nil {
		return err
	}
	if is, err := content(draft); err != nil || !bytes.Equal(is, became) {
		return err
	}
	return durable.Remove(d.Root, DraftFile)
}

// content is a manifest's text without its stamp.
func content(data []byte) ([]byte, error) {
	m, err := native.ParseDraft(data)
	if err != nil {
		return nil, err
	}
	m.Serial, m.Issued, m.Expires = 0, time.Time{}, time.Time{}
	return m.Encode()
}

// Unsigned stamps what Sign would and writes the exact bytes to be signed
// elsewhere to w. The directory remembers them until Attach brings the
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
	data, err := s.stamp(m, by)
	if err != nil {
		return verify.Mark{}, err
	}
	if m, err = native.ParseDraft(data); err != nil {
		return verify.Mark{}, err
	}
	if err := durable.Write(d.Root, UnsignedFile, data, perm); err != nil {
		return verify.Mark{}, err
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
