package channels

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// Renewed returns ring, the keys of a built-in channel, merged with the newer copies
// that Renew stored. A damaged copy is an error, because it may have contained a
// revocation.
func (s Store) Renewed(ring *verify.Keyring) (*verify.Keyring, error) {
	for _, pin := range ring.Pins() {
		name := renewedFile(pin.Primary)
		data, err := s.readFile(name, MaxKey)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			var newer *verify.Keyring
			if newer, err = verify.OpenKeyring(data); err == nil {
				ring, err = ring.Merge(newer)
			}
		}
		if err != nil {
			return nil, &SettingsError{name, err}
		}
	}
	return ring, nil
}

// Renew stores newer copies of the keys of a built-in channel, in the same directory as
// the keys of the user's channels. A stored copy is merged and never replaced, and
// removing a channel does not delete it, so that a revocation once seen stays.
func (s Store) Renew(newer *verify.Keyring) error {
	if err := rootfs.Mkdir(s.Root, keysDir, 0o700); err != nil {
		return err
	}
	armored := newer.Export()
	for i, certificate := range newer.Certificates() {
		if err := checkFingerprint(certificate.Fingerprint); err != nil {
			return fmt.Errorf("key %s: %w", certificate.Fingerprint, err)
		}
		if err := s.putKey(renewedFile(certificate.Fingerprint), certificate.Fingerprint, armored[i]); err != nil {
			return err
		}
	}
	return nil
}

func renewedFile(primary verify.Fingerprint) string {
	return keysDir + "/" + string(primary) + ".builtin.asc"
}
