package transport

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// setIndex is the file in a recorded set that lists the other files with their SHA-256
// digests. It shows that they were recorded.
const setIndex = "index.json"

// setValidators is the file in a recorded set that holds the validators of its documents,
// by file name. It has none if no server stated any.
const setValidators = "validators.json"

const maxSetIndex = 1 << 20 // bytes of either file

// An index maps the file names of a set to their digests in hex.
type index map[string]string

// newIndex returns the index of files, encoded.
func newIndex(files map[string][]byte) ([]byte, error) {
	all := index{}
	for name, data := range files {
		sum := sha256.Sum256(data)
		all[name] = hex.EncodeToString(sum[:])
	}
	return json.MarshalIndent(all, "", "\t")
}

// readIndex reads the index of the set in dir. It returns nil if the index is missing
// or damaged, because then nothing shows which files belong to the set.
func readIndex(root *os.Root, dir string) (index, error) {
	name := path.Join(dir, setIndex)
	if info, err := root.Lstat(name); err != nil || !info.Mode().IsRegular() {
		return nil, rootfs.IgnoreMissing(err)
	}
	data, err := rootfs.ReadFile(root, name, maxSetIndex)
	if errors.Is(err, rootfs.ErrTooLarge) || errors.Is(err, fs.ErrPermission) {
		return nil, nil
	}
	if err != nil {
		return nil, rootfs.IgnoreMissing(err)
	}
	var files index
	if json.Unmarshal(data, &files) != nil {
		return nil, nil
	}
	return files, nil
}

// Owns reports whether the file called name, in a directory of recorded documents or of
// a Pool, was written by this package: the index of a set, a file that the index lists
// with its current digest, a file named by its digest, or the remains of an interrupted
// write. For a missing file it returns false.
func Owns(root *os.Root, name string) (bool, error) {
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false, rootfs.IgnoreMissing(err)
	}
	if rootfs.IsNamedTemp(path.Base(name)) {
		return true, nil
	}
	files, err := readIndex(root, path.Dir(name))
	if err != nil {
		return false, err
	}
	if path.Base(name) == setIndex {
		return files != nil, nil
	}
	if want, listed := files[path.Base(name)]; listed {
		return hasDigest(root, name, want)
	}
	return isNamedByDigest(root, name)
}

// Find returns the name of a file with the digest d in a Pool below dir, by its name, or in
// a recorded set there, by the index of the set. The file may have been changed since.
func Find(root *os.Root, dir string, d verify.Digest) (name string, ok bool) {
	sets, err := rootfs.ReadDir(root, dir)
	if err != nil || d.Algorithm() != "sha256" {
		return "", false
	}
	for _, set := range sets {
		pooled := path.Join(dir, set.Name(), d.Hex())
		if _, err := root.Lstat(pooled); err == nil {
			return pooled, true
		}
		files, _ := readIndex(root, path.Join(dir, set.Name()))
		for name, digest := range files {
			if digest == d.Hex() && path.Base(name) == name {
				return path.Join(dir, set.Name(), name), true
			}
		}
	}
	return "", false
}

func isNamedByDigest(root *os.Root, name string) (bool, error) {
	want := path.Base(name)
	if sum, err := hex.DecodeString(want); err != nil || len(sum) != sha256.Size {
		return false, nil
	}
	return hasDigest(root, name, want)
}

// hasDigest reports whether name is a regular file with this SHA-256 digest. It returns
// false for a file that is unreadable or longer than any document.
func hasDigest(root *os.Root, name, want string) (bool, error) {
	if info, err := root.Lstat(name); err != nil || !info.Mode().IsRegular() || info.Size() > maxDocument {
		return false, rootfs.IgnoreMissing(err)
	}
	f, err := rootfs.OpenRegular(root, name)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, rootfs.ErrNotRegular) {
			return false, nil
		}
		return false, rootfs.IgnoreMissing(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxDocument+1)); err != nil {
		return false, err
	}
	return hex.EncodeToString(h.Sum(nil)) == want, nil
}

// maxDocument is the largest document of a set or a Pool, in bytes; package indices are
// the largest.
const maxDocument = max(manifests.MaxManifest, 1<<30)
