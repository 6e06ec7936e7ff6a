//go:build !unix

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/kist-tools/kist/manifests/rootfs"
)

// current is a file that holds the number: links need a privilege on Windows.

func readCurrent(data *os.Root) (uint64, error) {
	if data == nil {
		return 0, nil
	}
	text, err := rootfs.ReadFile(data, Current, 64)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n, ok := generationNumber(strings.TrimSpace(string(text)))
	if !ok {
		return 0, fmt.Errorf("%s holds %q, which is not a generation number", Current, text)
	}
	return n, nil
}

func writeCurrent(data *os.Root, n uint64) error {
	return rootfs.WriteFile(data, Current, []byte(strconv.FormatUint(n, 10)+"\n"), sharedFile)
}

// ownsCurrent reports whether the file holds the number of a generation.
func ownsCurrent(data *os.Root, info fs.FileInfo) bool {
	n, err := readCurrent(data)
	return info.Mode().IsRegular() && err == nil && n > 0
}
