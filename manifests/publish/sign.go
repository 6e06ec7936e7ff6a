package publish

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// DefaultValidity is how long a manifest is valid unless the publisher states another
// time.
const DefaultValidity = 90 * 24 * time.Hour

// A Stamp has the time and validity of a document that is issued.
type Stamp struct {
	Now      time.Time
	Validity time.Duration // zero: DefaultValidity, DefaultKeysValidity; at most verify.MaxLife
}

// stamp returns the text of m with the next serial and the dates of by.
func (d Dir) stamp(s state, m *native.Manifest, by Stamp) ([]byte, error) {
	edition := *m
	edition.Serial = s.serial + 1
	keys, err := d.keysInForce()
	if err != nil {
		return nil, err
	}
	if keys != nil {
		edition.Serial = max(edition.Serial, keys.Serial) // manifests start over at this serial
	}
	if edition.Issued, edition.Expires, err = by.times(DefaultValidity); err != nil {
		return nil, err
	}
	if edition.Releases, err = s.dated(edition.Releases, edition.Issued); err != nil {
		return nil, err
	}
	return edition.Encode()
}

// dated returns releases, of which those that are new, or have new files, were released at
// the time at. Releases that were published without a date stay without one.
func (s state) dated(releases []native.Release, at time.Time) ([]native.Release, error) {
	undated := map[[2]string]bool{}
	if s.published != nil {
		published, err := parse(ManifestFile, s.published)
		if err != nil {
			return nil, err
		}
		for _, r := range published.Releases {
			undated[[2]string{r.Tool, r.Version}] = r.Released.IsZero()
		}
	}
	releases = slices.Clone(releases)
	for i, r := range releases {
		if r.Released.IsZero() && !undated[[2]string{r.Tool, r.Version}] {
			releases[i].Released = at
		}
	}
	return releases, nil
}

// times returns the dates of issue and expiry of a document that is stamped now.
func (by Stamp) times(usual time.Duration) (issued, expires time.Time, err error) {
	validity := cmp.Or(by.Validity, usual)
	if validity < time.Second || validity > verify.MaxLife {
		return issued, expires, manifests.Invalid("the validity is %v, want 1s to %d days", validity, verify.MaxLife/(24*time.Hour))
	}
	issued = by.Now.UTC().Truncate(time.Second)
	return issued, issued.Add(validity), nil
}

// Signed is the result of signing a manifest.
type Signed struct {
	Mark      verify.Mark          `json:"mark"`              // of the signed manifest
	Published bool                 `json:"published"`         // users get it; else it waits for more signatures in NextFile
	Signers   Quorum               `json:"signers,omitzero"`  // how many of the required signers have signed it
	Missing   []verify.Fingerprint `json:"missing,omitempty"` // keys that have not signed it, if more signatures are needed
	Claims    []verify.Claim       `json:"signatures,omitempty"`
	Cosigned  bool                 `json:"cosigned,omitempty"`      // the signature was added to earlier ones
	Unproved  bool                 `json:"unproved,omitempty"`      // made elsewhere: the signer's certificate is not known here
	Unchanged bool                 `json:"unchanged,omitempty"`     // the signature was already there
	Keys      uint64               `json:"keys_in_force,omitempty"` // version of the keys document that this signature put in force; 0: none
	Text      []byte               `json:"-"`                       // the manifest
	Dropped   uint64               `json:"-"`                       // serial of a waiting manifest that this one replaced; 0: none
	Findings  []verify.Finding     `json:"-"`                       // problems that the signer's key will have soon
}

// A KeyError reports that a key cannot sign for a channel, because users would refuse its
// signatures.
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
func (*KeyError) Kind() string { return "untrusted" }

// A Signature is how a document is signed next: with a secret key, or by a signature that
// was made elsewhere, armored or binary. Zero: not yet.
type Signature struct {
	Key  *verify.SecretKey
	Made []byte
	Keys [][]byte // certificates to verify Made with
}

// SignBy signs the manifest as sign and attach do. With the zero Signature it returns
// the manifest to be signed elsewhere, as unsigned does.
func (d Dir) SignBy(sig Signature, by Stamp) (Signed, error) {
	switch {
	case sig.Key != nil:
		return d.sign(sig.Key, by)
	case sig.Made != nil:
		return d.attach(sig.Made, by.Now, sig.Keys...)
	}
	return d.unsigned(by)
}

// sign stamps the draft and signs it with key. When enough signers have signed it, it is
// published; until then it waits in NextFile. Without a draft, sign adds the signature
// of key to the waiting manifest, or else to the published one. If key has signed the
// published manifest already, or the manifest has expired, sign issues the same content
// again with a new stamp. The certificate of key is added to publisher.asc. The error is
// a *KeyError for a key that users would refuse; then nothing is written.
func (d Dir) sign(key *verify.SecretKey, by Stamp) (Signed, error) {
	certificate := key.PublicKey()
	findings, err := lint(by.Now, certificate)
	if err != nil {
		return Signed{}, err
	}
	if err := d.checkSigner(key.Keyring(), by.Now); err != nil {
		return Signed{}, err
	}
	keys, err := d.enforceWaitingKeys(by.Now) // a crash may have left one
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
		return d.finish(s, data, s.nextBlock, by.Now, done)
	}
	block, err := key.Sign(ManifestFile, data, by.Now)
	if err != nil {
		return Signed{}, err
	}
	if err := d.rememberKeys(certificate); err != nil {
		return Signed{}, err
	}
	return d.finish(s, data, block, by.Now, done)
}

// unfinished returns the newest stamped manifest if it is fresh and signer can add a
// signature to it, or has signed it already while it waits for others. Otherwise it
// returns nil.
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

// lint checks a signer's certificates by the rules that users apply, without pins.
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

// unsigned returns the text and mark of the manifest to be signed elsewhere: the one that
// waits for signatures, if nothing was changed since, or else what sign would stamp. The
// text is stored in the directory until attach adds the signature. The published manifest
// does not change.
func (d Dir) unsigned(by Stamp) (Signed, error) {
	s, m, err := d.loadWork()
	if err != nil {
		return Signed{}, err
	}
	data := s.next
	if s.draft != nil || s.next == nil || m.Mark(verify.Digest{}).Fresh(by.Now) != nil {
		if data, err = d.stamp(s, m, by); err != nil {
			return Signed{}, err
		}
		if m, err = native.ParseDraft(data); err != nil {
			return Signed{}, err
		}
		if err := d.put(UnsignedFile, data); err != nil {
			return Signed{}, err
		}
	}
	return Signed{Mark: m.Mark(verify.DigestOf(data)), Text: data}, nil
}

// matches reports whether a signature in block is over data, by the part of its digest
// that it states. It needs no key and proves nothing.
func matches(block, data []byte) bool {
	claims, err := verify.Claims(block, data)
	return err == nil && slices.ContainsFunc(claims, func(c verify.Claim) bool { return c.Fits })
}

// signedBy reports whether a signature over the data claims to be by a key of ring.
func signedBy(claims []verify.Claim, ring *verify.Keyring) bool {
	return slices.ContainsFunc(claims, func(c verify.Claim) bool { return c.Fits && c.NamesKeyOf(ring) })
}
