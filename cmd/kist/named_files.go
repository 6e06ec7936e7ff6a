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
	"syscall"

	"github.com/kist-tools/kist/manifests"
)

// Files that are named on the command line: keys, signatures, payloads. They may be
// anywhere, so they are opened by path, only in this file.

// A missingFileError reports that a file named on the command line does not exist.
type missingFileError struct{ Path string }

func (e *missingFileError) Error() string { return fmt.Sprintf("%s: no such file", e.Path) }
func (*missingFileError) Kind() string    { return "missing" }

// A keyFileError reports that files named on the command line hold no usable key of
// the kind asked for.
type keyFileError struct {
	Paths  []string
	Secret bool // secret keys were asked for, else public ones
	Err    error
}

func (e *keyFileError) Error() string {
	return fmt.Sprintf("%s: %v", strings.Join(e.Paths, ", "), e.Err)
}

func (e *keyFileError) Kind() string {
	if e.Secret {
		return "usage"
	}
	return ""
}
func (e *keyFileError) Unwrap() error { return e.Err }

// openFile opens a file that the user named. It refuses a named pipe or a device:
// reading one could wait for another process. Pipes that the user passes to kist, by
// a shell's <(…) or as /dev/stdin, and the empty /dev/null are accepted.
func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &missingFileError{path}
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = usage("%s is a directory, not a file", path)
	case !info.Mode().IsRegular() && !isDescriptor(path) && path != os.DevNull:
		err = usage("%s is a pipe or a device, not a file", path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// isDescriptor reports whether path names a descriptor that kist has open.
func isDescriptor(path string) bool {
	path = filepath.Clean(path)
	switch dir := filepath.Dir(path); dir {
	case "/dev":
		return path == "/dev/stdin"
	case "/dev/fd":
		return true
	default:
		ok, _ := filepath.Match("/proc/*/fd", dir)
		return ok
	}
}

// readFile reads a whole file of at most limit bytes.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return manifests.ReadLimited(f, path, limit)
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

// readProjectFile reads a file that a project may have, up to limit+1 bytes; found is
// false if there is no regular file at path.
func readProjectFile(path string, limit int64) (data []byte, found bool, err error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil, false, nil
	}
	f, err := openFile(path) // checks the type again: the file may have been replaced
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	return data, true, err
}

// writeFile writes an output file that the user named.
func writeFile(path string, data []byte) error { return os.WriteFile(path, data, 0o666) }

// openRoot opens a directory that the user named. With create, it makes the directory
// if it is missing.
func openRoot(path string, create bool) (*os.Root, error) {
	if create {
		if err := os.Mkdir(path, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	if info, err := os.Stat(path); err == nil && !info.IsDir() { // opening a pipe would block
		return nil, usage("%s is not a directory", path)
	}
	root, err := os.OpenRoot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &missingFileError{path}
	}
	return root, err
}

// scratchDir makes an empty temporary directory. remove deletes it with its content.
func (a *app) scratchDir() (root *os.Root, remove func() error, err error) {
	path, err := os.MkdirTemp("", "kist-")
	if err != nil {
		return nil, nil, err
	}
	root, err = os.OpenRoot(path)
	if err != nil {
		return nil, nil, errors.Join(err, os.Remove(path))
	}
	drop := func() error {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return errors.Join(empty(root), os.Remove(path))
	}
	a.Stages.Add(drop)
	return root, func() error { return errors.Join(drop(), root.Close()) }, nil
}

// empty removes everything below root, the deepest first.
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
