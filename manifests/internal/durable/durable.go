// Package durable writes files atomically and durably: a crash at any moment leaves
// either the complete old content or the complete new content. The data is written to a
// temporary file in the same directory, synced to disk, and renamed; then the directory
// is synced. The next write of the same name removes a temporary file that a crash left.
package durable

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

// Write writes data to the file name, slash-separated below root. The directory of name
// must exist. The file gets permissions perm even if it existed.
func Write(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	_, err := Copy(root, name, bytes.NewReader(data), perm)
	return err
}

// Copy is Write with the content of r. It returns the number of bytes.
func Copy(root *os.Root, name string, r io.Reader, perm fs.FileMode) (n int64, err error) {
	if err := sweep(root, name); err != nil {
		return 0, err
	}
	temporary := Temporary(name)
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return 0, err
	}
	n, err = io.Copy(f, r)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		return n, errors.Join(err, root.Remove(temporary))
	}
	return n, SyncDir(root, path.Dir(name))
}

// Remove deletes name durably. A missing file is not an error.
func Remove(root *os.Root, name string) error {
	if err := root.Remove(name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return SyncDir(root, path.Dir(name))
}

// Mkdir makes one directory below root, durably. An existing directory is not an error.
func Mkdir(root *os.Root, name string, perm fs.FileMode) error {
	if err := root.Mkdir(name, perm); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return SyncDir(root, path.Dir(name))
}

// SyncDir syncs the names in a directory to disk.
func SyncDir(root *os.Root, name string) error {
	if runtime.GOOS == "windows" {
		return nil // Windows cannot sync directories; NTFS journals its names
	}
	d, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ReadDir lists the directory name, sorted. If name is a pipe, ReadDir fails and does
// not wait for a writer.
func ReadDir(root *os.Root, name string) ([]fs.DirEntry, error) {
	d, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// ErrNotRegular means that a name is not that of a regular file.
var ErrNotRegular = errors.New("not a regular file")

// Open opens the regular file name for reading. For a pipe, device or directory it
// returns ErrNotRegular without waiting.
func Open(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ReadFile reads the regular file name. If it has more than limit bytes, ReadFile
// returns the error over.
func ReadFile(root *os.Root, name string, limit int64, over error) ([]byte, error) {
	f, err := Open(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := bytes.NewBuffer(make([]byte, 0, min(max(info.Size(), 0), limit)+bytes.MinRead)) // allocate once: the file may be large
	if _, err := data.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, err
	}
	if int64(data.Len()) > limit {
		return nil, over
	}
	return data.Bytes(), nil
}

// randomSize is how many of the 26 last characters of a temporary file's name are random:
// 80 bits. The others are their checksum, which shows that this package made the name.
const randomSize = 16

// Temporary returns a new name for a temporary file of name, in the same directory.
func Temporary(name string) string {
	random := rand.Text()[:randomSize]
	return temporaryPrefix(name) + random + checksum(random)
}

// OfTemporary returns the base name of the file for which a temporary file was made. ok
// is false if base is not the base name of a temporary file.
func OfTemporary(base string) (name string, ok bool) {
	if !IsTemporary(base) {
		return "", false
	}
	return base[1:strings.LastIndex(base, ".tmp-")], true
}

// IsTemporary reports whether base is the base name of a temporary file. The checksum in
// the name distinguishes it from the files of other programs.
func IsTemporary(base string) bool {
	i := strings.LastIndex(base, ".tmp-")
	if i < 1 || base[0] != '.' {
		return false
	}
	random := base[i+len(".tmp-"):]
	return len(random) == 26 && random[randomSize:] == checksum(random[:randomSize])
}

func checksum(random string) string {
	sum := sha256.Sum256([]byte("kist temporary file " + random))
	return base32.StdEncoding.EncodeToString(sum[:])[:26-randomSize]
}

func temporaryPrefix(name string) string {
	dir, base := path.Split(name)
	return dir + "." + base + ".tmp-"
}

// sweep removes the temporary files of name. A process that is writing one of them at
// the moment fails, and does not publish a half-written file.
func sweep(root *os.Root, name string) error {
	list, err := ReadDir(root, path.Dir(name))
	if err != nil {
		return err
	}
	for _, e := range list {
		file := path.Join(path.Dir(name), e.Name())
		if strings.HasPrefix(file, temporaryPrefix(name)) && IsTemporary(e.Name()) && e.Type().IsRegular() {
			if err := root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
