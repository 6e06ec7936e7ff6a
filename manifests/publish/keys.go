package publish

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// The files of a channel's keys. The keys documents that were in force before
// are in keys/, by version.
const (
	RotationFile          = native.KeysFile
	RotationSignatureFile = RotationFile + ".asc"
	NextRotationFile      = "keys.next.toml" // the document that gathers its signatures
	NextSignatureFile     = NextRotationFile + ".asc"
)

// A KeysChange says what the next keys document changes. What is left out stays
// as it is in the document in force.
type KeysChange struct {
	Keys      [][]byte             // certificates of all who sign from now on
	Threshold int                  // how many of them must; in the first document 1
	Revoke    []verify.Fingerprint // keys that never count again
	Serial    uint64               // that manifests count from anew
	Signer    *verify.Keyring      // who signs it next; nil: not said. One that may not is a *KeyError
}

// IsZero reports whether c changes nothing.
func (c KeysChange) IsZero() bool {
	return len(c.Keys)+len(c.Revoke) == 0 && c.Threshold == 0 && c.Serial == 0
}

// KeysSigned says how far a keys document has come.
type KeysSigned struct {
	Keys      *native.Keys
	InForce   bool                 // it is served; else it waits in NextRotationFile
	Old, New  Quorum               // who signed it of the keys in force before, and of those it names
	Missing   []verify.Fingerprint // keys that may sign it and have not, while more must
	Claims    []verify.Claim       // its signatures, as they claim to be
	Findings  []verify.Finding
	Unchanged bool // the signature was there already
	// Manifest is who signed the published manifest of the keys it names: once they
	// are in force, users accept no other signatures. Need is 0 where nothing is
	// published. ManifestMissing are those who have not signed it, while more must.
	Manifest        Quorum
	ManifestMissing []verify.Fingerprint
}

// Enough reports whether all have signed the document that must.
func (k KeysSigned) Enough() bool { return k.Old.Reached() && k.New.Reached() }

// PrepareKeys stamps the next keys document, to be signed by SignKeys or
// AttachKeys. One that was gathering signatures is dropped with them. Keys that
// users would refuse are a *KeyError.
func (d Dir) PrepareKeys(c KeysChange, by Stamp) (KeysSigned, error) {
	s, err := d.load()
	if err != nil {
		return KeysSigned{}, err
	}
	next := &native.Keys{Channel: s.channel, Version: 1, Threshold: 1, Serial: c.Serial, Revoked: slices.Clone(c.Revoke)}
	now, err := d.keysInForce()
	if err != nil {
		return KeysSigned{}, err
	}
	if now != nil {
		next.Version, next.Threshold, next.Certificates = now.Version+1, now.Threshold, now.Certificates
		next.Revoked = slices.Concat(now.Revoked, c.Revoke)
	}
	if c.Threshold > 0 {
		next.Threshold = c.Threshold
	}
	slices.Sort(next.Revoked)
	next.Revoked = slices.Compact(next.Revoked)
	if next.Certificates, err = certificates(c.Keys, next.Certificates, c.Revoke); err != nil {
		return KeysSigned{}, err
	}
	if len(next.Certificates) == 0 {
		return KeysSigned{}, &InputError{"name the keys that sign from now on"}
	}
	if next.Threshold > MaxThreshold {
		return KeysSigned{}, &InputError{fmt.Sprintf("a threshold of %d: want at most %d, since a block must hold the signatures of two editions", next.Threshold, MaxThreshold)}
	}
	if next.Threshold > len(next.Certificates) {
		return KeysSigned{}, &InputError{fmt.Sprintf("a threshold of %d with %d keys", next.Threshold, len(next.Certificates))}
	}
	findings, err := lint(by.Now, next.Certificates...)
	if err != nil {
		return KeysSigned{}, err
	}
	if next.Issued, next.Expires, err = by.times(DefaultKeysValidity); err != nil {
		return KeysSigned{}, err
	}
	data, err := next.Encode()
	if err != nil {
		return KeysSigned{}, err
	}
	if c.Signer != nil {
		if err := d.maySign(c.Signer, data); err != nil {
			return KeysSigned{}, err
		}
	}
	if err := d.drop(NextSignatureFile); err != nil {
		return KeysSigned{}, err
	}
	if err := d.put(NextRotationFile, data); err != nil {
		return KeysSigned{}, err
	}
	done, err := d.gathered(data, nil, by.Now)
	done.Findings = findings
	return done, err
}

// DefaultKeysValidity is how long a keys document is valid where the publisher
// does not say.
const DefaultKeysValidity = 365 * 24 * time.Hour

// certificates returns one block for each of the given certificates, else of
// those in force that are not revoked now.
func certificates(given, inForce [][]byte, revoked []verify.Fingerprint) ([][]byte, error) {
	if len(given) > 0 {
		ring, err := verify.OpenKeyring(given...)
		if err != nil {
			return nil, err
		}
		if err := ring.Distinct(); err != nil {
			return nil, &InputError{err.Error()}
		}
		return ring.Export(), nil
	}
	var left [][]byte
	for _, certificate := range inForce {
		ring, err := verify.OpenKeyring(certificate)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(revoked, ring.Certificates()[0].Fingerprint) {
			left = append(left, certificate)
		}
	}
	return left, nil
}

