package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

const (
	evidenceDir = Evidence + "/sha256"
	maxEvidence = 64 << 20 // bytes of one piece; the largest is a proved document
)

// putEvidence writes what proves a release again, each piece under its digest,
// durably. What is there already is not written again, and a piece that is too long
// to be read again is a *manifests.TooLargeError.
func (s Store) putEvidence(kept []verify.Kept) error {
	if len(kept) == 0 {
		return nil
	}
	if _, err := rootfs.MkdirAll(s.State, evidenceDir, 0o700); err != nil {
		return err
	}
	for _, k := range kept {
		if _, err := s.Evidence(k.Digest); err == nil {
			continue
		}
		data, err := k.Bytes()
		if err != nil {
			return err
		}
		if len(data) > maxEvidence {
			return &manifests.TooLargeError{Name: "evidence " + k.Digest.String(), Limit: maxEvidence}
		}
		if err := rootfs.WriteFile(s.State, evidenceName(k.Digest), data, 0o600); err != nil {
			return err
		}
		s.reached("evidence kept")
	}
	return nil
}

// Evidence reads one piece. It is what its digest says, or an error that matches
// verify.ErrUntrusted; fs.ErrNotExist where it is missing.
func (s Store) Evidence(d verify.Digest) ([]byte, error) {
	if s.State == nil || d.Algorithm() != "sha256" {
		return nil, fmt.Errorf("evidence %s: %w", d, fs.ErrNotExist)
	}
	data, err := rootfs.ReadFile(s.State, evidenceName(d), maxEvidence)
	if err != nil {
		return nil, err
	}
	if got := verify.DigestOf(data); got != d {
		return nil, &verify.DigestError{Name: evidenceName(d), Want: d, Got: got}
	}
	return data, nil
}

func evidenceName(d verify.Digest) string { return path.Join(evidenceDir, d.Hex()) }

// SweepEvidence removes every piece that is not needed and is what its digest says,
// and the directories once they are empty.
func (s Store) SweepEvidence(needed map[verify.Digest]bool) error {
	names, err := listOwn(s.State, evidenceDir)
	if err != nil || s.State == nil {
		return err
	}
	for _, name := range names {
		if d, err := verify.ParseDigest("sha256:" + name); err == nil && needed[d] {
			continue
		}
		if _, err := s.removeOwnState(path.Join(evidenceDir, name)); err != nil {
			return err
		}
		s.reached("evidence swept")
	}
	if len(needed) > 0 {
		return nil
	}
	return errors.Join(rmdir(s.State, evidenceDir), rmdir(s.State, Evidence))
}
