package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

const (
	blobDir    = "blobs/sha256"
	knownDir   = "known"
	partialDir = "partial"
)

// prove checks that held, which is sealed and whose sums are s, is the content that a
// must have. Where the sums are not enough (signatures, content hashes), it reads held
// once more.
func (c Cache) prove(ctx context.Context, a manifests.Artifact, held *private.File, s sums) (verify.Evidence, error) {
	if a.Size > 0 && s.size != a.Size {
		return verify.Evidence{}, &verify.SizeError{Name: a.Name, Want: a.Size, Got: s.size}
	}
	report := func(done int64) { c.report("verify", a.Name, min(done, s.size), s.size) }
	switch in := a.Integrity; {
	case in.Signature != nil:
		evidence, err := in.Signature.Policy.File(a.Name, &progressFile{File: held.Reader(), ctx: ctx, progress: report}, in.Signature.Data)
		if err != nil {
			return verify.Evidence{}, err
		}
		if got := s.digest(); evidence.Digest != got {
			return verify.Evidence{}, &verify.DigestError{Name: a.Name, Want: evidence.Digest, Got: got}
		}
		return evidence, nil
	case in.Tree != nil:
		h1, err := c.HashZip(ctx, a.Name, held.Reader(), s.size, report)
		if err != nil {
			return verify.Evidence{}, err
		}
		if h1 != in.Tree.H1 {
			failed := &verify.TreeError{Module: a.Name, Rule: fmt.Sprintf("its content hash is %s, and %s was proved", h1, in.Tree.H1)}
			if t := in.Tree.Evidence.Tree; t != nil {
				failed.Database = t.Name
			}
			return verify.Evidence{}, failed
		}
		return in.Tree.Evidence, nil
	default:
		got, err := s.like(in.Digest)
		if err != nil {
			return verify.Evidence{}, err
		}
		if got != in.Digest {
			return verify.Evidence{}, &verify.DigestError{Name: a.Name, Want: in.Digest, Got: got}
		}
		return verify.Evidence{Kind: verify.ByDigest, Name: a.Name, Digest: in.Digest}, nil
	}
}

// A progressFile fails reads once ctx is done, and reports how much was read.
type progressFile struct {
	*os.File
	ctx      context.Context
	done     int64
	progress func(done int64)
}

func (f *progressFile) Read(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := f.File.Read(p)
	f.done += int64(n)
	f.progress(f.done)
	return n, err
}

// publish moves the partial file of s, whose private copy was proved, to the blobs and
// returns that copy as the Blob. It does not sync the file in the cache, because every
// later use copies and proves it again. If the file cannot be renamed, for example because
// a directory has its new name, it is dropped.
func (c Cache) publish(a manifests.Artifact, key string, s *spool) (Blob, error) {
	digest := s.digest()
	if err := c.Root.Rename(s.name, path.Join(blobDir, digest.Hex())); err != nil {
		if err := s.remove(); err != nil {
			return Blob{}, err
		}
	} else if a.Integrity.Digest != digest {
		note := []byte(digest.Hex() + "\n")
		_ = rootfs.WriteFile(c.Root, path.Join(knownDir, key), note, 0o600) // without it the blob is fetched again
	}
	return newBlob(s.held, s.sums)
}

// newBlob returns the Blob of the proved file held.
func newBlob(held *private.File, s sums) (Blob, error) {
	_, err := held.Reader().Seek(0, io.SeekStart)
	return Blob{File: held.Reader(), Size: s.size, Digest: s.digest(), held: held}, err
}

// cached copies the blob of a out of the cache and proves the copy. It removes a blob
// that does not have the digest in its name, or the size that was signed. A note only
// tells which blob to try: a wrong one is ignored, and the download that follows
// replaces it.
func (c Cache) cached(ctx context.Context, a manifests.Artifact, key string) (Blob, bool, error) {
	hexDigest := a.Integrity.Digest.Hex()
	if a.Integrity.Digest.Algorithm() != "sha256" {
		note, err := rootfs.ReadFile(c.Root, path.Join(knownDir, key), 65)
		if err != nil {
			return Blob{}, false, nil // no note, or not a valid one
		}
		hexDigest = strings.TrimSuffix(string(note), "\n")
		if sum, err := hex.DecodeString(hexDigest); err != nil || len(sum) != 32 || hexDigest != strings.ToLower(hexDigest) {
			return Blob{}, false, nil
		}
	}
	s := newSums(a)
	held, err := c.copyBlob(ctx, a, hexDigest, &s)
	if held == nil || err != nil {
		return Blob{}, false, err
	}
	blob, err := newBlob(held, s)
	if err == nil {
		blob.Evidence, err = c.prove(ctx, a, held, s)
	}
	if err == nil {
		_, err = blob.File.Seek(0, io.SeekStart)
	}
	if err != nil {
		held.Close()
		if errors.Is(err, verify.ErrUntrusted) {
			return Blob{}, false, ctx.Err() // the blob of another artifact
		}
		return Blob{}, false, fmt.Errorf("%s: %w", a.Name, err)
	}
	return blob, true, nil
}

