// Package namedfiles reads and writes the files that a user names on the command line, or
// keeps in a project: keys, signatures, payloads, directories of channels. They may be
// anywhere, so they are opened by path, only here. Pipes and devices that another process
// holds are refused, and a file that is read whole has a ceiling. What a file holds is not
// trusted.
package namedfiles

import (
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

	"github.com/kist-tools/kist/install"
	"github.com/kist-tools/kist/install/bundles"
	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/bundle"
	"github.com/kist-tools/kist/manifests/rootfs"
	"github.com/kist-tools/kist/verify"
)

// A MissingError reports that a file named on the command line does not exist.
type MissingError struct{ Path string }

func (e *MissingError) Error() string { return fmt.Sprintf("%s: no such file", e.Path) }
func (*MissingError) Kind() string    { return "missing" }

// A TypeError reports that what the user named is not what the command needs: a directory
// instead of a file, for instance.
type TypeError struct{ Path, Problem string }

func (e *TypeError) Error() string { return e.Path + " is " + e.Problem }
func (*TypeError) Kind() string    { return "usage" }

// A KeyError reports that files named on the command line hold no usable key of
// the kind asked for.
type KeyError struct {
	Paths  []string
	Secret bool // secret keys were asked for, else public ones
	Err    error
}

func (e *KeyError) Error() string {
	return fmt.Sprintf("%s: %v", strings.Join(e.Paths, ", "), e.Err)
}

func (e *KeyError) Kind() string {
	if e.Secret {
		return "usage"
	}
	return ""
}
func (e *KeyError) Unwrap() error { return e.Err }

// Open opens a file that the user named. It refuses a named pipe or a device:
// reading one could wait for another process. Pipes that the user passes to kist, by
// a shell's <(…) or as /dev/stdin, and the empty /dev/null are accepted.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &MissingError{path}
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = &TypeError{path, "a directory, not a file"}
	case !info.Mode().IsRegular() && !isDescriptor(path) && path != os.DevNull:
		err = &TypeError{path, "a pipe or a device, not a file"}
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

// Read reads a whole file of at most limit bytes.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return manifests.ReadLimited(f, path, limit)
}

// ReadReport is Read for a file that a program wrote, such as a bill of materials: that it
// is too large is no question of trust, but a *[TypeError].
func ReadReport(path string, limit int64) ([]byte, error) {
	data, err := Read(path, limit)
	if large, ok := errors.AsType[*manifests.TooLargeError](err); ok {
		return nil, &TypeError{path, fmt.Sprintf("larger than the limit of %d bytes", large.Limit)}
	}
	return data, err
}

// ReadAll reads several files, each of at most limit bytes.
func ReadAll(paths []string, limit int64) (contents [][]byte, err error) {
	for _, path := range paths {
		data, err := Read(path, limit)
		if err != nil {
			return nil, err
		}
		contents = append(contents, data)
	}
	return contents, nil
}

// PublicKeys reads the OpenPGP public keys in files, each of at most limit bytes. It returns
// a *[KeyError] if one holds none.
func PublicKeys(paths []string, limit int64) (*verify.Keyring, error) {
	files, err := ReadAll(paths, limit)
	if err != nil {
		return nil, err
	}
	ring, err := verify.OpenKeyring(files...)
	if err != nil {
		return nil, &KeyError{Paths: paths, Err: err}
	}
	return ring, nil
}

// SecretKey reads an OpenPGP secret key without a passphrase. It returns a *[KeyError] if
// the file holds none.
func SecretKey(path string) (*verify.SecretKey, error) {
	data, err := Read(path, verify.MaxKeyring)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	key, err := verify.ReadSecretKey(data)
	if err != nil {
		return nil, &KeyError{[]string{path}, true, err}
	}
	return key, nil
}

// Write writes an output file that the user named.
func Write(path string, data []byte) error { return os.WriteFile(path, data, 0o666) }

// Append adds data to the end of a regular file that the user named, and makes the file if
// it is missing.
func Append(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o666)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &TypeError{path, "not a regular file"}
	}
	if err == nil {
		_, err = f.Write(data)
	}
	return errors.Join(err, f.Close())
}

