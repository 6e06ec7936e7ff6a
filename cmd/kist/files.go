package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kist-tools/kist/manifests"
)

// Files that are named on the command line: keys, signatures, payloads. They
// lie wherever the user says, so they are opened by path, here and nowhere else.

// A missingFileError says that a file named on the command line is not there.
type missingFileError struct{ Path string }

func (e *missingFileError) Error() string { return fmt.Sprintf("%s: there is no such file", e.Path) }

// A keyFileError says that a file named on the command line holds no key of the
// kind that was asked for.
type keyFileError struct {
	Paths  []string
	Secret bool // else public keys
	Err    error
}

func (e *keyFileError) Error() string {
	return fmt.Sprintf("%s: %v", strings.Join(e.Paths, ", "), e.Err)
}
func (e *keyFileError) Unwrap() error { return e.Err }

func openFile(path string) (*os.File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &missingFileError{path}
	}
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, usage("%s is a directory, not a file", path)
	}
	return f, nil
}

// readFile reads a whole file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if int64(len(data)) > limit {
		return nil, &manifests.TooLargeError{Name: path, Limit: limit}
	}
	return data, nil
}

// readFiles reads several files.
func readFiles(paths []string, limit int64) (contents [][]byte, err error) {
	for _, path := range paths {
		data, err := readFile(path, limit)
		if err != nil {
			return nil, err
		}
		contents = append(contents, data)
	}
	return contents, nil
}

// readProjectFile reads a file that a project may have, or limit+1 bytes of a
// larger one; found is false where no regular file is there.
func readProjectFile(path string, limit int64) (data []byte, found bool, err error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil, false, nil
	}
	f, err := openFile(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	return data, true, err
}

// writeFile writes the file that output is to go to.
func writeFile(path string, data []byte) error { return os.WriteFile(path, data, 0o666) }

// openRoot opens a directory that was named, and makes it if it may be missing.
func openRoot(path string, create bool) (*os.Root, error) {
	if create {
		if err := os.Mkdir(path, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	root, err := os.OpenRoot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &missingFileError{path}
	}
	return root, err
}

// scratchDir makes an empty directory for the moment, among the temporary ones.
// remove takes it away with all that is in it by then.
func scratchDir() (root *os.Root, remove func() error, err error) {
	path, err := os.MkdirTemp("", "kist-")
	if err != nil {
		return nil, nil, err
	}
	root, err = os.OpenRoot(path)
	if err != nil {
		return nil, nil, errors.Join(err, os.Remove(path))
	}
	return root, func() error {
		err := empty(root)
		return errors.Join(err, root.Close(), os.Remove(path))
	}, nil
}

// empty removes what is below root, the deepest first.
func empty(root *os.Root) error {
	var paths []string
	err := fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	})
	for _, path := range slices.Backward(paths[min(1, len(paths)):]) {
		err = errors.Join(err, root.Remove(path))
	}
	return err
}

// sameDir reports whether two paths name one directory.
func sameDir(a, b string) bool {
	if a == "" || b == "" {
		return false
	}
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	ai, aerr := os.Stat(a)
	bi, berr := os.Stat(b)
	return aerr == nil && berr == nil && os.SameFile(ai, bi)
}

// executable reports whether path is a regular file that may be executed, and
// whether such a file is there at all: a directory is no command.
func executable(path string) (can, exists bool) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false, false
	}
	return info.Mode()&0o111 != 0 || filepath.Ext(path) == ".exe", true
}
