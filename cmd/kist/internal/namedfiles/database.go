package namedfiles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kist-tools/kist/manifests"
	"github.com/kist-tools/kist/manifests/rootfs"
)

// ReadEach calls f with the content of the file at path or, if that is a directory, of every
// regular file in it and below whose name ends in ext, in the order of their names. Links are
// not followed. A file of more than limit bytes is a *manifests.TooLargeError.
func ReadEach(path, ext string, limit int64, f func(name string, data []byte) error) error {
	data, err := Read(path, limit)
	if _, isDir := errors.AsType[*TypeError](err); !isDir {
		if err != nil {
			return err
		}
		return f(path, data)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return errors.Join(&TypeError{path, "neither a file nor a directory"}, err)
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || !strings.HasSuffix(name, ext) {
			return err
		}
		full := filepath.Join(path, filepath.FromSlash(name))
		data, err := rootfs.ReadFile(root, name, limit)
		if errors.Is(err, rootfs.ErrTooLarge) {
			err = &manifests.TooLargeError{Name: full, Limit: limit}
		}
		if err != nil {
			return err
		}
		return f(full, data)
	})
}
