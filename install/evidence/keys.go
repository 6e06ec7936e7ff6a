package evidence

import (
	"fmt"
	"slices"

	"github.com/kist-tools/kist/manifests/trust"
	"github.com/kist-tools/kist/manifests/upstreams"
	"github.com/kist-tools/kist/verify"
)

// A signedBy is a set of keys, the threshold of them that must have signed, and the
// note to add if they have.
type signedBy struct {
	keys      *verify.Keyring
	threshold int
	note      string
}

// signers returns the key sets whose signatures may prove e, limited by the rules of
// this machine.
func (r *proof) signers(e verify.Evidence) ([]signedBy, error) {
	sets, err := r.candidates(e)
	if err != nil {
		return nil, err
	}
	url := ""
	if r.added != nil {
		url = r.added.URL
	}
	for i, s := range sets {
		if sets[i].keys, sets[i].threshold, err = r.desk.Limit(r.head.Channel, url, s.keys, s.threshold); err != nil {
			return nil, err
		}
	}
	return sets, nil
}

func (r *proof) candidates(e verify.Evidence) (sets []signedBy, err error) {
	if trust.IsBuiltinChannel(r.head.Channel) {
		err := trust.BuiltinKeys(r.head.Channel, func(o upstreams.Origin, ring *verify.Keyring) error {
			ring, err := r.desk.Renewed(ring)
			sets = append(sets, signedBy{ring, max(1, o.Threshold), ""})
			return err
		})
		return sets, err
	}
	certificates, err := r.certificates(e)
	if err != nil {
		return nil, err
	}
	if r.added == nil {
		ring, err := ringOf(e.Signers, certificates)
		if err != nil {
			return nil, err
		}
		return []signedBy{{ring, len(e.Signers), r.unknown + ": proved by the keys that were stored with the receipt"}}, nil
	}
	b, err := r.desk.Bind(*r.added)
	if err != nil {
		return nil, err
	}
	_, threshold := r.added.Trusted()
	sets = []signedBy{{b.Keys, threshold, ""}}
	rotation := r.added.Rotation
	if rotation == nil || e.Mark == nil || e.Mark.Keys.Version >= rotation.Version {
		return sets, nil
	}
	for _, s := range e.Signers {
		if slices.Contains(rotation.Revoked, s.Primary) || slices.Contains(rotation.Revoked, s.Key) {
			return nil, fmt.Errorf("%w: channel %s has since revoked key %s", verify.ErrUntrusted, r.head.Channel, s.Primary.Spaced())
		}
		if !slices.Contains(rotation.Retired, s.Primary) && !trust.Pinned(rotation.Pins, s.Primary) {
			return sets, nil // never a key of this channel
		}
	}
	for _, s := range e.Signers { // newer copies may hold revocations that were seen since
		copied, err := r.desk.StoredKey(s.Primary)
		if err != nil {
			return nil, err
		}
		if copied != nil {
			certificates = append(certificates, copied)
		}
	}
	ring, err := ringOf(e.Signers, certificates)
	if err != nil {
		return nil, err
	}
	note := fmt.Sprintf("signed under version %d of the channel's keys, which are now at version %d", e.Mark.Keys.Version, rotation.Version)
	return append(sets, signedBy{ring, len(e.Signers), note}), nil
}

// ringOf returns a keyring that pins the keys of signers.
func ringOf(signers []verify.Signer, certificates [][]byte) (*verify.Keyring, error) {
	var pins []verify.Pin
	for _, s := range signers {
		pin := verify.Pin{Primary: s.Primary}
		if s.Key != s.Primary {
			pin.Subkeys = []verify.Fingerprint{s.Key}
		}
		pins = append(pins, pin)
	}
	return verify.NewKeyring(pins, certificates...)
}

// certificates reads the certificates of the signers of e, as they were at install.
func (r *proof) certificates(e verify.Evidence) (all [][]byte, err error) {
	for _, d := range e.Certificates {
		data, err := r.piece(d)
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}
