// Package download turns an artifact into a proved blob of the cache.
//
// The far side and the cache are both hostile. What is guaranteed:
//
//   - The bytes that are used are the bytes that were proved. Whatever arrives, and
//     whatever is found in the cache, is copied to memory or to a file that no other
//     process can open, hashed and proved there, and used from there (package private).
//     Files of the cache that have a name are never used in place: another program may
//     write to them.
//   - A file below blobs/sha256 has its SHA-256 digest for a name. One whose content or
//     size is wrong is removed and fetched again. Its size decides nothing else.
//   - What arrives is written to partial/ too, for the next attempt. Nothing reads an
//     artifact before it is proved, save the zip directory that an h1 hash needs. Of an
//     artifact with chunk digests, each chunk can be read once it is proved, and
//     the whole must be proved in the end all the same.
//   - A partial download is a saving, never a belief: the whole is hashed, and
//     content that fails after it was put together from several answers is
//     fetched once more in one piece before anybody is accused. Of an artifact
//     with chunk digests, only the chunks that fail are.
//   - Reading stops one byte past the size that was proved, and without one at
//     manifests.MaxArtifact.
//
// The refs of an artifact are tried in order. One that is unreachable or not
// found gives way to the next. One that serves other content gives way too if
// the artifact is pinned by its digest, since then no mirror can do harm; a
// wrong signature or content hash ends the attempt.
//
//	blobs/sha256/<hex>   proved blobs
//	known/<key>          "<hex>\n": the blob that once proved what has no SHA-256 stated
//	partial/<key>        what has arrived of an artifact; <key>.lock while somebody fetches it,
//	                     <key>.for the text whose SHA-256 the key is
//
// A key is the SHA-256 of what must be proved, so that all refs of an artifact,
// and all channels that state the same integrity, share one download. Two
// processes that want the same blob take turns, and the second finds it.
package download

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/install/internal/rootfs"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/verify"
)

// A Cache fetches artifacts and keeps the blobs. It is safe for concurrent use,
// by several processes too.
type Cache struct {
	Root      *os.Root // kist's own directory in the cache
	Transport manifests.Transport
	// Slots, which may be nil, bounds how many requests are under way at once:
	// each takes one of its places.
	Slots chan struct{}
	// Progress, which may be nil, is told how much of an artifact has arrived
	// ("download") or been read again to prove it ("verify"). Total is -1 if not
	// known. Calls for one artifact do not overlap.
	Progress func(stage, name string, done, total int64)
	// About tells other processes that want the same artifact what this one is
	// doing; Waiting, which may be nil, is told which process this one waits for, and
	// LockWait is how long it waits for one.
	About    string
	Waiting  func(*rootfs.BusyError)
	LockWait time.Duration
	// Turns, which may be nil, is shared by the Caches of this process.
	Turns *Turns
	// HashZip is verify.HashZip of a zip that is open for reading alone, done
	// where a hostile one does no harm; progress is told how much of it was
	// read. Nil: verify.HashZip itself.
	HashZip func(ctx context.Context, name string, zip *os.File, size int64, progress func(done int64)) (h1 string, err error)

	// Memory, which may be nil, bounds the memory that Blobs lie in. What does not fit
	// lies in the cache, in files without a name.
	Memory *private.Budget

	space   func(*os.Root) (free int64, err error)           // nil: rootfs.Space
	ceiling int64                                            // on artifacts of unknown size; 0: manifests.MaxArtifact
	wait    func(ctx context.Context, d time.Duration) error // nil: by the clock
}

// A Blob is a proved artifact. Its File is open for reading, at offset 0, and holds the
// very bytes that were proved: it is a copy that no other process can change. The caller
// closes the Blob.
type Blob struct {
	File     *os.File
	Size     int64
	Digest   verify.Digest // SHA-256
	Evidence verify.Evidence
	Ref      string // where it came from, redacted; empty: out of the cache

	held *private.File
}

// Close gives the copy up. The zero Blob has none.
func (b Blob) Close() error {
	if b.held == nil {
		return nil
	}
	return b.held.Close()
}

// A SpaceError says, before anything was written, that something will not fit.
type SpaceError struct {
	Path       string // a directory on the file system in question, or two: "A and B"
	Need, Free int64  // bytes
	Files      bool   // it is files and directories, not bytes, that there is no room for
}

