package publish

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// The files of a channel's keys. Earlier keys documents are in keys/, by version.
const (
	RotationFile          = native.KeysFile
	rotationSignatureFile = RotationFile + ".asc"
	nextRotationFile      = "keys.next.toml" // the next document, while it gathers signatures
	nextSignatureFile     = nextRotationFile + ".asc"
)

// A KeysChange is the difference between the keys document in force and the next one.
// Zero fields change nothing.
type KeysChange struct {
	Keys      [][]byte             // the certificates of all keys that sign from now on
	Threshold int                  // how many of them must sign; 1 in the first document
	Revoke    []verify.Fingerprint // keys that must never count again
	Serial    uint64               // the serial at which manifests start over
	Signer    *verify.Keyring      // the key that will sign next, if known. If it may not sign, the error is a *KeyError
}

// isZero reports whether c changes nothing.
func (c KeysChange) isZero() bool {
	return len(c.Keys)+len(c.Revoke) == 0 && c.Threshold == 0 && c.Serial == 0
}

// KeysSigned is the state of a keys document and its signatures.
type KeysSigned struct {
	Channel   string               `json:"channel"`
	Version   uint64               `json:"version"`
	Expires   time.Time            `json:"expires"`
	Threshold int                  `json:"threshold"`
	Keys      []verify.Fingerprint `json:"keys"`
	Revoked   []verify.Fingerprint `json:"revoked,omitempty"`
	Serial    uint64               `json:"serial,omitempty"`  // at which manifests start over; 0: they do not
	InForce   bool                 `json:"in_force"`          // it is published; else it waits in nextRotationFile
	Old       Quorum               `json:"signed_by_old"`     // signatures by the keys of the previous document
	New       Quorum               `json:"signed_by_new"`     // signatures by its own keys
	Missing   []verify.Fingerprint `json:"missing,omitempty"` // keys that can sign it and have not, if more signatures are needed
	Claims    []verify.Claim       `json:"signatures,omitempty"`
	Unchanged bool                 `json:"unchanged,omitempty"` // the signature was already there
	// Manifest counts the signatures on the published manifest by the keys of this
	// document: once it is in force, users accept no others. Need is 0 if nothing is
	// published. ManifestMissing are the keys that have not signed the manifest, if
	// more signatures are needed.
	Manifest        Quorum               `json:"manifest_signed_by_new"`
	ManifestMissing []verify.Fingerprint `json:"manifest_missing,omitempty"`

	Text     []byte           `json:"-"` // the document, to be signed elsewhere
	Dropped  bool             `json:"-"` // the document replaced one that was waiting for signatures
	Findings []verify.Finding `json:"-"` // problems that its keys will have soon
}

// Enough reports whether the document has enough signatures.
func (k KeysSigned) Enough() bool { return k.Old.Reached() && k.New.Reached() }

// ChangeKeys prepares the next keys document, if c or by.Validity asks for one or there is
// none to sign yet, and signs it as signKeys or attachKeys do. With an error it returns
// what preparing found and dropped.
func (d Dir) ChangeKeys(c KeysChange, by Stamp, sig Signature) (KeysSigned, error) {
	waiting, block, err := d.waitingKeys()
	if err != nil {
		return KeysSigned{}, err
	}
	if sig.Key != nil {
		c.Signer = sig.Key.Keyring()
	}
	var prepared, done KeysSigned
	unsigned := sig.Key == nil && sig.Made == nil
	if !c.isZero() || by.Validity > 0 || unsigned && waiting == nil {
		if prepared, err = d.prepareKeys(c, by); err != nil {
			return KeysSigned{}, err
		}
	}
	switch {
	case sig.Key != nil:
		done, err = d.signKeys(sig.Key, by)
	case sig.Made != nil:
		done, err = d.attachKeys(sig.Made, by.Now)
	case prepared.Text != nil:
		return prepared, nil
	default:
		done, err = d.gathered(waiting, block, by.Now)
	}
	done.Findings, done.Dropped = prepared.Findings, prepared.Dropped
	return done, err
}

