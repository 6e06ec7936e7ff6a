package publish

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/internal/durable"
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
	InForce   bool           // enough have signed; it is served from now on
	Old, New  Quorum         // of the keys in force before, and of those it names
	Claims    []verify.Claim // its signatures, as they claim to be
	Findings  []verify.Finding
	Unchanged bool // the signature was there already
	// Behind says that the document is in force, and the manifest is not signed
	// by enough of its keys: users refuse it until it is.
	Behind bool
}

// A Quorum is how many of those who must sign have signed. Need is 0 where
// nobody must.
type Quorum struct {
	Need int `json:"need"`
	Have int `json:"have"`
}

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
	if err := durable.Remove(d.Root, NextSignatureFile); err != nil {
		return KeysSigned{}, err
	}
	if err := durable.Write(d.Root, NextRotationFile, data, perm); err != nil {
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
	data, err := d.read(NextRotationFile, native.MaxKeysFile)
	return data != nil, err
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

// SignKeys adds the signature of key to the keys document that is gathering
// them, or else to the one in force; where key has signed that too, it issues
// the same keys anew. As soon as the threshold of the keys in force before and
// that of its own keys have signed, the document is put in force, and the one
// before it is kept in keys/.
func (d Dir) SignKeys(key *verify.SecretKey, by Stamp) (KeysSigned, error) {
	name, data, block, err := d.unfinishedKeys()
	if err != nil {
		return KeysSigned{}, err
	}
	if claims, err := verify.Claims(block, data); err == nil && signedBy(claims, key.Keyring()) {
		if name == NextRotationFile {
			done, err := d.gathered(data, block, by.Now)
			done.Unchanged = true
			return done, err
		}
		if _, err := d.PrepareKeys(KeysChange{}, by); err != nil {
			return KeysSigned{}, err
		}
		if name, data, _, err = d.unfinishedKeys(); err != nil {
			return KeysSigned{}, err
		}
	}
	sig, err := key.Sign(name, data, by.Now)
	if err != nil {
		return KeysSigned{}, err
	}
	return d.AttachKeys(sig, by.Now)
}

// AttachKeys is SignKeys with a signature that was made elsewhere, armored or
// binary. One that is not over these very bytes, by a key that may sign them,
// matches verify.ErrUntrusted, and nothing changes.
func (d Dir) AttachKeys(sig []byte, now time.Time) (KeysSigned, error) {
	name, data, block, err := d.unfinishedKeys()
	if err != nil {
		return KeysSigned{}, err
	}
	ring, err := d.keysSigners(data)
	if err != nil {
		return KeysSigned{}, err
	}
	policy := verify.Policy{Keys: ring, Threshold: 1, Now: now, Use: verify.Manifest}
	if _, err := policy.Detached(name, data, sig); err != nil {
		return KeysSigned{}, err
	}
	joined, err := verify.AppendSignature(sig, sig) // as one armored block
	if block != nil && err == nil {
		joined, err = verify.AppendSignature(block, sig)
	}
	if err != nil {
		return KeysSigned{}, fmt.Errorf("%s: %w", name+".asc", err)
	}
	if err := durable.Write(d.Root, name+".asc", joined, perm); err != nil {
		return KeysSigned{}, err
	}
	done, err := d.gathered(data, joined, now)
	done.Unchanged = bytes.Equal(joined, block)
	if err != nil || !done.InForce {
		return done, err
	}
	if name == NextRotationFile {
		if err := d.enforceKeys(data, joined); err != nil {
			return done, err
		}
	}
	done.Behind, err = d.manifestBehind(done.Keys, now)
	return done, err
}

// manifestBehind reports whether there is a manifest that the keys of k do not
// prove.
func (d Dir) manifestBehind(k *native.Keys, now time.Time) (bool, error) {
	data, err := d.read(ManifestFile, manifests.MaxManifest)
	if err != nil || data == nil {
		return false, err
	}
	block, err := d.read(SignatureFile, manifests.MaxSignature)
	if err != nil {
		return false, err
	}
	have, err := quorum(k, data, block, now)
	return have.Have < have.Need, err
}

// unfinishedKeys is what a further signer signs: the document that is gathering
// signatures, else the one in force.
func (d Dir) unfinishedKeys() (name string, data, block []byte, err error) {
	for _, name := range []string{NextRotationFile, RotationFile} {
		if data, err = d.read(name, native.MaxKeysFile); err != nil {
			return "", nil, nil, err
		}
		if data != nil {
			block, err = d.read(name+".asc", manifests.MaxSignature)
			return name, data, block, err
		}
	}
	return "", nil, nil, &InputError{"there is no keys document to sign: name the keys that sign from now on"}
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
	if done.New, err = quorum(k, data, block, now); err != nil {
		return done, err
	}
	before, err := d.keysInForce()
	if err != nil {
		return done, err
	}
	if before != nil && before.Version < k.Version {
		if done.Old, err = quorum(before, data, block, now); err != nil {
			return done, err
		}
	}
	done.InForce = done.New.Have >= done.New.Need && done.Old.Have >= done.Old.Need
	return done, nil
}

// quorum counts who of k has signed data.
func quorum(k *native.Keys, data, block []byte, now time.Time) (Quorum, error) {
	ring, err := k.Keyring()
	if err != nil {
		return Quorum{}, err
	}
	policy := verify.Policy{Keys: ring, Threshold: k.Threshold, Now: now, Use: verify.Manifest}
	d, err := policy.Detached(RotationFile, data, block)
	if short, ok := errors.AsType[*verify.SignatureError](err); ok {
		return Quorum{k.Threshold, len(short.Got)}, nil
	}
	return Quorum{k.Threshold, len(d.Evidence().Signers)}, err
}

// enforceKeys puts a document that enough have signed in force. The one before
// it is kept first, so that nobody who comes back finds a gap.
func (d Dir) enforceKeys(data, block []byte) error {
	was, err := d.read(RotationFile, native.MaxKeysFile)
	if err != nil {
		return err
	}
	var before state
	if was != nil {
		if before.block, err = d.read(RotationSignatureFile, manifests.MaxSignature); err != nil {
			return err
		}
		before.published = was
		k, err := native.ParseKeysDraft(was)
		if err != nil {
			return err
		}
		name := native.KeysFileOf(k.Version)
		if err := durable.Mkdir(d.Root, keysDir, 0o755); err != nil {
			return err
		}
		if err := durable.Write(d.Root, name+".asc", before.block, perm); err != nil {
			return err
		}
		if err := durable.Write(d.Root, name, was, perm); err != nil {
			return err
		}
	}
	writes, err := before.replacement(RotationFile, data, block)
	if err != nil {
		return err
	}
	k, err := native.ParseKeysDraft(data)
	if err != nil {
		return err
	}
	// What is handed to new users holds no key that was left behind.
	writes = append(writes, file{KeysFile, bytes.Join(k.Certificates, nil)})
	for _, w := range writes {
		if err := durable.Write(d.Root, w.name, w.data, perm); err != nil {
			return err
		}
	}
	return errors.Join(durable.Remove(d.Root, NextRotationFile), durable.Remove(d.Root, NextSignatureFile))
}

const keysDir = "keys"

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