// copyBlob copies a blob to a private file, which no other process can change, hashes
// the copy into s, and seals it. It returns nil if there is no such blob. It removes a
// blob that does not have the digest in its name, or cannot be a.
func (c Cache) copyBlob(ctx context.Context, a manifests.Artifact, hexDigest string, s *sums) (*private.File, error) {
	name := path.Join(blobDir, hexDigest)
	f, size, err := openRegular(c.Root, name, os.O_RDONLY)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, rootfs.ErrNotRegular):
		return nil, c.discard(a, name)
	case errors.Is(err, fs.ErrPermission) && c.exists(name):
		return nil, nil // unreadable: the download that follows replaces it
	case err != nil: // a failure of the system, which means nothing for the blob
		return nil, fmt.Errorf("%s: %w", a.Name, err)
	}
	defer f.Close()
	if size > manifests.MaxArtifact || a.Size > 0 && size != a.Size {
		if a.Integrity.Digest.Hex() != hexDigest {
			return nil, nil // a wrong note led here: it is the blob of another artifact
		}
		return nil, c.discard(a, name)
	}
	held, err := c.holdCopy(ctx, a.Name, f, size, s)
	_, noSpace := errors.AsType[*SpaceError](err)
	switch {
	case noSpace && a.Size == 0: // no signed size says that a is so large, only the file itself
		return nil, c.discard(a, name)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", a.Name, err)
	case s.digest().Hex() != hexDigest:
		held.Close()
		return nil, c.discard(a, name)
	}
	return held, nil
}

// holdCopy copies size bytes of f to a private file, hashes the copy into s, and seals it.
func (c Cache) holdCopy(ctx context.Context, artifact string, f private.Source, size int64, s *sums) (*private.File, error) {
	held, err := c.hold(size)
	if err != nil {
		return nil, err
	}
	if !held.InMemory() {
		err = c.room(size)
	}
	if err == nil {
		_, err = held.CopyFrom(ctx, f, size, func(p []byte) {
			s.add(p)
			c.report("verify", artifact, s.size, size)
		})
	}
	if err == nil {
		err = held.Seal()
	}
	if err != nil {
		held.Close()
		return nil, err
	}
	return held, nil
}

// Open copies the blob with the digest want out of the cache. size is its size in bytes
// according to a receipt. The error matches fs.ErrNotExist if there is no such blob, and
// is a *verify.SizeError or *verify.DigestError if the blob has another size or digest.
// Open does not remove such a blob.
func (c Cache) Open(ctx context.Context, name string, size int64, want verify.Digest) (Blob, error) {
	f, found, err := openRegular(c.Root, path.Join(blobDir, want.Hex()), os.O_RDONLY)
	if err != nil {
		return Blob{}, fmt.Errorf("%s: %w", name, err)
	}
	defer f.Close()
	if found != size {
		return Blob{}, &verify.SizeError{Name: name, Want: size, Got: found}
	}
	s := sums{sha256: sha256.New()}
	held, err := c.holdCopy(ctx, name, f, size, &s)
	if err != nil {
		return Blob{}, fmt.Errorf("%s: %w", name, err)
	}
	if got := s.digest(); got != want {
		held.Close()
		return Blob{}, &verify.DigestError{Name: name, Want: want, Got: got}
	}
	return newBlob(held, s)
}

// BlobFile returns the name of the file, below the root of a Cache, that holds the blob
// with a SHA-256 digest.
func BlobFile(digest verify.Digest) string { return path.Join(blobDir, digest.Hex()) }

// Prove copies the size bytes of f, and proves that the copy is a. The errors are those of
// Stream that match verify.ErrUntrusted.
func (c Cache) Prove(ctx context.Context, a manifests.Artifact, f private.Source, size int64) (e verify.Evidence, err error) {
	if size > manifests.MaxArtifact || a.Size > 0 && size != a.Size {
		return e, &verify.SizeError{Name: a.Name, Want: a.Size, Got: size}
	}
	if _, err := rootfs.MkdirAllUnsynced(c.Root, blobDir, 0o700); err != nil {
		return e, fmt.Errorf("%s: %w", a.Name, err)
	}
	s := newSums(a)
	held, err := c.holdCopy(ctx, a.Name, f, size, &s)
	if err != nil {
		return e, fmt.Errorf("%s: %w", a.Name, err)
	}
	defer held.Close()
	e, err = c.prove(ctx, a, held, s)
	if err != nil {
		err = fmt.Errorf("%s: %w", a.Name, err)
	}
	return e, err
}

// hold returns an empty file for size bytes (0: unknown) that no other process can
// write to.
func (c Cache) hold(size int64) (*private.File, error) {
	return private.New(c.Root, blobDir, size, c.Memory)
}

// Cached reports how many bytes of a need not be fetched, and whether the cache has all of
// it. It goes by the names and sizes of files, and reads and proves nothing. For an
// artifact of unknown size it reports 0 bytes, because the sizes of files in the cache
// cannot be trusted.
func (c Cache) Cached(a manifests.Artifact) (bytes int64, whole bool) {
	if a.Integrity.Digest.Algorithm() == "sha256" {
		info, err := c.Root.Lstat(path.Join(blobDir, a.Integrity.Digest.Hex()))
		if err == nil && info.Mode().IsRegular() && (a.Size == 0 || info.Size() == a.Size) {
			return a.Size, true
		}
	}
	key, err := Key(a)
	if err != nil {
		return 0, false
	}
	info, err := c.Root.Lstat(path.Join(partialDir, key))
	if err != nil || !info.Mode().IsRegular() || info.Size() > a.Size {
		return 0, false
	}
	return info.Size(), false
}

// exists reports whether something has this name.
func (c Cache) exists(name string) bool {
	_, err := c.Root.Lstat(name)
	return err == nil
}

// discard removes a damaged blob. A directory of that name stays if something is in it.
func (c Cache) discard(a manifests.Artifact, name string) error {
	if err := c.Root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) && !rootfs.IsNotEmpty(err) {
		return fmt.Errorf("%s: remove the damaged copy in the cache: %w", a.Name, err)
	}
	return nil
}
