package namedfiles

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/kist-tools/kist/install/host"
	"github.com/kist-tools/kist/manifests/rust"
)

// A project's own files say which tools it needs. They come with a check-out and
// are not trusted: they name tools and versions, and can neither add a channel nor
// weaken a channel's policy.

// NearestToolchainFile reads the toolchain file in the directory dir, or in the nearest one
// above it, up to the home directory or the root. path is "" if there is none.
func NearestToolchainFile(dir, home string) (path string, f rust.ToolchainFile, err error) {
	for {
		for _, name := range rust.ToolchainFiles() {
			path := filepath.Join(dir, name)
			data, exists, err := readIfRegular(path, rust.MaxToolchainFile)
			if err != nil {
				return "", f, err
			}
			if !exists {
				continue
			}
			f, err := rust.ParseToolchainFile(name, data)
			if refused, ok := errors.AsType[*rust.ToolchainFileError](err); ok {
				refused.File = path
			}
			return path, f, err
		}
		above := filepath.Dir(dir)
		if dir == above || host.SameDir(dir, home) {
			return "", f, nil
		}
		dir = above
	}
}

// readIfRegular reads up to limit+1 bytes of the file at path; found is false if there is
// no regular file.
func readIfRegular(path string, limit int64) (data []byte, found bool, err error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil, false, nil
	}
	f, err := Open(path) // checks the type again: the file may have been replaced
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, limit+1))
	return data, true, err
}
