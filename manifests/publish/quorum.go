package publish

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/native"
	"github.com/kist-tools/kist/verify"
)

// MaxThreshold is how many signers a keys document may require. A block holds at most 16
// signatures. While one keys document replaces another, the block needs those of three
// quorums: of the old document by its own keys, and of the new document by both.
const MaxThreshold = 5

// A group is a set of keys, and how many of them must sign.
type group struct {
	ring *verify.Keyring // nil: any one signature is enough
	need int
}

// A Quorum counts the signatures of a group.
type Quorum struct {
	Need int `json:"need"` // 0: no signature is required
	Have int `json:"have"`
}

// Reached reports whether there are enough signatures.
func (q Quorum) Reached() bool { return q.Have >= q.Need }

// finish stores block, new signatures over the manifest data. It adds them to those of
// the published manifest if data is published. Otherwise it publishes data if there are
// enough signatures, or stores it in NextFile to wait for more. After that, a keys
// document that waited for the published manifest comes into force.
func (d Dir) finish(s state, data, block []byte, now time.Time, done Signed) (Signed, error) {
	m, err := native.ParseDraft(data)
	if err != nil {
		return Signed{}, err
	}
	done.Mark, done.Text = m.Mark(verify.DigestOf(data)), data
	done.Published = bytes.Equal(data, s.published)
	earlier := s.block
	if !done.Published {
		earlier = nil
		if bytes.Equal(data, s.next) {
			earlier = s.nextBlock
		} else if s.next != nil {
			old, err := parse(NextFile, s.next)
			if err != nil {
				return Signed{}, err
			}
			done.Dropped = old.Serial
		}
	}
	joined := block
	if earlier != nil {
		if joined, err = verify.AppendSignature(earlier, block); err != nil {
			return Signed{}, fmt.Errorf("the signatures: %w", err)
		}
	}
	done.Cosigned = earlier != nil && !done.Unchanged
	if done.Claims, err = verify.Claims(joined, data); err != nil {
		return Signed{}, err
	}
	signers, err := d.required(s, now)
	if err != nil {
		return Signed{}, err
	}
	if done.Signers, done.Missing, err = signers.count(data, joined, now); err != nil {
		return Signed{}, err
	}
	switch {
	case done.Published:
		err = d.putSignatures(ManifestFile, data, joined)
	case done.Signers.Reached():
		err = d.publish(s, data, joined, signers, now)
		done.Published = err == nil
	default:
		err = d.storeNext(s, data, joined)
	}
	if err != nil || !done.Published {
		return done, err
	}
	version, err := d.enforceWaitingKeys(now)
	if version > 0 {
		done.Keys = version
	}
	return done, err
}

// required returns the keys that must sign a manifest before it is published: those of
// keys.toml. Without keys.toml, those are all keys that signed the published manifest and
// have a known certificate. Any key will do if users no longer accept that manifest.
func (d Dir) required(s state, now time.Time) (group, error) {
	anyone := group{nil, 1}
	keys, err := d.keysInForce()
	if err != nil {
		return anyone, err
	}
	if keys != nil {
		ring, err := keys.Keyring()
		return group{ring, keys.Threshold}, err
	}
	if s.published == nil {
		return anyone, nil
	}
	m, err := parse(ManifestFile, s.published)
	if err != nil || m.Mark(verify.Digest{}).Fresh(now) != nil {
		return anyone, err
	}
	known, err := d.keyring(nil)
	if err != nil || known == nil {
		return anyone, err
	}
	policy := verify.Policy{Keys: known, Threshold: 1, Now: now, Use: verify.Manifest}
	document, err := policy.Detached(ManifestFile, s.published, s.block)
	if errors.Is(err, verify.ErrUntrusted) {
		return anyone, nil // users do not accept it anyway
	}
	if err != nil {
		return anyone, err
	}
	ring, err := verify.OpenKeyring(certificatesOf(known, document)...)
	if err != nil {
		return anyone, err
	}
	return group{ring, len(ring.Certificates())}, nil
}

// certificatesOf returns the certificates of ring that signed document, each as one
// armored block.
func certificatesOf(ring *verify.Keyring, document verify.Document) (signers [][]byte) {
	armored := ring.Export()
	for i, certificate := range ring.Certificates() {
		if slices.ContainsFunc(document.Evidence().Signers, func(s verify.Signer) bool { return s.Primary == certificate.Fingerprint }) {
			signers = append(signers, armored[i])
		}
	}
	return signers
}

