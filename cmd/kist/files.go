package main

import (
	"cmp"
	"context"
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

// openFile opens a file that the user named. A pipe that was made on disk is
// refused, as a device is: opening it would wait for whoever is at its other end.
// The pipes that the user hands to kist, as a shell's <(…) or as /dev/stdin, and
// the empty /dev/null are fine.
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
	f, err := openFile(path) // which refuses what has taken its place meanwhile
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
	if info, err := os.Stat(path); err == nil && !info.IsDir() { // a pipe would be waited for
		return nil, usage("%s is not a directory", path)
	}
	root, err := os.OpenRoot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &missingFileError{path}
	}
	return root, err
}

// scratchDir makes an empty directory for the moment, among the temporary ones.
// remove takes it away with all that is in it by then.
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

// readIn reads the regular file name below root, of at most limit bytes.
func readIn(root *os.Root, name string, limit int64) ([]byte, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, cmp.Or(err, error(&fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}))
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if int64(len(data)) > limit {
		err = cmp.Or(err, error(&manifests.TooLargeError{Name: name, Limit: limit}))
	}
	return data, err
}

// untilDone is f, whose reading ends with an error when ctx is done.
type untilDone struct {
	io.ReadSeeker
	ctx context.Context
}

func (u untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.ReadSeeker.Read(p)
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
