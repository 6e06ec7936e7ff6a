//go:build !linux

package private

import (
	"errors"
	"os"
)

const inMemory = false

func newMemory() (*os.File, error) { return nil, errors.ErrUnsupported }

func seal(*os.File) error { return errors.ErrUnsupported }
