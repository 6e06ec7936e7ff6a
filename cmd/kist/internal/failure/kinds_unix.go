//go:build !windows

package failure

import "syscall"

// systemKinds returns the kinds of the errors of this system that package fs has none for.
func systemKinds() []systemKind {
	return []systemKind{{syscall.ENOSPC, "space"}, {syscall.EDQUOT, "space"}, {syscall.EROFS, "permission"}}
}
