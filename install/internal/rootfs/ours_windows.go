package rootfs

import "os"

// IsOurs reports whether f cannot be written by others. On Windows that follows from
// the directory that it lies in.
func IsOurs(*os.File) bool { return true }
