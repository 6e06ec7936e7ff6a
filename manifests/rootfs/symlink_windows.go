package rootfs

import (
	"errors"

	"golang.org/x/sys/windows"
)

// CannotLink reports whether err says that this user, or this file system, can make no
// symbolic links at all: Windows lets only administrators make them, unless its developer
// mode is on.
func CannotLink(err error) bool {
	return errors.Is(err, windows.ERROR_PRIVILEGE_NOT_HELD) || errors.Is(err, windows.ERROR_NOT_SUPPORTED) || errors.Is(err, windows.ERROR_INVALID_FUNCTION)
}
