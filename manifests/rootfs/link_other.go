//go:build !linux && !darwin

package rootfs

import (
	"errors"
	"os"
)

// linkByDirs is not supported: the system links by paths, which others may change.
func linkByDirs(*os.Root, string, *os.Root, string) error { return errors.ErrUnsupported }