func (e *SpaceError) Error() string {
	if e.Files {
		return fmt.Sprintf("%s: needs room for %d files at least, and the file system has it for %d", e.Path, e.Need, e.Free)
	}
	unit, name := 1e6, "MB"
	if e.Need < 1e6 {
		unit, name = 1e3, "kB"
	}
	return fmt.Sprintf("%s: needs %.1f %s, has %.1f %[3]s free", e.Path, float64(e.Need)/unit, name, float64(e.Free)/unit)
}

// Fetch returns the blob of a, out of the cache if it is there.
//
// Errors that match verify.ErrUntrusted: *verify.SizeError, *verify.DigestError,
// *verify.SignatureError, *verify.TreeError and, without a known size,
// *manifests.TooLargeError. If no ref gave an answer, the error matches
// manifests.ErrUnreachable, or manifests.ErrNotFound if all of them say so.
// *rootfs.BusyError says that another process is still fetching a after LockWait.
// *SpaceError comes before anything is written. When the network fails or ctx
// ends, what has arrived stays for the next attempt; after any other error
// nothing stays.
func (c Cache) Fetch(ctx context.Context, a manifests.Artifact) (Blob, error) {
	if a.Chunks.Len() > 0 {
		s, err := c.Stream(ctx, a)
		if err != nil {
			return Blob{}, err
		}
		blob, err := s.Blob()
		return blob, errors.Join(err, s.end(true))
	}
	key, blob, lock, err := c.begin(ctx, a)
	if lock == nil || err != nil {
		return blob, err
	}
	defer lock.Remove()
	s, err := c.openSpool(ctx, path.Join(partialDir, key), a)
	if err != nil {
		return Blob{}, fmt.Errorf("%s: %w", a.Name, err)
	}
	var evidence verify.Evidence
	ref, err := c.eachRef(ctx, a, func(ref string) (err error) {
		evidence, err = c.fetchFrom(ctx, a, ref, s)
		return err
	})
	if err != nil {
		return Blob{}, errors.Join(err, s.end(keeps(ctx, err) && s.encoding == ""))
	}
	blob, err = c.publish(a, key, s)
	if err == nil {
		s.held = nil // it is the blob's
	}
	if err = errors.Join(err, s.end(err == nil)); err != nil {
		blob.Close()
		return Blob{}, fmt.Errorf("%s: %w", a.Name, err)
	}
	blob.Evidence, blob.Ref = evidence, manifests.Redact(ref)
	return blob, nil
}

// keeps reports whether what has arrived stays for the next attempt.
func keeps(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, manifests.ErrUnreachable) || errors.Is(err, manifests.ErrNotFound)
}

// begin returns the blob of a out of the cache, or else the lock under which it
// is to be fetched, and the key of its partial file.
func (c Cache) begin(ctx context.Context, a manifests.Artifact) (key string, blob Blob, held *claim, err error) {
	if key, err = keyOf(a); err != nil {
		return "", Blob{}, nil, err
	}
	if _, err := rootfs.MkdirAllUnsynced(c.Root, blobDir, 0o700); err != nil {
		return "", Blob{}, nil, fmt.Errorf("%s: %w", a.Name, err)
	}
	if blob, ok, err := c.cached(ctx, a, key); ok || err != nil {
		return key, blob, nil, err
	}
	for _, dir := range []string{partialDir, knownDir} {
		if _, err := rootfs.MkdirAllUnsynced(c.Root, dir, 0o700); err != nil {
			return "", Blob{}, nil, fmt.Errorf("%s: %w", a.Name, err)
		}
	}
	lock, err := c.lock(ctx, key)
	if err != nil {
		return "", Blob{}, nil, fmt.Errorf("%s: %w", a.Name, err)
	}
	// Whoever held the lock before may have been after the same.
	if blob, ok, err := c.cached(ctx, a, key); ok || err != nil {
		return key, blob, nil, errors.Join(err, lock.Remove())
	}
	if held, err = c.claim(lock, path.Join(partialDir, key), a); err != nil {
		return "", Blob{}, nil, fmt.Errorf("%s: %w", a.Name, err)
	}
	return key, Blob{}, held, nil
}

// keyOf names what a must prove, by the SHA-256 of what it states.
func keyOf(a manifests.Artifact) (string, error) {
	text, err := stated(a)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:]), nil
}