// prepareKeys stamps the next keys document, to be signed by signKeys or attachKeys. A
// document that is gathering signatures is kept, with its signatures, if it states the
// same; otherwise it is replaced. The error is a *KeyError for keys
// that users would refuse.
func (d Dir) prepareKeys(c KeysChange, by Stamp) (KeysSigned, error) {
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
	if c.Threshold != 0 {
		next.Threshold = c.Threshold
	}
	slices.Sort(next.Revoked)
	next.Revoked = slices.Compact(next.Revoked)
	if next.Certificates, err = certificates(c.Keys, next.Certificates, c.Revoke); err != nil {
		return KeysSigned{}, err
	}
	if len(next.Certificates) == 0 {
		return KeysSigned{}, manifests.Invalid("name the keys that sign from now on")
	}
	if next.Threshold < 1 || next.Threshold > MaxThreshold {
		return KeysSigned{}, manifests.Invalid("a threshold of %d: want 1 to %d, since a block must hold the signatures of two editions", next.Threshold, MaxThreshold)
	}
	if next.Threshold > len(next.Certificates) {
		return KeysSigned{}, manifests.Invalid("a threshold of %d with %d keys", next.Threshold, len(next.Certificates))
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
		if err := d.maySign(c.Signer, data, by.Now); err != nil {
			return KeysSigned{}, err
		}
	}
	waiting, block, err := d.waitingKeys()
	if err != nil {
		return KeysSigned{}, err
	}
	if by.Validity == 0 && waiting != nil && sameKeys(waiting, next) {
		done, err := d.gathered(waiting, block, by.Now)
		done.Findings = findings
		return done, err
	}
	if err := d.drop(nextSignatureFile); err != nil {
		return KeysSigned{}, err
	}
	if err := d.put(nextRotationFile, data); err != nil {
		return KeysSigned{}, err
	}
	done, err := d.gathered(data, nil, by.Now)
	done.Findings, done.Dropped = findings, block != nil
	return done, err
}

// waitingKeys returns the document that is gathering signatures and the signatures that
// it has, nil if there is no such document.
func (d Dir) waitingKeys() (data, block []byte, err error) {
	name, data, block, err := d.unfinishedKeys()
	if errors.Is(err, manifests.ErrInput) || err == nil && name != nextRotationFile {
		return nil, nil, nil
	}
	return data, block, err
}

// sameKeys reports whether a keys document states the same as next, apart from its
// dates, and is still valid when next is issued.
func sameKeys(data []byte, next *native.Keys) bool {
	k, err := native.ParseKeysDraft(data)
	if err != nil || !next.Issued.Before(k.Expires) {
		return false
	}
	k.Issued, k.Expires = next.Issued, next.Expires
	one, err := sorted(*k).Encode()
	other, err2 := sorted(*next).Encode()
	return err == nil && err2 == nil && bytes.Equal(one, other)
}

// sorted returns k with its certificates in a fixed order, because their order has no
// meaning.
func sorted(k native.Keys) *native.Keys {
	k.Certificates = slices.SortedFunc(slices.Values(k.Certificates), bytes.Compare)
	return &k
}

// DefaultKeysValidity is how long a keys document is valid unless the publisher states
// another time.
const DefaultKeysValidity = 365 * 24 * time.Hour

