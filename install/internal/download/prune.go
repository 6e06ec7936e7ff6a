package download

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"strings"
	"time"

	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// A File is a blob or a partial download in a cache.
type File struct {
	Name     string    // below the cache's root
	Size     int64     // bytes
	Modified time.Time // when it was last written
	Partial  bool
}

// Digest returns the SHA-256 digest in the name of a blob, and the zero Digest for a
// partial download.
func (f File) Digest() verify.Digest {
	if f.Partial {
		return verify.Digest{}
	}
	d, _ := verify.ParseDigest("sha256:" + path.Base(f.Name))
	return d
}

// Files returns the blobs and the partial downloads in a cache, by their names: Drop
// decides whether kist wrote one.
func Files(root *os.Root) (list []File, err error) {
	for _, dir := range []string{blobDir, partialDir} {
		entries, err := rootfs.ReadDir(root, dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || !info.Mode().IsRegular() || !isDigest(e.Name()) {
				continue
			}
			list = append(list, File{path.Join(dir, e.Name()), info.Size(), info.ModTime(), dir == partialDir})
		}
	}
	return list, nil
}

// Drop removes f with what belongs to it. It returns false, and removes nothing, if kist
// did not write f, or if a process is fetching it.
func Drop(ctx context.Context, root *os.Root, f File, about string) (dropped bool, err error) {
	if own, err := Owns(ctx, root, f.Name); err != nil || !own {
		return false, err
	}
	notes := map[string]bool{} // of the artifacts with this blob
	keys := map[string]bool{path.Base(f.Name): true}
	if !f.Partial {
		if notes, err = notesOf(root, path.Base(f.Name)); err != nil {
			return false, err
		}
		keys = maps.Clone(notes)
		keys[verify.DigestOf([]byte(digestText(f.Digest()))).Hex()] = true
	}
	if _, err := rootfs.MkdirAllUnsynced(root, partialDir, 0o700); err != nil {
		return false, err
	}
	var locks []*rootfs.Lock
	defer func() {
		for _, l := range locks {
			err = errors.Join(err, l.Remove())
		}
	}()
	for key := range keys {
		lock, err := rootfs.TryLock(root, path.Join(partialDir, key+rootfs.LockSuffix), about)
		if _, busy := errors.AsType[*rootfs.BusyError](err); busy {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		locks = append(locks, lock)
	}
	if err := root.Remove(f.Name); err != nil {
		return false, rootfs.IgnoreMissing(err)
	}
	if f.Partial {
		return true, removeOwn(ctx, root, f.Name+recordSuffix)
	}
	for key := range notes {
		err = errors.Join(err, removeOwn(ctx, root, path.Join(knownDir, key)))
	}
	return true, err
}

// removeOwn removes the file name, if this package wrote it.
func removeOwn(ctx context.Context, root *os.Root, name string) error {
	own, err := Owns(ctx, root, name)
	if err == nil && own {
		err = rootfs.IgnoreMissing(root.Remove(name))
	}
	return err
}

// notesOf returns the keys of the notes that name the blob with a digest in hex.
func notesOf(root *os.Root, hexDigest string) (map[string]bool, error) {
	keys := map[string]bool{}
	entries, err := rootfs.ReadDir(root, knownDir)
	if err != nil {
		return keys, rootfs.IgnoreMissing(err)
	}
	for _, e := range entries {
		if !isDigest(e.Name()) {
			continue
		}
		note, err := rootfs.ReadFile(root, path.Join(knownDir, e.Name()), 65)
		if err == nil && strings.TrimSuffix(string(note), "\n") == hexDigest {
			keys[e.Name()] = true
		}
	}
	return keys, nil
}
