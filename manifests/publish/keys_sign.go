package publish

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// signKeys adds the signature of key to the keys document that is gathering signatures,
// or else to the one in force. If key has signed that too, it issues the same keys again
// with new dates. The document comes into force, and the one before it is stored in keys/,
// once the thresholds of the keys in force and of its own keys are reached, and its own
// keys have also signed the published manifest.
func (d Dir) signKeys(key *verify.SecretKey, by Stamp) (KeysSigned, error) {
	name, data, block, err := d.unfinishedKeys()
	if err != nil {
		return KeysSigned{}, err
	}
	if claims, err := verify.Claims(block, data); err == nil && signedBy(claims, key.Keyring()) {
		if name == nextRotationFile {
			done, err := d.finishKeys(name, data, block, by.Now)
			done.Unchanged = true
			return done, err
		}
		if _, err := d.prepareKeys(KeysChange{}, by); err != nil {
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
	return d.attachKeys(sig, by.Now)
}

// attachKeys is signKeys with a signature that was made elsewhere, armored or binary. The
// error matches verify.ErrUntrusted, and nothing changes, unless the signature is over the
// exact bytes of the document and by a key that may sign it.
func (d Dir) attachKeys(sig []byte, now time.Time) (KeysSigned, error) {
	name, data, block, err := d.unfinishedKeys()
	if err != nil {
		return KeysSigned{}, err
	}
	ring, err := d.keysSigners(data, now)
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
	if name == RotationFile {
		err = d.putSignatures(name, data, joined)
	} else {
		err = d.put(name+".asc", joined)
	}
	if err != nil {
		return KeysSigned{}, err
	}
	done, err := d.finishKeys(name, data, joined, now)
	done.Unchanged = bytes.Equal(joined, block)
	return done, err
}

// finishKeys puts the keys document name in force if it has enough signatures, and
// returns its state.
func (d Dir) finishKeys(name string, data, block []byte, now time.Time) (KeysSigned, error) {
	done, err := d.gathered(data, block, now)
	if err != nil || name == RotationFile || !done.Enough() || !done.Manifest.Reached() {
		done.InForce = name == RotationFile
		return done, err
	}
	err = d.enforceKeys(data, block, now)
	done.InForce = err == nil
	return done, err
}

// enforceWaitingKeys puts the keys document in force that waited only for the published
// manifest, and returns its version, or 0 if there is none.
func (d Dir) enforceWaitingKeys(now time.Time) (uint64, error) {
	next, err := d.read(nextRotationFile, native.MaxKeysFile)
	if err != nil || next == nil {
		return 0, err
	}
	name, data, block, err := d.unfinishedKeys()
	if err != nil {
		return 0, err
	}
	if name == RotationFile { // a crash interrupted enforceKeys
		k, err := native.ParseKeysDraft(data)
		if err != nil {
			return 0, err
		}
		return 0, d.endKeysChange(k)
	}
	if block == nil {
		return 0, nil
	}
	done, err := d.finishKeys(name, data, block, now)
	if err != nil || !done.InForce {
		return 0, err
	}
	return done.Version, nil
}

// enforceKeys puts a document with enough signatures in force. It stores the one before
// it in keys/ first, so that users who missed versions find all of them.
func (d Dir) enforceKeys(data, block []byte, now time.Time) error {
	old, err := d.read(RotationFile, native.MaxKeysFile)
	if err != nil {
		return err
	}
	k, err := native.ParseKeysDraft(data)
	if err != nil {
		return err
	}
	ring, err := k.Keyring()
	if err != nil {
		return err
	}
	var inForce state
	after, before := []group{{ring, k.Threshold}}, []group(nil)
	if old != nil {
		if inForce.block, err = d.read(rotationSignatureFile, manifests.MaxSignature); err != nil {
			return err
		}
		inForce.published = old
		k, err := native.ParseKeysDraft(old)
		if err != nil {
			return err
		}
		if ring, err = k.Keyring(); err != nil {
			return err
		}
		before = []group{{ring, k.Threshold}}
		after = append(after, before...)
		name := native.KeysFileOf(k.Version)
		if err := rootfs.Mkdir(d.Root, keysDir, 0o755); err != nil {
			return err
		}
		if err := d.put(name+".asc", inForce.block); err != nil {
			return err
		}
		if err := d.put(name, old); err != nil {
			return err
		}
	}
	if err := d.replace(inForce, RotationFile, data, block, now, before, after); err != nil {
		return err
	}
	return d.endKeysChange(k)
}

// endKeysChange ends the change to k, which is in force: it removes the waiting copy,
// and removes from publisher.asc, which new users are given, all keys that k does not list.
func (d Dir) endKeysChange(k *native.Keys) error {
	if err := d.put(KeysFile, bytes.Join(k.Certificates, nil)); err != nil {
		return err
	}
	return errors.Join(d.drop(nextSignatureFile), d.drop(nextRotationFile))
}

const keysDir = "keys"
