// Package download turns an artifact into a proved blob of the cache.
//
// Neither the server nor the cache is trusted. The package guarantees:
//
//   - The bytes that are used are the bytes that were proved. All downloads, and all
//     files of the cache, are copied to memory or to a file that no other process can
//     open, hashed and proved there, and used from there (package private). Named files
//     of the cache are never used in place, because another program may write to them.
//   - The name of a file below blobs/sha256 is its SHA-256 digest. A file whose content
//     or size is wrong is removed and fetched again. Its size decides nothing else.
//   - Downloads are also written to partial/, for the next attempt. Nothing reads an
//     artifact before it is proved, except the zip directory that an h1 hash needs. If
//     an artifact has chunk digests, each chunk can be read once it is proved, but in
//     the end the whole must be proved too.
//   - A partial download saves time and is not trusted: the whole is hashed. Content
//     that was put together from several answers and then fails is fetched once more in
//     one piece before the server is blamed. If an artifact has chunk digests, only the
//     chunks that fail are fetched again.
//   - Reading stops one byte past the size that was proved, or past
//     manifests.MaxArtifact if none was.
//
// The refs of an artifact are tried in order. After one that is unreachable or not
// found, the next is tried. So it is after one that serves other content, if the
// artifact is pinned by its digest, since then no mirror can do harm; a wrong
// signature or content hash ends the attempt.
//
//	blobs/sha256/<hex>   proved blobs
//	known/<key>          "<hex>\n": the blob of an artifact that states no SHA-256
//	partial/<key>        a partial download; <key>.lock exists while it is fetched,
//	                     <key>.for holds the text whose SHA-256 the key is
//
// A key is the SHA-256 of what must be proved, so that all refs of an artifact,
// and all channels that state the same integrity, share one download. If two
// processes want the same blob, the second waits and then finds it in the cache.
package download

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"time"

	"github.com/kist-tools/kist/install/internal/private"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// A Cache fetches artifacts and keeps the blobs. It is safe for concurrent use,
// by several processes too.
type Cache struct {
	Root      *os.Root // kist's own directory in the cache
	Transport manifests.Transport
	// Slots, which may be nil, limits the number of concurrent requests to its
	// capacity.
	Slots chan struct{}
	// Progress, which may be nil, is called with the number of bytes of an artifact
	// that have arrived (stage "download") or were read again to prove it (stage
	// "verify"). total is -1 if unknown. Calls for one artifact do not overlap.
	Progress func(stage, name string, done, total int64)
	// About describes this process to others that want the same artifact. Waiting,
	// which may be nil, is called when this process waits for another one, for at most
	// LockWait.
	About    string
	Waiting  func(*rootfs.BusyError)
	LockWait time.Duration
	// Turns, which may be nil, is shared by the Caches of this process.
	Turns *Turns
	// HashZip does the work of verify.HashZip in a sandbox, for a zip that is open for
	// reading only. It calls progress with the number of bytes read. Only artifacts that
	// a checksum database proves need it.
	HashZip func(ctx context.Context, name string, zip *os.File, size int64, progress func(done int64)) (h1 string, err error)

	// Memory, which may be nil, limits the memory for the content of Blobs. What does
	// not fit goes to unnamed files in the cache.
	Memory *private.Budget

	space   func(*os.Root) (free int64, err error)           // nil: rootfs.Space
	ceiling int64                                            // for artifacts of unknown size; 0: manifests.MaxArtifact
	wait    func(ctx context.Context, d time.Duration) error // nil: a timer
}

// A Blob is a proved artifact. Its File is open for reading at offset 0, and holds
// exactly the bytes that were proved: it is a copy that no other process can change.
// The caller closes the Blob.
type Blob struct {
	File     *os.File
	Size     int64
	Digest   verify.Digest // SHA-256
	Evidence verify.Evidence

	held *private.File
}

// Close releases the copy. The zero Blob has none.
func (b Blob) Close() error {
	if b.held == nil {
		return nil
	}
	return b.held.Close()
}

// A SpaceError reports, before anything was written, that there is not enough space.
type SpaceError struct {
	Path       string // a directory on the file system in question, or two: "A and B"
	Need, Free int64  // bytes
	Files      bool   // Need and Free count files and directories, not bytes
}

func (e *SpaceError) Error() string {
	if e.Files {
		return fmt.Sprintf("%s: needs room for %d files at least, and the file system has room for %d", e.Path, e.Need, e.Free)
	}
	unit, name := 1e6, "MB"
	if e.Need < 1e6 {
		unit, name = 1e3, "kB"
	}
	return fmt.Sprintf("%s: needs %.1f %s, has %.1f %[3]s free", e.Path, float64(e.Need)/unit, name, float64(e.Free)/unit)
}
func (*SpaceError) Kind() string { return "space" }