// KeysPending reports whether a keys document is gathering signatures.
func (d Dir) KeysPending() (bool, error) {
	name, _, _, err := d.unfinishedKeys()
	if _, none := errors.AsType[*InputError](err); none {
		return false, nil
	}
	return name == NextRotationFile, err
}

// UnsignedKeys writes the exact bytes of the keys document that is gathering
// signatures to w, to be signed elsewhere.
func (d Dir) UnsignedKeys(w io.Writer, now time.Time) (KeysSigned, error) {
	_, data, block, err := d.unfinishedKeys()
	if err != nil {
		return KeysSigned{}, err
	}
	if _, err := w.Write(data); err != nil {
		return KeysSigned{}, err
	}
	return d.gathered(data, block, now)
}

// unfinishedKeys is what a further signer signs: the document that is gathering
// signatures, else the one in force.
func (d Dir) unfinishedKeys() (name string, data, block []byte, err error) {
	inForce, err := d.read(RotationFile, native.MaxKeysFile)
	if err != nil {
		return "", nil, nil, err
	}
	name = NextRotationFile
	if data, err = d.read(name, native.MaxKeysFile); err != nil {
		return "", nil, nil, err
	}
	if data == nil || bytes.Equal(data, inForce) { // in force already: something prevented its removal
		name, data = RotationFile, inForce
	}
	if data == nil {
		return "", nil, nil, &InputError{"there is no keys document to sign: name the keys that sign from now on"}
	}
	block, err = d.read(name+".asc", manifests.MaxSignature)
	return name, data, block, err
}

// keysInForce is what keys.toml states, nil where there is none.
func (d Dir) keysInForce() (*native.Keys, error) {
	data, err := d.read(RotationFile, native.MaxKeysFile)
	if err != nil || data == nil {
		return nil, err
	}
	return native.ParseKeysDraft(data)
}

// keysSigners are all who may sign a keys document: the keys that it names, and
// those in force before.
func (d Dir) keysSigners(data []byte) (*verify.Keyring, error) {
	k, err := native.ParseKeysDraft(data)
	if err != nil {
		return nil, err
	}
	all := k.Certificates
	now, err := d.keysInForce()
	if err != nil {
		return nil, err
	}
	if now != nil {
		all = slices.Concat(all, now.Certificates)
	}
	return verify.OpenKeyring(all...)
}

// gathered judges a document that may become the next, or is in force, as its
// users will: it returns how many have signed of those who must.
func (d Dir) gathered(data, block []byte, now time.Time) (KeysSigned, error) {
	k, err := native.ParseKeysDraft(data)
	if err != nil {
		return KeysSigned{}, err
	}
	done := KeysSigned{Keys: k}
	if block != nil {
		if done.Claims, err = verify.Claims(block, data); err != nil {
			return done, err
		}
	}
	ring, err := k.Keyring()
	if err != nil {
		return done, err
	}
	if done.New, done.Missing, err = (group{ring, k.Threshold}).count(data, block, now); err != nil {
		return done, err
	}
	before, err := d.keysInForce()
	if err != nil {
		return done, err
	}
	if before != nil && before.Version < k.Version {
		old, err := before.Keyring()
		if err != nil {
			return done, err
		}
		var missing []verify.Fingerprint
		if done.Old, missing, err = (group{old, before.Threshold}).count(data, block, now); err != nil {
			return done, err
		}
		done.Missing = append(done.Missing, missing...)
		slices.Sort(done.Missing)
		done.Missing = slices.Compact(done.Missing)
	}
	manifest, err := d.read(ManifestFile, manifests.MaxManifest)
	if err != nil || manifest == nil {
		return done, err
	}
	signatures, err := d.read(SignatureFile, manifests.MaxSignature)
	if err != nil || !fits(signatures, manifest) { // nothing is published
		return done, err
	}
	done.Manifest, done.ManifestMissing, err = (group{ring, k.Threshold}).count(manifest, signatures, now)
	return done, err
}

// notAmong returns a *KeyError if there is a keys document in force, and neither
// it nor the next one names key: users would refuse what it signs. A key that is
// about to join signs the manifest before it does, so that there is no gap.
func (d Dir) notAmong(key *verify.Keyring) error {
	now, err := d.keysInForce()
	if err != nil || now == nil {
		return err
	}
	_, data, _, err := d.unfinishedKeys()
	if err != nil {
		return err
	}
	return d.maySign(key, data)
}

// maySign returns a *KeyError unless key is one of those who may sign a keys document.
func (d Dir) maySign(key *verify.Keyring, data []byte) error {
	ring, err := d.keysSigners(data)
	if err != nil {
		return err
	}
	primary := key.Certificates()[0].Fingerprint
	if slices.ContainsFunc(ring.Certificates(), func(c verify.Certificate) bool { return c.Fingerprint == primary }) {
		return nil
	}
	return &KeyError{[]verify.Finding{{Primary: primary, Refuse: true, Problem: RotationFile + " does not name it",
		Remedy: "have it join the channel's keys with kist publish keys"}}}
}
