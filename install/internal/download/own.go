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

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// recordSuffix follows the key in the name of a partial download's record, which holds
// the text whose SHA-256 the key is. A partial file proves nothing by itself; the record
// shows that kist was fetching it, since no other program writes a file whose name is
// the digest of its content.
const recordSuffix = ".for"

// A claim is the exclusive right to fetch one artifact, among the goroutines of this
// process and among processes.
type claim struct {
	root  *os.Root
	name  string // of the partial file
	lock  *rootfs.Lock
	leave func() // ends the turn of this goroutine
}

// claim waits for the claim to the artifact whose partial file is called name.
func (c Cache) claim(ctx context.Context, name string) (*claim, error) {
	leave, err := c.Turns.acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	lock, err := rootfs.WaitLock(ctx, c.Root, name+rootfs.LockSuffix, c.About, c.LockWait, c.Waiting)
	if err != nil {
		leave()
		return nil, err
	}
	return &claim{c.Root, name, lock, leave}, nil
}

// record records what is fetched. The record is not synced: if a crash of the machine
// loses it, Owns does not know the partial file, which then stays. A file that already
// has the record's name is left alone.
func (c *claim) record(a manifests.Artifact) error {
	text, err := integrityText(a)
	if err != nil {
		return err
	}
	if _, err := c.root.Lstat(c.name + recordSuffix); err == nil {
		return nil
	}
	return rootfs.WriteFileUnsynced(c.root, c.name+recordSuffix, []byte(text), 0o600)
}

// release ends the claim. It removes the record if there is no partial file.
func (c *claim) release() error {
	defer c.leave()
	_, err := c.root.Lstat(c.name)
	if errors.Is(err, fs.ErrNotExist) {
		var own bool
		if own, err = Owns(context.Background(), c.root, c.name+recordSuffix); own {
			err = rootfs.IgnoreMissing(c.root.Remove(c.name + recordSuffix))
		}
	}
	return errors.Join(err, c.lock.Remove())
}

// Dirs returns the directories that this package makes below the cache's root, the
// innermost first.
func Dirs() []string { return []string{blobDir, path.Dir(blobDir), knownDir, partialDir} }

// Owns reports whether this package wrote name, a file below the cache's root: a blob
// that has the digest in its name, a note of one, a lock, a partial download that has a
// record, or such a record. It returns false for a missing file.
func Owns(ctx context.Context, root *os.Root, name string) (bool, error) {
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false, rootfs.IgnoreMissing(err)
	}
	if rootfs.IsTemp(name) {
		return true, nil
	}
	dir, base := path.Split(name)
	stem := strings.TrimSuffix(base, path.Ext(base))
	if !isDigest(stem) {
		return false, nil
	}
	own := false
	switch {
	case dir == blobDir+"/" && base == stem:
		own, err = holdsDigest(ctx, root, name, base)
	case dir == knownDir+"/" && base == stem:
		var text []byte
		text, err = rootfs.ReadFile(root, name, 65)
		own = err == nil && len(text) == 65 && text[64] == '\n' && isDigest(string(text[:64]))
	case dir == partialDir+"/" && base == stem+rootfs.LockSuffix:
		own, err = rootfs.IsLock(root, name)
	case dir == partialDir+"/" && base == stem+recordSuffix:
		own, err = holdsDigest(ctx, root, name, stem)
	case dir == partialDir+"/" && base == stem:
		own, err = Owns(ctx, root, name+recordSuffix)
	}
	if errors.Is(err, rootfs.ErrTooLarge) || errors.Is(err, fs.ErrPermission) || errors.Is(err, rootfs.ErrNotRegular) {
		return false, nil // nothing shows that kist wrote it
	}
	return own, rootfs.IgnoreMissing(err)
}

// isDigest reports whether name has the form of a SHA-256 digest in lower-case hex.
func isDigest(name string) bool {
	sum, err := hex.DecodeString(name)
	return err == nil && len(sum) == sha256.Size && name == strings.ToLower(name)
}

// holdsDigest reports whether the file name has this SHA-256 digest.
func holdsDigest(ctx context.Context, root *os.Root, name, digest string) (bool, error) {
	f, err := rootfs.OpenRegular(root, name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() > manifests.MaxArtifact {
		return false, err
	}
	h := sha256.New()
	buffer := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		n, err := f.Read(buffer)
		h.Write(buffer[:n])
		if err == io.EOF {
			return hex.EncodeToString(h.Sum(nil)) == digest, nil
		}
		if err != nil {
			return false, fmt.Errorf("%s: %w", name, err)
		}
	}
}