// stated is what a must prove. An artifact that does not state exactly one integrity
// cannot be fetched.
func stated(a manifests.Artifact) (string, error) {
	var all []string
	if d := a.Integrity.Digest; !d.IsZero() {
		all = append(all, "digest\n"+d.String())
	}
	if s := a.Integrity.Signature; s != nil {
		all = append(all, "signature\n"+string(s.Data))
	}
	if t := a.Integrity.Tree; t != nil {
		all = append(all, "tree\n"+t.H1)
	}
	if len(all) != 1 || len(a.Refs) == 0 || a.Size < 0 {
		return "", fmt.Errorf("%s: %w: it does not state one integrity, a location and a size", a.Name, verify.ErrUntrusted)
	}
	return all[0], nil
}

// eachRef tries the refs of a until one has brought what a must be, and returns
// that one.
func (c Cache) eachRef(ctx context.Context, a manifests.Artifact, try func(ref string) error) (string, error) {
	var worst error
	for _, ref := range a.Refs {
		err := try(ref)
		switch {
		case err == nil:
			return ref, nil
		case ctx.Err() != nil || gravity(err) == 0:
			return "", err
		case errors.Is(err, verify.ErrUntrusted) && a.Integrity.Digest.IsZero():
			return "", err
		case gravity(err) > gravity(worst):
			worst = err
		}
	}
	return "", worst
}

// gravity orders what can be wrong with a ref, by what the user must hear of
// first; 0 is trouble of this machine, which no other ref mends.
func gravity(err error) int {
	switch {
	case errors.Is(err, verify.ErrUntrusted):
		return 3
	case errors.Is(err, manifests.ErrUnreachable):
		return 2
	case errors.Is(err, manifests.ErrNotFound):
		return 1
	}
	return 0
}

// fetchFrom fills s from ref and proves it. Content that fails is dropped; if it
// was put together from several answers, ref gets one more chance from the start. A
// web page that is not what a must be is a *manifests.PageError.
func (c Cache) fetchFrom(ctx context.Context, a manifests.Artifact, ref string, s *spool) (verify.Evidence, error) {
	for again := false; ; again = true {
		var evidence verify.Evidence
		err := c.receive(ctx, a, ref, s)
		if err == nil {
			evidence, err = c.proveReceived(ctx, a, s)
		}
		if !errors.Is(err, verify.ErrUntrusted) {
			return evidence, err
		}
		mixed, page := s.mixed, s.page
		if err := s.reset(); err != nil {
			return evidence, fmt.Errorf("%s: %w", a.Name, err)
		}
		if page {
			return evidence, fmt.Errorf("%s: %w", a.Name, &manifests.PageError{Ref: manifests.Redact(ref)})
		}
		if !mixed || again {
			return evidence, err
		}
	}
}

// proveReceived decides whether what s holds is what a must be. It is taken as it
// came, since servers claim a content encoding for archives that are compressed
// files; if its digest is another, it is decoded once.
func (c Cache) proveReceived(ctx context.Context, a manifests.Artifact, s *spool) (verify.Evidence, error) {
	if err := s.held.Seal(); err != nil {
		return verify.Evidence{}, err
	}
	evidence, wrong := c.prove(ctx, a, s.held, s.sums)
	if s.encoding == "" || !errors.Is(wrong, verify.ErrUntrusted) {
		return evidence, wrong
	}
	if a.Integrity.Digest.IsZero() {
		return evidence, fmt.Errorf("%w (the server says that it has Content-Encoding: %s)", wrong, s.encoding)
	}
	err := s.decode(ctx, c.limit(a))
	if err == nil {
		err = s.held.Seal()
	}
	if err == nil {
		if evidence, err = c.prove(ctx, a, s.held, s.sums); errors.Is(err, verify.ErrUntrusted) {
			return evidence, fmt.Errorf("%w (after its Content-Encoding %s was decoded)", err, s.encoding)
		}
	}
	if _, undecodable := errors.AsType[*manifests.DecodeError](err); undecodable {
		return evidence, fmt.Errorf("%w (%v)", wrong, err)
	}
	return evidence, err
}

// enter waits for a place to make a request in; leave gives it back.
func (c Cache) enter(ctx context.Context) (leave func(), err error) {
	if c.Slots == nil {
		return func() {}, ctx.Err()
	}
	select {
	case c.Slots <- struct{}{}:
		return func() { <-c.Slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c Cache) report(stage, name string, done, total int64) {
	if c.Progress != nil {
		c.Progress(stage, name, done, total)
	}
}
