package download

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// sums hashes content as it passes.
type sums struct {
	size   int64
	sha256 hash.Hash
	sha512 hash.Hash // nil unless asked for
}

func newSums(a manifests.Artifact) sums {
	s := sums{sha256: sha256.New()}
	if a.Integrity.Digest.Algorithm() == "sha512" {
		s.sha512 = sha512.New()
	}
	return s
}

func (s *sums) add(p []byte) {
	s.size += int64(len(p))
	s.sha256.Write(p)
	if s.sha512 != nil {
		s.sha512.Write(p)
	}
}

// read adds all of f, from its start to its end.
func (s *sums) read(ctx context.Context, f *os.File, progress func(done int64)) error {
	buffer := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := f.ReadAt(buffer, s.size)
		s.add(buffer[:n])
		progress(s.size)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// digest is the SHA-256 of what passed.
func (s sums) digest() verify.Digest { return verify.SHA256([sha256.Size]byte(s.sha256.Sum(nil))) }

// like is the digest of what passed by the algorithm of want.
func (s sums) like(want verify.Digest) (verify.Digest, error) {
	if want.Algorithm() == "sha512" {
		return verify.ParseDigest("sha512:" + hex.EncodeToString(s.sha512.Sum(nil)))
	}
	return s.digest(), nil
}

// A spool is the file of an artifact that is arriving, and the sums of what it
// holds so far. Its owner holds the lock beside it.
type spool struct {
	sums
	root  *os.Root
	name  string
	file  *os.File
	fresh func() sums
	mixed bool // it holds bytes of more than one answer
}

// openSpool is openPartial that takes what an earlier attempt left in the file
// for the beginning of a, and hashes it.
func openSpool(ctx context.Context, root *os.Root, name string, a manifests.Artifact, report func(stage, name string, done, total int64)) (*spool, error) {
	s, size, err := openPartial(root, name, a)
	if err == nil && size > 0 {
		s.mixed = true
		err = s.read(ctx, s.file, func(done int64) { report("verify", a.Name, done, size) })
	}
	if err != nil && s != nil {
		err = errors.Join(err, s.end(ctx.Err() != nil))
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// openPartial opens the partial file name, made if need be, without hashing
// what is in it, and returns its size. Content that is too long to be of a is
// dropped.
func openPartial(root *os.Root, name string, a manifests.Artifact) (*spool, int64, error) {
	f, size, err := openRegular(root, name, os.O_RDWR|os.O_CREATE)
	if errors.Is(err, errNotRegular) {
		if err := root.Remove(name); err != nil {
			return nil, 0, err
		}
		f, size, err = openRegular(root, name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	}
	if err != nil {
		return nil, 0, err
	}
	s := &spool{root: root, name: name, file: f, fresh: func() sums { return newSums(a) }}
	s.sums = s.fresh()
	if size > manifests.MaxArtifact || a.Size > 0 && size > a.Size {
		size, err = 0, s.reset()
	}
	return s, size, err
}

// append writes p at the end.
func (s *spool) append(p []byte) error {
	if _, err := s.file.WriteAt(p, s.size); err != nil {
		return err
	}
	s.add(p)
	return nil
}

// reset empties s.
func (s *spool) reset() error {
	s.sums, s.mixed = s.fresh(), false
	return s.file.Truncate(0)
}

// end closes s and removes its file, unless there is something in it to keep.
func (s *spool) end(keep bool) error {
	var err error
	if !keep || s.size == 0 {
		err = s.remove()
	}
	return errors.Join(err, s.file.Close())
}

// remove removes the file of s.
func (s *spool) remove() error {
	if err := s.root.Remove(s.name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

var errNotRegular = errors.New("not a regular file")

// openRegular opens a file below root and returns its size. Pipes and devices
// are not waited for, and links are not followed.
func openRegular(root *os.Root, name string, flag int) (*os.File, int64, error) {
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s: %w", name, errNotRegular)
	}
	f, err := root.OpenFile(name, flag|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", name, errNotRegular)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}
