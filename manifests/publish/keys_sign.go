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

// SignKeys adds the signature of key to the keys document that is gathering
// them, or else to the one in force; where key has signed that too, it issues
// the same keys anew. The document is put in force, and the one before it is kept
// in keys/, as soon as the threshold of the keys in force before and that of its
// own keys have signed it, and that of its own keys the published manifest too.
func (d Dir) SignKeys(key *verify.SecretKey, by Stamp) (KeysSigned, error) {
	name, data, block, err := d.unfinishedKeys()
	if err != nil {
		return KeysSigned{}, err
	}
	if claims, err := verify.Claims(block, data); err == nil && signedBy(claims, key.Keyring()) {
		if name == NextRotationFile {
			done, err := d.settleKeys(name, data, block, by.Now)
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
	if err := d.put(name+".asc", joined); err != nil {
		return KeysSigned{}, err
	}
	done, err := d.settleKeys(name, data, joined, now)
	done.Unchanged = bytes.Equal(joined, block)
	return done, err
}

// settleKeys puts the keys document name in force if it may be, and returns how
// far it has come.
func (d Dir) settleKeys(name string, data, block []byte, now time.Time) (KeysSigned, error) {
	done, err := d.gathered(data, block, now)
	if err != nil || name == RotationFile || !done.Enough() || !done.Manifest.Reached() {
		done.InForce = name == RotationFile
		return done, err
	}
	err = d.enforceKeys(data, block, now)
	done.InForce = err == nil
	return done, err
}

// enforceWaitingKeys puts a keys document in force that waited for nothing but
// the published manifest, and returns its version; 0: there is none.
func (d Dir) enforceWaitingKeys(now time.Time) (uint64, error) {
	next, err := d.read(NextRotationFile, native.MaxKeysFile)
	if err != nil || next == nil {
		return 0, err
	}
	name, data, block, err := d.unfinishedKeys()
	if err != nil {
		return 0, err
	}
	if name == RotationFile { // a crash left the rest to do
		k, err := native.ParseKeysDraft(data)
		if err != nil {
			return 0, err
		}
		return 0, d.finishKeys(k)
	}
	if block == nil {
		return 0, nil
	}
	done, err := d.settleKeys(name, data, block, now)
	if err != nil || !done.InForce {
		return 0, err
	}
	return done.Version, nil
}

// enforceKeys puts a document that enough have signed in force. The one before
// it is kept first, so that nobody who comes back finds a gap.
func (d Dir) enforceKeys(data, block []byte, now time.Time) error {
	was, err := d.read(RotationFile, native.MaxKeysFile)
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
	var before state
	next, old := []group{{ring, k.Threshold}}, []group(nil)
	if was != nil {
		if before.block, err = d.read(RotationSignatureFile, manifests.MaxSignature); err != nil {
			return err
		}
		before.published = was
		k, err := native.ParseKeysDraft(was)
		if err != nil {
			return err
		}
		if ring, err = k.Keyring(); err != nil {
			return err
		}
		old = []group{{ring, k.Threshold}}
		next = append(next, old...)
		name := native.KeysFileOf(k.Version)
		if err := rootfs.Mkdir(d.Root, keysDir, 0o755); err != nil {
			return err
		}
		if err := d.put(name+".asc", before.block); err != nil {
			return err
		}
		if err := d.put(name, was); err != nil {
			return err
		}
	}
	writes, err := before.replacement(RotationFile, data, block, now, old, next)
	if err != nil {
		return err
	}
	for _, w := range writes {
		if err := d.put(w.name, w.data); err != nil {
			return err
		}
	}
	return d.finishKeys(k)
}

// finishKeys does what is left to do once k is in force. What is handed to new
// users then holds no key that was left behind.
func (d Dir) finishKeys(k *native.Keys) error {
	if err := d.put(KeysFile, bytes.Join(k.Certificates, nil)); err != nil {
		return err
	}
	return errors.Join(d.drop(NextSignatureFile), d.drop(NextRotationFile))
}

const keysDir = "keys"
