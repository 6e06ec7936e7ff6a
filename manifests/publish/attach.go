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

// attach adds a signature that was made elsewhere, armored or binary. It must be over the
// exact bytes that unsigned wrote, or over channel.next.toml or channel.toml, perhaps
// after a text editor changed it. If keys.toml is in force, the signature must be by one
// of its keys or of those in the next keys document. Otherwise, if the signer's
// certificate is in keys or publisher.asc, the signature must be valid by it. The error
// for any other signature matches verify.ErrUntrusted, and nothing changes. The manifest
// is published or waits as with sign.
func (d Dir) attach(sig []byte, now time.Time, keys ...[]byte) (Signed, error) {
	s, err := d.load()
	if err != nil {
		return Signed{}, err
	}
	data, err := d.signedBytes(sig)
	if err != nil {
		return Signed{}, err
	}
	block, err := verify.AppendSignature(sig, sig) // as one armored block
	if err != nil {
		return Signed{}, err
	}
	m, err := parse(ManifestFile, data)
	if err != nil {
		return Signed{}, err
	}
	if m.Serial == 0 || m.Issued.IsZero() || m.Expires.IsZero() {
		return Signed{}, &manifests.FormatError{Rule: "serial, issued or expires is missing"}
	}
	if err := m.Mark(verify.Digest{}).Fresh(now); err != nil {
		return Signed{}, err
	}
	if err := s.checkSerial(m); err != nil {
		return Signed{}, err
	}
	ring, must, err := d.attachers(keys, now)
	if err != nil {
		return Signed{}, err
	}
	claims, err := verify.Claims(block, data)
	if err != nil {
		return Signed{}, err
	}
	done := Signed{Unproved: true}
	if must || ring != nil && signedBy(claims, ring) {
		policy := verify.Policy{Keys: ring, Threshold: 1, Now: now, Use: verify.Manifest}
		document, err := policy.Detached(ManifestFile, data, block)
		if err != nil {
			return Signed{}, err
		}
		if done.Findings, err = lint(now, certificatesOf(ring, document)...); err != nil {
			return Signed{}, err
		}
		done.Unproved = slices.ContainsFunc(claims, func(c verify.Claim) bool { return !c.NamesKeyOf(ring) })
		if err := d.rememberKeys(keys...); len(keys) > 0 && err != nil {
			return Signed{}, err
		}
	}
	have := s.nextBlock
	if bytes.Equal(data, s.published) {
		have = s.block
	} else if !bytes.Equal(data, s.next) {
		have = nil
	}
	if have != nil {
		if have, err = verify.AppendSignature(have, have); err != nil {
			return Signed{}, err
		}
		joined, err := verify.AppendSignature(have, block)
		if err != nil {
			return Signed{}, err
		}
		done.Unchanged = bytes.Equal(have, joined)
	}
	return d.finish(s, data, block, now, done)
}

// attachers returns the certificates that verify a signature made elsewhere, nil if none
// are known. If must is true, the signature must be by one of them.
func (d Dir) attachers(keys [][]byte, now time.Time) (ring *verify.Keyring, must bool, err error) {
	inForce, err := d.keysInForce()
	if err != nil {
		return nil, false, err
	}
	if inForce == nil {
		ring, err = d.keyring(keys)
		return ring, false, err
	}
	_, data, _, err := d.unfinishedKeys()
	if err != nil {
		return nil, false, err
	}
	ring, err = d.keysSigners(data, now)
	return ring, true, err
}

// checkSerial returns an error if next is older than the published manifest.
func (s state) checkSerial(next *native.Manifest) error {
	if s.published == nil {
		return nil
	}
	m, err := parse(ManifestFile, s.published)
	if err != nil {
		return err
	}
	if next.Serial < m.Serial {
		return &verify.DowngradeError{Have: m.Mark(verify.DigestOf(s.published)), Got: next.Mark(verify.Digest{})}
	}
	return nil
}

// signedBytes returns the document that sig signs: the one that unsigned wrote, the one
// that waits for more signatures, or the published one.
func (d Dir) signedBytes(sig []byte) ([]byte, error) {
	var seen []string
	for _, file := range []string{UnsignedFile, NextFile, ManifestFile} {
		data, err := d.read(file, manifests.MaxManifest)
		if err != nil {
			return nil, err
		}
		if data == nil {
			continue
		}
		claims, err := verify.Claims(sig, data)
		if err != nil {
			return nil, &verify.SignatureError{Name: file, Need: 1, Rules: []string{err.Error()}}
		}
		if !slices.ContainsFunc(claims, func(c verify.Claim) bool { return !c.Fits }) {
			return data, nil
		}
		seen = append(seen, file)
	}
	if len(seen) == 0 {
		return nil, errors.New("nothing here waits for a signature")
	}
	var rules []string
	for _, file := range seen {
		rules = append(rules, "the signature is over other bytes than "+file)
	}
	return nil, &verify.SignatureError{Name: seen[0], Need: 1, Rules: rules}
}

// keyring returns the given certificates and those in publisher.asc, nil if there are
// none.
func (d Dir) keyring(keys [][]byte) (*verify.Keyring, error) {
	known, err := d.read(KeysFile, manifests.MaxManifest)
	if err != nil {
		return nil, err
	}
	if known != nil {
		keys = append(slices.Clone(keys), known)
	}
	if len(keys) == 0 {
		return nil, nil
	}
	ring, err := verify.OpenKeyring(keys...)
	if err != nil {
		return nil, fmt.Errorf("certificates of the publisher: %w", err)
	}
	return ring, nil
}