// fetch returns the blob of a, which has no chunk digests, from the cache if possible.
// Errors are those of Stream.
func (c Cache) fetch(ctx context.Context, a manifests.Artifact) (Blob, error) {
	key, blob, held, err := c.findOrClaim(ctx, a)
	if held == nil || err != nil {
		return blob, err
	}
	defer held.release()
	s, err := c.openSpool(ctx, path.Join(partialDir, key), a)
	if err != nil {
		return Blob{}, fmt.Errorf("%s: %w", a.Name, err)
	}
	var evidence verify.Evidence
	err = c.tryRefs(ctx, a, func(ref string) (err error) {
		evidence, err = c.fetchFrom(ctx, a, ref, s)
		return err
	})
	if err != nil {
		return Blob{}, errors.Join(err, s.end(canResume(ctx, err) && s.encoding == ""))
	}
	blob, err = c.publish(a, key, s)
	if err == nil {
		s.held = nil // the blob owns it now
	}
	if err = errors.Join(err, s.end(err == nil)); err != nil {
		blob.Close()
		return Blob{}, fmt.Errorf("%s: %w", a.Name, err)
	}
	blob.Evidence = evidence
	return blob, nil
}

// canResume reports whether the partial download stays for the next attempt after err.
func canResume(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, manifests.ErrUnreachable) || errors.Is(err, manifests.ErrNotFound)
}

// findOrClaim returns the blob of a from the cache, or else the claim that the caller
// holds while it fetches a, and the key of the partial file.
func (c Cache) findOrClaim(ctx context.Context, a manifests.Artifact) (key string, blob Blob, held *claim, err error) {
	if key, err = Key(a); err != nil {
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
	if held, err = c.claim(ctx, path.Join(partialDir, key)); err != nil {
		return "", Blob{}, nil, fmt.Errorf("%s: %w", a.Name, err)
	}
	// The previous holder of the claim may have fetched the same artifact.
	if blob, ok, err := c.cached(ctx, a, key); ok || err != nil {
		return key, blob, nil, errors.Join(err, held.release())
	}
	if err := held.record(a); err != nil {
		return "", Blob{}, nil, errors.Join(fmt.Errorf("%s: %w", a.Name, err), held.release())
	}
	return key, Blob{}, held, nil
}

// Key returns a text that identifies what a must prove, the SHA-256 of integrityText in
// hex: two artifacts with the same key have the same content. The error matches
// verify.ErrUntrusted if a does not state exactly one integrity.
func Key(a manifests.Artifact) (string, error) {
	text, err := integrityText(a)
	return verify.DigestOf([]byte(text)).Hex(), err
}

// integrityText returns a text that identifies what a must prove. An artifact that does
// not state exactly one integrity cannot be fetched.
func integrityText(a manifests.Artifact) (string, error) {
	var all []string
	if d := a.Integrity.Digest; !d.IsZero() {
		all = append(all, digestText(d))
	}
	if s := a.Integrity.Signature; s != nil {
		all = append(all, "signature\n"+string(s.Data))
	}
	if t := a.Integrity.Tree; t != nil {
		all = append(all, "tree\n"+t.H1)
	}
	if len(all) != 1 || len(a.Refs) == 0 || a.Size < 0 {
		return "", fmt.Errorf("%s: %w: it does not have exactly one integrity, a location and a valid size", a.Name, verify.ErrUntrusted)
	}
	return all[0], nil
}

// digestText is integrityText for an artifact that states a digest.
func digestText(d verify.Digest) string { return "digest\n" + d.String() }

// tryRefs calls try with the refs of a in order until it succeeds. Otherwise it returns
// the most severe error.
func (c Cache) tryRefs(ctx context.Context, a manifests.Artifact, try func(ref string) error) error {
	var worst error
	for _, ref := range a.Refs {
		err := try(ref)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil || severity(err) == 0:
			return err
		case errors.Is(err, verify.ErrUntrusted) && a.Integrity.Digest.IsZero():
			return err
		case severity(err) > severity(worst):
			worst = err
		}
	}
	return worst
}

// severity ranks the errors of a ref by how important they are for the user. 0 is a
// failure of this machine, which another ref would not avoid.
func severity(err error) int {
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

// fetchFrom fills s from ref and proves it. It drops content that fails; if that was
// put together from several answers, it fetches ref once more from the start. If the
// content is a web page, the error is a *manifests.PageError.
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

// proveReceived proves the content of s. It first proves the bytes as they were sent,
// because servers claim a content encoding for archives that are compressed files. If
// their digest is wrong, it decodes them once.
func (c Cache) proveReceived(ctx context.Context, a manifests.Artifact, s *spool) (verify.Evidence, error) {
	if err := s.held.Seal(); err != nil {
		return verify.Evidence{}, err
	}
	evidence, wrong := c.prove(ctx, a, s.held, s.sums)
	if s.encoding == "" || !errors.Is(wrong, verify.ErrUntrusted) {
		return evidence, wrong
	}
	if a.Integrity.Digest.IsZero() {
		return evidence, fmt.Errorf("%w (the server sent it with Content-Encoding: %s)", wrong, s.encoding)
	}
	err := s.decode(ctx, c.limit(a))
	if err == nil {
		err = s.held.Seal()
	}
	if err == nil {
		if evidence, err = c.prove(ctx, a, s.held, s.sums); errors.Is(err, verify.ErrUntrusted) {
			return evidence, fmt.Errorf("%w (after decoding Content-Encoding: %s)", err, s.encoding)
		}
	}
	if _, undecodable := errors.AsType[*manifests.DecodeError](err); undecodable {
		return evidence, fmt.Errorf("%w (%v)", wrong, err)
	}
	return evidence, err
}

// enter waits for a free slot for a request; leave frees it again.
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
