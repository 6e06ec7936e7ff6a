package rootfs

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// ReplaceFile is WriteFile for a directory where several processes may write at the same
// time, and where nobody sweeps. Its temporary file is named after name, and the next
// ReplaceFile of name removes one that a crash left; a process that is writing name at
// that moment fails, and publishes no half-written file.
func ReplaceFile(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	return ReplaceFrom(root, name, bytes.NewReader(data), int64(len(data)), perm)
}

// ReplaceFrom is ReplaceFile for the bytes that content writes, at most limit: more are an
// error that matches ErrTooLarge.
func ReplaceFrom(root *os.Root, name string, content io.WriterTo, limit int64, perm fs.FileMode) error {
	if err := sweepNamed(root, name); err != nil {
		return err
	}
	return writeVia(root, NamedTemp(name), name, content, limit, perm)
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

// ReadDir lists the directory name, sorted. If name is a pipe, ReadDir fails and does
// not wait for a writer.
func ReadDir(root *os.Root, name string) ([]fs.DirEntry, error) {
	d, err := root.OpenFile(name, os.O_RDONLY|openNonblock, 0)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// NamedTemp returns a new name for a temporary file of name, in the same directory. Like
// the name of every temporary file of this package, it contains its own checksum.
func NamedTemp(name string) string {
	random := rand.Text()[:randomSize]
	return namedTempPrefix(name) + random + tempCheck(random)
}

// NameOfTemp returns the base name of the file for which NamedTemp made base. ok is false
// if it made no such name.
func NameOfTemp(base string) (name string, ok bool) {
	i := strings.LastIndex(base, ".tmp-")
	if i < 1 || base[0] != '.' {
		return "", false
	}
	random := base[i+len(".tmp-"):]
	return base[1:i], len(random) == 26 && random[randomSize:] == tempCheck(random[:randomSize])
}

// IsNamedTemp reports whether NamedTemp made the base name base.
func IsNamedTemp(base string) bool { _, ok := NameOfTemp(base); return ok }

func namedTempPrefix(name string) string {
	dir, base := path.Split(name)
	return dir + "." + base + ".tmp-"
}

// sweepNamed removes the temporary files of name.
func sweepNamed(root *os.Root, name string) error {
	list, err := ReadDir(root, path.Dir(name))
	if err != nil {
		return err
	}
	for _, e := range list {
		file := path.Join(path.Dir(name), e.Name())
		if strings.HasPrefix(file, namedTempPrefix(name)) && IsNamedTemp(e.Name()) && e.Type().IsRegular() {
			if err := root.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
