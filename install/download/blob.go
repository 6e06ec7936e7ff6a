package download

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// BlobPath is where the blob of a digest is, below the cache's root.
func BlobPath(d verify.Digest) string { return path.Join(blobDir, d.Hex()) }

const (
	blobDir    = "blobs/sha256"
	knownDir   = "known"
	partialDir = "partial"
)

// prove decides whether f, the file called name, whose content went through s,
// is what a must be. Where the sums do not tell, it is read once more.
func (c Cache) prove(ctx context.Context, a manifests.Artifact, name string, f *os.File, s sums) (verify.Evidence, error) {
	if a.Size > 0 && s.size != a.Size {
		return verify.Evidence{}, &verify.SizeError{Name: a.Name, Want: a.Size, Got: s.size}
	}
	again := &watched{File: f, ctx: ctx, tell: func(done int64) { c.report("verify", a.Name, min(done, s.size), s.size) }}
	switch in := a.Integrity; {
	case in.Signature != nil:
		evidence, err := in.Signature.Policy.File(a.Name, again, in.Signature.Data)
		if err != nil {
			return verify.Evidence{}, err
		}
		if got := s.digest(); evidence.Digest != got { // the file changed in between
			return verify.Evidence{}, &verify.DigestError{Name: a.Name, Want: evidence.Digest, Got: got}
		}
		return evidence, nil
	case in.Tree != nil:
		h1, err := c.hashZip(ctx, a.Name, name, again, s.size)
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

// A watched file can be read as long as its context lasts, and tells how much was.
type watched struct {
	*os.File
	ctx  context.Context
	done int64
	tell func(done int64)
}

func (w *watched) Read(p []byte) (int, error) {
	return w.watch(func() (int, error) { return w.File.Read(p) })
}

func (w *watched) ReadAt(p []byte, offset int64) (int, error) {
	return w.watch(func() (int, error) { return w.File.ReadAt(p, offset) })
}

func (w *watched) watch(read func() (int, error)) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := read()
	w.done += int64(n)
	w.tell(w.done)
	return n, err
}

// hashZip hashes the zip that w watches, the file called name, by a descriptor
// that nobody can write to it by.
func (c Cache) hashZip(ctx context.Context, artifact, name string, w *watched, size int64) (string, error) {
	if c.HashZip == nil {
		return verify.HashZip(artifact, w, size)
	}
	zip, _, err := openRegular(c.Root, name, os.O_RDONLY)
	if err != nil {
		return "", fmt.Errorf("%s: %w", artifact, err)
	}
	defer zip.Close()
	if err := sameFile(zip, w.File); err != nil {
		return "", fmt.Errorf("%s: %w", artifact, err)
	}
	return c.HashZip(ctx, artifact, zip, size, w.tell)
}

// publish gives the proved content of s its name.
//
// Nothing is synced: after a crash a blob may be short, and then its digest
// tells when it is next used.
func (c Cache) publish(a manifests.Artifact, key string, s *spool) (Blob, error) {
	digest := s.digest()
	name := path.Join(blobDir, digest.Hex())
	if err := c.Root.Rename(s.name, name); err != nil {
		return Blob{}, err
	}
	f, _, err := openRegular(c.Root, name, os.O_RDONLY)
	if err != nil {
		return Blob{}, err
	}
	err = sameFile(f, s.file)
	if err == nil && a.Integrity.Digest != digest {
		err = rootfs.WriteFile(c.Root, path.Join(knownDir, key), []byte(digest.Hex()+"\n"), 0o600)
	}
	if err != nil {
		f.Close()
		return Blob{}, err
	}
	return Blob{File: f, Size: s.size, Digest: digest}, nil
}

func sameFile(f, g *os.File) error {
	have, err := f.Stat()
	if err != nil {
		return err
	}
	want, err := g.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(have, want) {
		return fmt.Errorf("%s: another file took its name", f.Name())
	}
	return nil
}

// cached looks for the blob of a, and proves it again. A blob that is no longer
// what its name says is removed. A note is only a hint where to look: one that
// leads astray is passed over, and replaced by the download that follows.
func (c Cache) cached(ctx context.Context, a manifests.Artifact, key string) (Blob, bool, error) {
	hexDigest := a.Integrity.Digest.Hex()
	if a.Integrity.Digest.Algorithm() != "sha256" {
		note, err := rootfs.ReadFile(c.Root, path.Join(knownDir, key), 65)
		if err != nil {
			return Blob{}, false, nil // not known, or no note that could be one
		}
		hexDigest = strings.TrimSuffix(string(note), "\n")
		if sum, err := hex.DecodeString(hexDigest); err != nil || len(sum) != 32 || hexDigest != strings.ToLower(hexDigest) {
			return Blob{}, false, nil
		}
	}
	name := path.Join(blobDir, hexDigest)
	f, size, err := openRegular(c.Root, name, os.O_RDONLY)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Blob{}, false, nil
	case errors.Is(err, errNotRegular):
		return Blob{}, false, c.discard(a, name)
	case err != nil: // the system's trouble, which says nothing of the blob
		return Blob{}, false, fmt.Errorf("%s: %w", a.Name, err)
	}
	s := newSums(a)
	if size <= manifests.MaxArtifact {
		err = s.read(ctx, f, func(done int64) { c.report("verify", a.Name, done, size) })
	}
	switch {
	case err != nil:
		f.Close()
		return Blob{}, false, fmt.Errorf("%s: %w", a.Name, err)
	case s.digest().Hex() != hexDigest:
		f.Close()
		return Blob{}, false, c.discard(a, name)
	}
	evidence, err := c.prove(ctx, a, name, f, s)
	if err != nil {
		f.Close()
		if errors.Is(err, verify.ErrUntrusted) {
			return Blob{}, false, ctx.Err() // it is another artifact
		}
		return Blob{}, false, fmt.Errorf("%s: %w", a.Name, err)
	}
	if _, err := f.Seek(0, 0); err != nil {
		f.Close()
		return Blob{}, false, fmt.Errorf("%s: %w", a.Name, err)
	}
	return Blob{File: f, Size: s.size, Digest: s.digest(), Evidence: evidence}, true, nil
}

// Have is how many bytes of a lie in the cache, and whether they are a blob: by
// the look of it, for nothing is read here, and nothing proved.
func (c Cache) Have(a manifests.Artifact) (bytes int64, whole bool) {
	if a.Integrity.Digest.Algorithm() == "sha256" {
		if info, err := c.Root.Lstat(path.Join(blobDir, a.Integrity.Digest.Hex())); err == nil && info.Mode().IsRegular() {
			return info.Size(), true
		}
	}
	key, err := keyOf(a)
	if err != nil {
		return 0, false
	}
	info, err := c.Root.Lstat(path.Join(partialDir, key))
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	return info.Size(), false
}

// Forget drops what has arrived of a, which nobody is going to fetch. It leaves
// alone what somebody is fetching after all.
func (c Cache) Forget(a manifests.Artifact) error {
	key, err := keyOf(a)
	if err != nil {
		return err
	}
	name := path.Join(partialDir, key)
	lock, err := rootfs.TryLock(c.Root, name+rootfs.LockSuffix, "download")
	if busy := (*rootfs.BusyError)(nil); errors.As(err, &busy) || errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	err = c.Root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, lock.Remove())
}

// discard removes a damaged blob.
func (c Cache) discard(a manifests.Artifact, name string) error {
	if err := c.Root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: its damaged copy in the cache: %w", a.Name, err)
	}
	return nil
}
