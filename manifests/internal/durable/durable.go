// Package durable writes files so that a crash at any moment leaves the old
// content or the new one, whole, under the name: the data goes to a temporary
// file in the same directory, is forced to disk, takes the name by a rename,
// and the directory is forced to disk too. What a crash leaves of a temporary
// file is swept by the next write of that name.
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

// Write makes name, slash-separated below root, hold data. The directory of
// name exists already. perm holds for a file that is new or replaced.
func Write(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	_, err := Copy(root, name, bytes.NewReader(data), perm)
	return err
}

// Copy is Write for what r yields to its end, and returns how many bytes that was.
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

// Remove deletes name durably. A name that does not exist is no error.
func Remove(root *os.Root, name string) error {
	if err := root.Remove(name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return SyncDir(root, path.Dir(name))
}

// Mkdir makes one directory below root, durably. That it exists is no error.
func Mkdir(root *os.Root, name string, perm fs.FileMode) error {
	if err := root.Mkdir(name, perm); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	}
	return SyncDir(root, path.Dir(name))
}

// SyncDir forces the names in a directory to disk.
func SyncDir(root *os.Root, name string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be opened for that; NTFS journals its names
	}
	d, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ReadDir lists the directory name, in order. A pipe in its place is an error,
// not a wait.
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

// ErrNotRegular says that something other than a regular file has the name of one.
var ErrNotRegular = errors.New("not a regular file")

// Open opens the regular file name for reading. A pipe, device or directory in its
// place is ErrNotRegular, and is never waited for.
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

// ReadFile reads the regular file name, which may hold limit bytes at most; over
// is the error for more.
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
	data := bytes.NewBuffer(make([]byte, 0, min(max(info.Size(), 0), limit)+bytes.MinRead)) // no growing: it may be large
	if _, err := data.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, err
	}
	if int64(data.Len()) > limit {
		return nil, over
	}
	return data.Bytes(), nil
}

// randomSize is how many of the 26 characters that name a temporary file are random,
// 80 bits; the others are a check of these, so that a name proves to be of this package.
const randomSize = 16

// Temporary returns a new name for a temporary file of name, beside it.
func Temporary(name string) string {
	random := rand.Text()[:randomSize]
	return prefix(name) + random + check(random)
}

// OfTemporary returns the base name of the file that a temporary one is of, by its base
// name; ok is false where that is not the name of a temporary file.
func OfTemporary(base string) (name string, ok bool) {
	if !IsTemporary(base) {
		return "", false
	}
	return base[1:strings.LastIndex(base, ".tmp-")], true
}

// IsTemporary reports whether a base name is that of a temporary file. No other program
// gives such a name: it holds its own check.
func IsTemporary(base string) bool {
	at := strings.LastIndex(base, ".tmp-")
	if at < 1 || base[0] != '.' {
		return false
	}
	random := base[at+len(".tmp-"):]
	return len(random) == 26 && random[randomSize:] == check(random[:randomSize])
}

func check(random string) string {
	sum := sha256.Sum256([]byte("kist temporary file " + random))
	return base32.StdEncoding.EncodeToString(sum[:])[:26-randomSize]
}

func prefix(name string) string {
	dir, base := path.Split(name)
	return dir + "." + base + ".tmp-"
}

// sweep removes temporary files of name. Where another process is writing one
// just now, that process fails instead of publishing something half-written.
func sweep(root *os.Root, name string) error {
	list, err := ReadDir(root, path.Dir(name))
	if err != nil {
		return err
	}
	for _, e := range list {
		at := path.Join(path.Dir(name), e.Name())
		if strings.HasPrefix(at, prefix(name)) && IsTemporary(e.Name()) && e.Type().IsRegular() {
			if err := root.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
