//go:build !linux

package rootfs

import (
	"errors"
	"os"
)

// SharesBlocks returns false.
func (Dir) SharesBlocks() bool { return false }

// ShareBlocks returns an error that matches errors.ErrUnsupported.
func ShareBlocks(from *os.File, origin int64, to *os.File, offset, size int64) (same bool, err error) {
	return false, errors.ErrUnsupported
}