// certificates returns one block for each of the given certificates. If none are given,
// it returns those in force without the revoked ones.
func certificates(given, inForce [][]byte, revoked []verify.Fingerprint) ([][]byte, error) {
	if len(given) > 0 {
		ring, err := verify.OpenKeyring(given...)
		if err != nil {
			return nil, err
		}
		if err := ring.Distinct(); err != nil {
			return nil, manifests.Invalid("%v", err)
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

// unfinishedKeys returns the document that a further signer signs: the one that is
// gathering signatures, else the one in force.
func (d Dir) unfinishedKeys() (name string, data, block []byte, err error) {
	inForce, err := d.read(RotationFile, native.MaxKeysFile)
	if err != nil {
		return "", nil, nil, err
	}
	name = nextRotationFile
	if data, err = d.read(name, native.MaxKeysFile); err != nil {
		return "", nil, nil, err
	}
	if data == nil || bytes.Equal(data, inForce) { // it is in force, and a crash prevented its removal
		name, data = RotationFile, inForce
	}
	if data == nil {
		return "", nil, nil, manifests.Invalid("there is no keys document to sign: name the keys that sign from now on")
	}
	block, err = d.read(name+".asc", manifests.MaxSignature)
	return name, data, block, err
}

// keysInForce returns the content of keys.toml, nil if it does not exist.
func (d Dir) keysInForce() (*native.Keys, error) {
	data, err := d.read(RotationFile, native.MaxKeysFile)
	if err != nil || data == nil {
		return nil, err
	}
	return native.ParseKeysDraft(data)
}

// keysSigners returns all keys that may sign a keys document: those that it lists, and
// those that users trust until it is in force.
func (d Dir) keysSigners(data []byte, now time.Time) (*verify.Keyring, error) {
	k, err := native.ParseKeysDraft(data)
	if err != nil {
		return nil, err
	}
	all := k.Certificates
	who, err := d.mustSign(k, now)
	if err != nil {
		return nil, err
	}
	if who.ring != nil {
		all = slices.Concat(all, who.ring.Export())
	}
	return verify.OpenKeyring(all...)
}

// gathered counts the signatures of a keys document that is in force or may become the
// next one, by the rules that users apply.
func (d Dir) gathered(data, block []byte, now time.Time) (KeysSigned, error) {
	k, err := native.ParseKeysDraft(data)
	if err != nil {
		return KeysSigned{}, err
	}
	done := KeysSigned{Channel: k.Channel, Version: k.Version, Expires: k.Expires, Threshold: k.Threshold, Revoked: k.Revoked, Serial: k.Serial, Text: data}
	if block != nil {
		if done.Claims, err = verify.Claims(block, data); err != nil {
			return done, err
		}
	}
	ring, err := k.Keyring()
	if err != nil {
		return done, err
	}
	for _, pin := range ring.Pins() {
		done.Keys = append(done.Keys, pin.Primary)
	}
	if done.New, done.Missing, err = (group{ring, k.Threshold}).count(data, block, now); err != nil {
		return done, err
	}
	who, err := d.mustSign(k, now)
	if err != nil {
		return done, err
	}
	if who.ring != nil {
		var missing []verify.Fingerprint
		if done.Old, missing, err = who.count(data, block, now); err != nil {
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
	if err != nil || !matches(signatures, manifest) { // nothing is published
		return done, err
	}
	done.Manifest, done.ManifestMissing, err = (group{ring, k.Threshold}).count(manifest, signatures, now)
	return done, err
}

// mustSign returns the keys that must sign k so that existing users accept it: the keys
// in force before it. Without keys.toml, users trust the keys that signed the published
// manifest, and may require all of them, so all of them must sign the first document.
// The ring is nil if nobody must.
func (d Dir) mustSign(k *native.Keys, now time.Time) (group, error) {
	inForce, err := d.keysInForce()
	if err != nil || inForce != nil && inForce.Version >= k.Version {
		return group{}, err
	}
	s, err := d.load()
	if err != nil {
		return group{}, err
	}
	return d.required(s, now)
}

// checkSigner returns a *KeyError if there is a keys document in force, and neither it
// nor the next one lists key, because users would refuse its signatures. A key of the
// next document can already sign the manifest, so that there is no gap.
func (d Dir) checkSigner(key *verify.Keyring, at time.Time) error {
	now, err := d.keysInForce()
	if err != nil || now == nil {
		return err
	}
	_, data, _, err := d.unfinishedKeys()
	if err != nil {
		return err
	}
	return d.maySign(key, data, at)
}

// maySign returns a *KeyError unless key may sign the keys document data.
func (d Dir) maySign(key *verify.Keyring, data []byte, now time.Time) error {
	ring, err := d.keysSigners(data, now)
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
