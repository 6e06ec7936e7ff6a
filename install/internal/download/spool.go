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

	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// sums hashes content while it is written.
type sums struct {
	size   int64
	sha256 hash.Hash
	sha512 hash.Hash // nil unless needed
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

// digest returns the SHA-256 of the content so far.
func (s sums) digest() verify.Digest { return verify.SHA256([sha256.Size]byte(s.sha256.Sum(nil))) }

// like returns the digest of the content so far, by the algorithm of want.
func (s sums) like(want verify.Digest) (verify.Digest, error) {
	if want.Algorithm() == "sha512" {
		return verify.ParseDigest("sha512:" + hex.EncodeToString(s.sha512.Sum(nil)))
	}
	return s.digest(), nil
}

// A spool holds the received part of an artifact twice: in the partial file, for the
// next attempt, and in a private file that no other process can change. The sums are of
// the private file. The owner of the spool holds the lock of the partial file.
type spool struct {
	sums
	name  string // of the partial file
	file  *os.File
	held  *private.File
	cache Cache
	a     manifests.Artifact
	mixed bool // the content is from more than one answer

	encoding string // Content-Encoding of the first answer
	page     bool   // the first answer is a web page
}

// openSpool is openPartial with the content that an earlier attempt left in the file.
func (c Cache) openSpool(ctx context.Context, name string, a manifests.Artifact) (*spool, error) {
	s, size, err := c.openPartial(name, a)
	if err == nil && size > 0 {
		s.mixed = true
		_, err = s.held.CopyFrom(ctx, s.file, size, func(p []byte) {
			s.add(p)
			c.report("verify", a.Name, s.size, size)
		})
	}
	if err != nil && s != nil {
		err = errors.Join(err, s.end(ctx.Err() != nil))
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// openPartial opens the partial file name, which it creates if needed, and returns its
// size. It does not copy any content to the private file yet. It drops content that is
// too long for a, and a file that another user owns or can write to, or that is
// unreadable.
func (c Cache) openPartial(name string, a manifests.Artifact) (*spool, int64, error) {
	f, size, err := openRegular(c.Root, name, os.O_RDWR|os.O_CREATE)
	if err == nil && !rootfs.IsOurs(f) {
		f.Close()
		err = rootfs.ErrNotRegular
	}
	if errors.Is(err, rootfs.ErrNotRegular) || errors.Is(err, fs.ErrPermission) && c.exists(name) {
		if err := c.Root.Remove(name); err != nil {
			return nil, 0, err
		}
		f, size, err = openRegular(c.Root, name, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	}
	if err != nil {
		return nil, 0, err
	}
	s := &spool{sums: newSums(a), cache: c, a: a, name: name, file: f}
	if s.held, err = c.hold(a.Size); err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if size > manifests.MaxArtifact || a.Size > 0 && size > a.Size {
		size, err = 0, f.Truncate(0)
	}
	return s, size, err
}

// append writes p at the end and hashes it.
func (s *spool) append(p []byte) error {
	if err := s.writeAt(p, s.size); err != nil {
		return err
	}
	s.add(p)
	return nil
}

// writeAt writes p to both files.
func (s *spool) writeAt(p []byte, offset int64) error {
	if _, err := s.held.WriteAt(p, offset); err != nil {
		return err
	}
	_, err := s.file.WriteAt(p, offset)
	return err
}

// reset empties s.
func (s *spool) reset() error {
	s.sums, s.mixed, s.encoding, s.page = newSums(s.a), false, "", false
	fresh, err := s.cache.hold(s.a.Size)
	if err != nil {
		return err
	}
	err = s.held.Close()
	s.held = fresh
	return errors.Join(err, s.file.Truncate(0))
}

// decode replaces the content of s by the content without its content encoding. It
// stops after limit+1 bytes, which shows the caller that there are too many.
func (s *spool) decode(ctx context.Context, limit int64) error {
	encoded, size, encoding := s.held, s.size, s.encoding
	defer encoded.Close()
	fresh, err := s.cache.hold(s.a.Size)
	if err != nil {
		return err
	}
	s.held, s.sums = fresh, newSums(s.a)
	if err := s.file.Truncate(0); err != nil {
		return err
	}
	plain, err := manifests.NewDecoder(encoding, io.NewSectionReader(encoded, 0, size))
	if err != nil {
		return err
	}
	buffer := make([]byte, 128<<10)
	for s.size <= limit {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := plain.Read(buffer[:min(int64(len(buffer)), limit+1-s.size)])
		if err := s.append(buffer[:n]); err != nil {
			return err
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// end closes s. It removes the partial file unless keep is set and the file is not empty.
func (s *spool) end(keep bool) error {
	var err error
	if !keep || s.size == 0 {
		err = s.remove()
	}
	if s.held != nil {
		err = errors.Join(err, s.held.Close())
	}
	return errors.Join(err, s.file.Close())
}

// remove removes the partial file of s.
func (s *spool) remove() error {
	return rootfs.IgnoreMissing(s.cache.Root.Remove(s.name))
}

// openRegular opens the regular file name below root and returns its size. It does not
// block on pipes and devices, and follows no links.
func openRegular(root *os.Root, name string, flag int) (*os.File, int64, error) {
	if info, err := root.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%s: %w", name, rootfs.ErrNotRegular)
	}
	f, err := root.OpenFile(name, flag|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", name, rootfs.ErrNotRegular)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}