// count returns how many keys of g have signed data, and if more must, which have not.
func (g group) count(data, block []byte, now time.Time) (q Quorum, missing []verify.Fingerprint, err error) {
	if g.ring == nil {
		return Quorum{Need: g.need, Have: g.need}, nil, nil
	}
	signed, err := g.signed(data, block, now)
	if err != nil {
		return Quorum{}, nil, err
	}
	q = Quorum{Need: g.need, Have: len(signed)}
	if q.Reached() {
		return q, nil, nil
	}
	for _, c := range g.ring.Certificates() {
		if !slices.Contains(signed, c.Fingerprint) {
			missing = append(missing, c.Fingerprint)
		}
	}
	return q, missing, nil
}

// signed returns the primary keys of g that have signed data.
func (g group) signed(data, block []byte, now time.Time) (primaries []verify.Fingerprint, err error) {
	policy := verify.Policy{Keys: g.ring, Threshold: len(g.ring.Certificates()), Now: now, Use: verify.Manifest}
	document, err := policy.Detached(ManifestFile, data, block)
	if short, ok := errors.AsType[*verify.SignatureError](err); ok {
		primaries = slices.Clone(short.Got)
	} else if err != nil {
		return nil, err
	} else {
		for _, s := range document.Evidence().Signers {
			primaries = append(primaries, s.Primary)
		}
	}
	slices.Sort(primaries)
	return slices.Compact(primaries), nil
}

// needed returns the signatures in block that some of groups need over data, without the
// others.
func needed(block, data []byte, now time.Time, groups []group) ([]byte, error) {
	singles, err := verify.SplitSignatures(block)
	if err != nil {
		return nil, err
	}
	var selected []byte
	got := make([][]verify.Fingerprint, len(groups))
	for _, one := range singles {
		keep := false
		for i, g := range groups {
			if g.ring == nil {
				return block, nil // each signature may count
			}
			signers, err := g.signed(data, one, now)
			if err != nil {
				return nil, err
			}
			if len(signers) == 0 || len(got[i]) == g.need || slices.Contains(got[i], signers[0]) {
				continue
			}
			got[i], keep = append(got[i], signers[0]), true
		}
		if !keep {
			continue
		}
		if selected == nil {
			selected = one
		} else if selected, err = verify.AppendSignature(selected, one); err != nil {
			return nil, err
		}
	}
	return selected, nil
}

// storeNext stores a manifest that needs more signatures, and those that it has.
func (d Dir) storeNext(s state, data, block []byte) error {
	if !bytes.Equal(data, s.next) {
		if err := d.drop(NextFile + ".asc"); err != nil {
			return err
		}
		if err := d.put(NextFile, data); err != nil {
			return err
		}
	}
	if err := d.put(NextFile+".asc", block); err != nil {
		return err
	}
	return d.removeSources(data)
}

// publish replaces the published manifest with data, whose signatures in block are enough
// for signers. Then it removes the files that data was made from.
func (d Dir) publish(s state, data, block []byte, signers group, now time.Time) error {
	if bytes.Equal(data, s.next) && !bytes.Equal(block, s.nextBlock) {
		if err := d.put(NextFile+".asc", block); err != nil { // so that a crash loses no signature
			return err
		}
	}
	if err := d.replace(s, ManifestFile, data, block, now, []group{signers}, []group{signers}); err != nil {
		return err
	}
	if err := errors.Join(d.drop(NextFile+".asc"), d.drop(NextFile)); err != nil {
		return err
	}
	return d.removeSources(data)
}

// removeSources removes the draft that became data, and a stamped manifest that is no
// longer to be signed. It keeps a draft that was changed since.
func (d Dir) removeSources(data []byte) error {
	if err := d.drop(UnsignedFile); err != nil {
		return err
	}
	draft, err := d.read(DraftFile, manifests.MaxManifest)
	if err != nil || draft == nil {
		return err
	}
	if same, err := sameContent(draft, data); err != nil || !same {
		return err
	}
	return d.drop(DraftFile)
}

// sameContent reports whether stamped is what stamp makes of draft: equal except for serial
// and dates, and with a date for releases that draft has no date for.
func sameContent(draft, stamped []byte) (bool, error) {
	one, err := native.ParseDraft(draft)
	if err != nil {
		return false, err
	}
	other, err := native.ParseDraft(stamped)
	if err != nil {
		return false, err
	}
	for i, r := range one.Releases {
		if r.Released.IsZero() && i < len(other.Releases) {
			other.Releases[i].Released = time.Time{}
		}
	}
	for _, m := range []*native.Manifest{one, other} {
		m.Serial, m.Issued, m.Expires = 0, time.Time{}, time.Time{}
	}
	a, err := one.Encode()
	if err != nil {
		return false, err
	}
	b, err := other.Encode()
	return bytes.Equal(a, b), err
}
