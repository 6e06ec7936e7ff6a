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

// MaxThreshold is how many signers a keys document may demand. A block holds at
// most 16 signatures, and while one keys document replaces another it needs those
// of three quorums: the old document's by its own keys, and the new one's by both.
const MaxThreshold = 5

// A group is keys of which so many must sign.
type group struct {
	ring *verify.Keyring // nil: any one signature will do
	need int
}

// A Quorum is how many of those who must sign have signed. Need is 0 where
// nobody must.
type Quorum struct {
	Need int `json:"need"`
	Have int `json:"have"`
}

// Reached reports whether enough have signed.
func (q Quorum) Reached() bool { return q.Have >= q.Need }

// settle gives block, new signatures over data, their place. What is published
// already gets them too; another manifest is published if they are enough, and
// otherwise waits with them in NextFile. Then a keys document that waited for the
// published manifest comes into force.
func (d Dir) settle(s state, data, block []byte, now time.Time, done Signed) (Signed, error) {
	m, err := native.ParseDraft(data)
	if err != nil {
		return Signed{}, err
	}
	done.Mark, done.Text = m.Mark(verify.DigestOf(data)), data
	done.Published = bytes.Equal(data, s.published)
	have := s.block
	if !done.Published {
		have = nil
		if bytes.Equal(data, s.next) {
			have = s.nextBlock
		} else if s.next != nil {
			old, err := parse(NextFile, s.next)
			if err != nil {
				return Signed{}, err
			}
			done.Dropped = old.Serial
		}
	}
	joined := block
	if have != nil {
		if joined, err = verify.AppendSignature(have, block); err != nil {
			return Signed{}, fmt.Errorf("the signatures: %w", err)
		}
	}
	done.Cosigned = have != nil && !done.Unchanged
	if done.Claims, err = verify.Claims(joined, data); err != nil {
		return Signed{}, err
	}
	who, err := d.required(s, now)
	if err != nil {
		return Signed{}, err
	}
	if done.Signers, done.Missing, err = who.count(data, joined, now); err != nil {
		return Signed{}, err
	}
	switch {
	case done.Published:
		err = d.put(SignatureFile, joined)
	case done.Signers.Reached():
		err = d.publish(s, data, joined, who, now)
		done.Published = err == nil
	default:
		err = d.hold(s, data, joined)
	}
	if err != nil || !done.Published {
		return done, err
	}
	if version, failed := d.enforceWaitingKeys(now); version > 0 {
		done.Keys = version
	} else {
		err = failed
	}
	return done, err
}

// required is who must have signed a manifest before it is published: those of
// keys.toml; without it all who signed the published one, as far as their
// certificates are known and users can still accept it.
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
		return anyone, nil // no user can accept it as it is
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

// certificatesOf are those of ring that signed document, one armored block each.
func certificatesOf(ring *verify.Keyring, document verify.Document) (signers [][]byte) {
	armored := ring.Export()
	for i, certificate := range ring.Certificates() {
		if slices.ContainsFunc(document.Evidence().Signers, func(s verify.Signer) bool { return s.Primary == certificate.Fingerprint }) {
			signers = append(signers, armored[i])
		}
	}
	return signers
}

// count says how many of g have signed data, and who has not while more must.
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

// signed are the primary keys of g that have signed data.
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

// needed returns block with the signatures that every group needs over data, and no others.
func needed(block, data []byte, now time.Time, groups []group) ([]byte, error) {
	singles, err := verify.SplitSignatures(block)
	if err != nil {
		return nil, err
	}
	var kept []byte
	got := make([][]verify.Fingerprint, len(groups))
	for _, one := range singles {
		keep := false
		for i, g := range groups {
			if g.ring == nil {
				return block, nil // no telling which signature counts
			}
			by, err := g.signed(data, one, now)
			if err != nil {
				return nil, err
			}
			if len(by) == 0 || len(got[i]) == g.need || slices.Contains(got[i], by[0]) {
				continue
			}
			got[i], keep = append(got[i], by[0]), true
		}
		if !keep {
			continue
		}
		if kept == nil {
			kept = one
		} else if kept, err = verify.AppendSignature(kept, one); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// hold keeps a manifest that too few have signed, and its signatures.
func (d Dir) hold(s state, data, block []byte) error {
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
	return d.clear(data)
}

// publish replaces the published manifest by data, which enough of who have
// signed in block. What it was made from is removed afterwards.
func (d Dir) publish(s state, data, block []byte, who group, now time.Time) error {
	if bytes.Equal(data, s.next) && !bytes.Equal(block, s.nextBlock) {
		if err := d.put(NextFile+".asc", block); err != nil { // a crash loses no signature
			return err
		}
	}
	writes, err := s.replacement(ManifestFile, data, block, now, []group{who}, []group{who})
	if err != nil {
		return err
	}
	for _, w := range writes {
		if err := d.put(w.name, w.data); err != nil {
			return err
		}
	}
	if err := errors.Join(d.drop(NextFile+".asc"), d.drop(NextFile)); err != nil {
		return err
	}
	return d.clear(data)
}

type file struct {
	name string
	data []byte
}

// replacement is what must be written, in this order, to put data and its block
// in force under name, in place of what is published. After each write the
// document is one that the signatures beside it prove: while it is replaced, those
// are the old edition's and the new one's. Where a block cannot hold all of them,
// it has those that the groups of the old and of the new edition need.
func (s state) replacement(name string, data, block []byte, now time.Time, old, next []group) ([]file, error) {
	signatures := name + ".asc"
	if s.block == nil {
		return []file{{signatures, block}, {name, data}}, nil
	}
	both, err := verify.AppendSignature(s.block, block)
	if err != nil {
		before, err := needed(s.block, s.published, now, old)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", signatures, err)
		}
		after, err := needed(block, data, now, next)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", signatures, err)
		}
		if both, err = verify.AppendSignature(before, after); err != nil {
			return nil, fmt.Errorf("%s: %w", signatures, err)
		}
	}
	return []file{{signatures, both}, {name, data}, {signatures, block}}, nil
}

// clear removes the draft that became data, and stamped bytes that wait for a
// signature in vain. A draft that has moved on stays.
func (d Dir) clear(data []byte) error {
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

// sameContent reports whether two manifests are equal but for their stamps.
func sameContent(a, b []byte) (bool, error) {
	one, err := content(a)
	if err != nil {
		return false, err
	}
	other, err := content(b)
	return bytes.Equal(one, other), err
}

// content is a manifest's text without its stamp.
func content(data []byte) ([]byte, error) {
	m, err := native.ParseDraft(data)
	if err != nil {
		return nil, err
	}
	m.Serial, m.Issued, m.Expires = 0, time.Time{}, time.Time{}
	return m.Encode()
}
