//go:build !linux

package sandbox

import (
	"context"
	"errors"
	"os"

	"github.com/kist-tools/kist/install/internal/unpack"
)

func startFiller(Command, *os.Root, unpack.Limits) (filler, error) {
	return nil, errors.ErrUnsupported
}

func hashInChild(context.Context, Command, string, *os.File, int64, func(int64)) (string, error) {
	return "", errors.ErrUnsupported
}

// Available returns the level of archives that this process unpacks: there are no children
// on this system.
func Available(Command) (level Level, lacks []string, err error) {
	return Level{}, []string{"a separate process (Linux only)"}, nil
}

func ready() error { return errors.ErrUnsupported }

// Serve returns an error code: there are no children on this system.
func Serve() int { return 2 }
