//go:build !windows

package rootfs

// CannotLink returns false: every file system that kist can be installed on has symbolic
// links, and every user may make them.
func CannotLink(error) bool { return false }