// Replace writes a file that the user keeps, in one step: an interrupt leaves the old
// content or the new one. A file that exists keeps its mode.
func Replace(path string, data []byte) error {
	mode := fs.FileMode(0o644)
	if info, err := os.Lstat(path); err == nil {
		mode = info.Mode().Perm()
	}
	dir, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(rootfs.WriteFile(dir, filepath.Base(path), data, mode), dir.Close())
}

// ReplaceFrom writes a file that the user names, of at most limit bytes, in one step.
func ReplaceFrom(path string, content io.WriterTo, limit int64) error {
	dir, err := os.OpenRoot(filepath.Dir(path))
	if errors.Is(err, fs.ErrNotExist) {
		return &MissingError{filepath.Dir(path)}
	}
	if err != nil {
		return err
	}
	return errors.Join(rootfs.ReplaceFrom(dir, filepath.Base(path), content, limit, 0o644), dir.Close())
}

// OpenBundle reads the bundle in a file or a directory that the user named.
func OpenBundle(ctx context.Context, path string) (*bundles.Bundle, error) {
	open := func() (*bundle.Bundle, error) {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			root, err := os.OpenRoot(path)
			if err != nil {
				return nil, err
			}
			return bundle.OpenDir(ctx, root)
		}
		f, err := Open(path)
		if err != nil {
			return nil, err
		}
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			return nil, errors.Join(&TypeError{path, "a pipe or a device, not a file or a directory"}, err, f.Close())
		}
		return bundle.Open(ctx, f)
	}
	b, err := open()
	switch {
	case errors.Is(err, bundle.ErrNotBundle):
		return nil, verify.Errorf(bundle.ErrNotBundle, "%s is not a bundle: %w", path, err)
	case errors.Is(err, verify.ErrUntrusted):
		return nil, &BundleError{path, err}
	case err != nil:
		return nil, err
	}
	read, err := bundles.Read(path, b)
	if err != nil {
		return nil, errors.Join(&BundleError{path, err}, b.Close())
	}
	return read, nil
}

// A BundleError reports that a bundle is not whole, or not as a bundle must be. It matches
// verify.ErrUntrusted.
type BundleError struct {
	Path string
	Err  error
}

func (e *BundleError) Error() string { return fmt.Sprintf("bundle %s: %v", e.Path, e.Err) }
func (e *BundleError) Unwrap() error { return e.Err }

// ReplacedBundle reads the bundle in the file at path, which a new one is to replace; nil
// if there is no such file. Anything but a whole bundle is a *[TakenError].
func ReplacedBundle(ctx context.Context, path string) (*bundles.Bundle, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &TakenError{path, nil}
	}
	b, err := OpenBundle(ctx, path)
	if errors.Is(err, bundle.ErrNotBundle) || errors.Is(err, verify.ErrUntrusted) {
		return nil, &TakenError{path, err}
	}
	return b, err
}

// A TakenError reports that a file which is to be written exists, and is something else
// than what kist would write.
type TakenError struct {
	Path string
	Err  error // may be nil
}

func (e *TakenError) Error() string {
	return e.Path + " exists, and is not a whole bundle, so kist does not replace it"
}
func (*TakenError) Kind() string { return "refused" }

// OpenRoot opens a directory that the user named. With create, it makes the directory
// if it is missing.
func OpenRoot(path string, create bool) (*os.Root, error) {
	if create {
		if err := os.Mkdir(path, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	if info, err := os.Stat(path); err == nil && !info.IsDir() { // opening a pipe would block
		return nil, &TypeError{path, "not a directory"}
	}
	root, err := os.OpenRoot(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &MissingError{path}
	}
	return root, err
}

// Scratch makes an empty temporary directory. remove deletes it with its content; so does
// an interrupt, by stages, which may be nil.
func Scratch(stages *install.Stages) (root *os.Root, remove func() error, err error) {
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
	stages.Add(drop)
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
