package publish

import (
	"fmt"
	"slices"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// A KeysVersion is one version of the keys document, as history shows it.
type KeysVersion struct {
	*native.Keys
	Holders []verify.Certificate // its keys
	// Signers are the keys of this version and of the one before whose signatures of the
	// document were valid when they were made. They are empty if none can be verified today,
	// for instance because the newer copy of a certificate lacks what bound its keys then.
	Signers []verify.Signer
}

// History returns the versions of the keys document of a channel that the directory has,
// the newest first, and none for a channel without keys.toml. The newest one is what
// Prove proved. Earlier ones prove nothing to users, whose keys may have expired since. A
// document under the number of another, or of another channel, is an error that matches
// verify.ErrUntrusted.
func (d Dir) History(now time.Time) (list []KeysVersion, err error) {
	inForce, err := d.keysInForce()
	if err != nil || inForce == nil {
		return nil, err
	}
	for n := uint64(1); n <= min(inForce.Version, maxKeyVersions); n++ {
		name := native.KeysFileOf(n)
		if n == inForce.Version {
			name = RotationFile
		}
		version, found, err := d.keysVersion(name, list, now)
		if err != nil {
			return nil, err
		}
		if !found {
			continue
		}
		if version.Version != n || version.Channel != inForce.Channel {
			return nil, verify.Untrusted("%s: it is version %d of the keys of channel %s", name, version.Version, version.Channel)
		}
		list = append(list, version)
	}
	slices.Reverse(list)
	return list, nil
}

// keysVersion reads one version of the keys document. earlier are the versions before it.
func (d Dir) keysVersion(name string, earlier []KeysVersion, now time.Time) (v KeysVersion, found bool, err error) {
	data, err := d.read(name, native.MaxKeysFile)
	if err != nil || data == nil {
		return v, false, err
	}
	block, err := d.read(name+".asc", manifests.MaxSignature)
	if err != nil {
		return v, false, err
	}
	if v.Keys, err = native.ParseKeysDraft(data); err != nil {
		return v, false, fmt.Errorf("%s: %w", name, err)
	}
	ring, err := v.Keyring()
	if err != nil {
		return v, false, fmt.Errorf("%s: %w", name, err)
	}
	v.Holders = ring.Certificates()
	may := native.Keys{Certificates: v.Certificates}
	if len(earlier) > 0 {
		may.Certificates = slices.Concat(v.Certificates, earlier[len(earlier)-1].Certificates)
	}
	if ring, err = may.Keyring(); err != nil {
		return v, false, fmt.Errorf("%s: %w", name, err)
	}
	v.Signers = signersOf(name, data, block, ring, now)
	return v, true, nil
}

// signersOf returns the keys of ring whose signatures of data were valid when the last of
// them was made.
func signersOf(name string, data, block []byte, ring *verify.Keyring, now time.Time) []verify.Signer {
	claims, err := verify.Claims(block, data)
	if err != nil {
		return nil
	}
	var made time.Time
	for _, c := range claims {
		if c.Fits && c.Created.After(made) && !c.Created.After(now) {
			made = c.Created
		}
	}
	document, err := verify.Policy{Keys: ring, Threshold: 1, Now: made, Clock: now, Use: verify.Manifest, Armored: true}.Detached(name, data, block)
	if err != nil {
		return nil
	}
	return document.Evidence().Signers
}
