//go:build !linux

package rootfs

import (
	"errors"
	"os"
)

func createUnnamed(*os.Root, string) (write, read *os.File, err error) {
	return nil, nil, errors.ErrUnsupported
}
