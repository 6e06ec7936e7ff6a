//go:build unix

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// current is a link, so that command links can lead through it.

func readCurrent(data *os.Root) (uint64, error) {
	if data == nil {
		return 0, nil
	}
	target, err := data.Readlink(Current)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", Current, err)
	}
	n, ok := generationNumber(path.Base(target))
	if !ok || target != generationDir(n) {
		return 0, fmt.Errorf("%s links to %q, which is not a generation", Current, target)
	}
	return n, nil
}

func writeCurrent(data *os.Root, n uint64) error {
	return rootfs.ReplaceLink(data, generationDir(n), Current)
}

// ownsCurrent reports whether current is a link. Its target does not matter, because
// only the link itself is removed.
func ownsCurrent(_ *os.Root, info fs.FileInfo) bool { return info.Mode().Type() == fs.ModeSymlink }
