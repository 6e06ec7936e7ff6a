package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

const (
	// EvidenceDir holds the evidence, each piece named by its digest.
	EvidenceDir = Evidence + "/sha256"
	maxEvidence = 64 << 20 // bytes of one piece; the largest is a proved document
)

// putEvidence durably writes the blobs with which a release can be proved again, each
// under its digest. It skips those that are already stored, and links those that FindCopy
// knows a copy of. A blob that is too long to be read back is a *manifests.TooLargeError.
func (s Store) putEvidence(blobs []verify.Blob) error {
	if len(blobs) == 0 {
		return nil
	}
	if _, err := rootfs.MkdirAll(s.State, EvidenceDir, sharedDir); err != nil {
		return err
	}
	for _, b := range blobs {
		if _, err := s.Evidence(b.Digest); err == nil {
			continue
		}
		data, err := b.Bytes()
		if err != nil {
			return err
		}
		if len(data) > maxEvidence {
			return &manifests.TooLargeError{Name: "evidence " + b.Digest.String(), Limit: maxEvidence}
		}
		linked, err := s.linkEvidence(b.Digest)
		if err != nil {
			return err
		}
		if !linked {
			if err := rootfs.WriteFile(s.State, EvidenceFile(b.Digest), data, sharedFile); err != nil {
				return err
			}
		}
		s.reached("evidence kept")
	}
	return nil
}

// linkEvidence makes a copy that FindCopy knows the evidence with the digest d too, and
// reports whether it did. The copy is then as readable as evidence is; the directory of
// the cache is not. An error means that the copy could not be made durable.
func (s Store) linkEvidence(d verify.Digest) (linked bool, err error) {
	if s.FindCopy == nil || d.Algorithm() != "sha256" {
		return false, nil
	}
	root, name, ok := s.FindCopy(d)
	if !ok {
		return false, nil
	}
	dir, err := s.State.Stat(EvidenceDir)
	if err != nil {
		return false, err
	}
	mode := sharedFile & dir.Mode().Perm() // as the umask was when the directory was made
	err = rootfs.LinkFile(root, name, s.State, EvidenceFile(d), mode, func(r io.Reader) error {
		return verify.Check(EvidenceFile(d), io.LimitReader(r, maxEvidence+1), -1, d)
	})
	if errors.Is(err, rootfs.ErrNotDurable) {
		return false, err
	}
	return err == nil, nil
}

// Evidence returns the stored evidence with the digest d. The error matches
// fs.ErrNotExist if it is missing, and verify.ErrUntrusted if it has another digest.
func (s Store) Evidence(d verify.Digest) ([]byte, error) {
	if s.State == nil || d.Algorithm() != "sha256" {
		return nil, fmt.Errorf("evidence %s: %w", d, fs.ErrNotExist)
	}
	data, err := rootfs.ReadFile(s.State, EvidenceFile(d), maxEvidence)
	if err != nil {
		return nil, err
	}
	if got := verify.DigestOf(data); got != d {
		return nil, &verify.DigestError{Name: EvidenceFile(d), Want: d, Got: got}
	}
	return data, nil
}

// EvidenceFile returns the path, below the state root, of the evidence with the digest d.
func EvidenceFile(d verify.Digest) string { return path.Join(EvidenceDir, d.Hex()) }

// SweepEvidence removes the evidence that is not needed, and its directories once they
// are empty. It keeps files that do not have the digest in their name: kist did not
// write those.
func (s Store) SweepEvidence(needed map[verify.Digest]bool) error {
	names, err := listOwn(s.State, EvidenceDir)
	if err != nil || s.State == nil {
		return err
	}
	for _, name := range names {
		if d, err := verify.ParseDigest("sha256:" + name); err == nil && needed[d] {
			continue
		}
		if _, err := s.removeOwnState(path.Join(EvidenceDir, name)); err != nil {
			return err
		}
		s.reached("evidence swept")
	}
	if len(needed) > 0 {
		return nil
	}
	return rootfs.RemoveEmptyDirs(s.State, EvidenceDir, Evidence)
}
